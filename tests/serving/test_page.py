"""The page in a real browser, and as a plain form."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import httpx
import pytest

from mmedrag.cli import main
from mmedrag.datasets.records import write_records
from mmedrag.training import preference
from mmedrag.types import Case
from serving.chromium import WAIT, asked, expect, violations
from training.fake_stages import fake_stages


def image_of(cases: list[Case], domain: str) -> Path:
    return next(c.image for c in cases if c.image is not None and c.domain == domain)


def test_an_image_is_asked_about_compared_and_judged(tab, serve, own: Path, phantoms) -> None:
    client = serve(own)
    tab.goto(str(client.base_url))
    assert violations(tab) == []
    tab.set_input_files("#image", image_of(phantoms, "ophthalmology"))
    expect(tab.locator("#chosen")).to_be_visible()
    asked(tab, "Are there drusen?")
    assert "text=Are+there+drusen" in tab.url
    expect(tab.locator("#understood")).to_contain_text("ophthalmology")
    expect(tab.locator("#answer")).to_contain_text("Not a medical device")

    mark = tab.locator("#answer a.mark").first
    mark.focus()
    expect(tab.locator("#passage")).to_be_visible()
    expect(mark).to_have_attribute("aria-describedby", "passage")
    tab.keyboard.press("Escape")
    expect(tab.locator("#passage")).to_be_hidden()
    mark.hover()
    expect(tab.locator("#passage")).to_contain_text(mark.inner_text())
    tab.mouse.move(2, 2)

    tab.locator("button.picture").first.focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#compare")).to_be_visible()
    expect(tab.locator("#left")).to_be_visible()
    expect(tab.locator("#compare-name")).to_contain_text("1 of")
    expect(tab.locator("#left-text")).to_have_text("Are there drusen?")
    expect(tab.locator("#right-text")).to_have_text(tab.locator(".card .text").first.inner_text())
    tab.keyboard.press("j")
    expect(tab.locator("#compare-name")).to_contain_text("2 of")
    tab.keyboard.press("k")
    tab.keyboard.press("4")
    expect(tab.locator("[data-preset='4']")).to_have_attribute("aria-pressed", "true")
    expect(tab.locator("[data-preset='4']")).to_have_text("4 Dark parts")
    tab.keyboard.press("r")
    expect(tab.locator("[data-preset='1']")).to_have_attribute("aria-pressed", "true")
    tab.keyboard.press("w")
    expect(tab.locator("#why-text")).to_contain_text("Bright regions add most")
    expect(tab.locator("#why-text")).to_contain_text("A hint")
    tab.keyboard.press("j")
    expect(tab.locator("#why-text")).to_contain_text("Bright regions add most")
    assert violations(tab) == []
    tab.keyboard.press("Escape")
    expect(tab.locator("#compare")).to_be_hidden()

    tab.locator(".card button[value=relevant]").first.click()
    expect(tab.locator(".card button[aria-pressed=true]")).to_have_count(1)
    assert '"verdict": "relevant"' in (own / "feedback.jsonl").read_text("utf-8")
    tab.click("text=Trace")
    expect(tab.locator("h2", has_text="Ranks")).to_be_visible()


def test_verdicts_of_the_page_are_learned_from(
    tab, serve, own: Path, tmp_path: Path, phantoms, monkeypatch
) -> None:
    client = serve(own)
    tab.goto(str(client.base_url))
    asked(tab, "Is there a pleural effusion?")
    cards = tab.locator("#cases > article.card")
    cards.nth(0).get_by_role("button", name="is relevant").click()
    cards.nth(1).get_by_role("button", name="is not relevant").click()
    expect(tab.locator(".card button[aria-pressed=true]")).to_have_count(2)
    chosen, rejected = (cards.nth(n).locator(".text").inner_text() for n in (0, 1))

    write_records(phantoms, tmp_path / "phantoms.jsonl")
    monkeypatch.setattr(preference, "build", lambda preset, models: fake_stages())
    words = ["--data", tmp_path / "phantoms.jsonl", "--into", tmp_path / "reward",
             "--epochs", "5", "--feedback", own, "--export", tmp_path / "pairs.jsonl"]  # fmt: skip
    assert main(["train", "preference", *map(str, words)]) == 0
    lines = (tmp_path / "pairs.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    (row,) = [row for row in rows if row["chosen_kind"] == "judged relevant"]
    assert row["prompt"] == "Is there a pleural effusion?"
    assert " ".join(row["chosen"].split()) == " ".join(chosen.split())
    assert " ".join(row["rejected"].split()) == " ".join(rejected.split())


COLOURS = ("color-contrast", "link-in-text-block")
"""The rules of axe that a dark page may break where a light one of its size does not."""


def test_every_page_is_accessible(browser, client) -> None:
    page = browser.new_context().new_page()
    page.set_default_timeout(WAIT)
    case = client.post("/v1/search", json={"text": "drusen"}).json()["gathered"][0]["id"]
    for address in ("/?text=Is+there+a+fracture%3F", "/casebase", f"/case?id={case}", "/login",
                    "/case?id=absent", "/?text=tell+me+a+joke"):  # fmt: skip
        page.goto(str(client.base_url) + address)
        for width, scheme in product((390, 1280), ("light", "dark")):
            page.set_viewport_size({"width": width, "height": 844})
            page.emulate_media(color_scheme=scheme)
            rules = COLOURS if scheme == "dark" else ()
            assert violations(page, *rules) == [], (address, width, scheme)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{address} is {wide} wide"
    page.context.close()


def test_filters_live_in_the_address(tab, client: httpx.Client) -> None:
    tab.goto(f"{client.base_url}/?text=mass&domain=radiology&k=3&where=modality+%3D+%27xray%27")
    expect(tab.locator("input[value=radiology]")).to_be_checked()
    expect(tab.locator("input[name=where]")).to_have_value("modality = 'xray'")
    expect(tab.locator("#understood code")).to_have_text("modality = 'xray'")
    tab.locator("label.chip", has_text="pathology").click()
    expect(tab.locator("#understood")).to_contain_text("domain given by the user")
    expect(tab.locator("#results")).not_to_have_attribute("aria-busy", "true")
    assert "domain=pathology" in tab.url
    tab.reload()
    expect(tab.locator("input[value=pathology]")).to_be_checked()
    expect(tab.locator("[data-state='no match']")).to_be_visible()
    tab.locator("label.chip", has_text="all").click()
    expect(tab.locator("#understood")).to_contain_text("all domains")


def test_a_refused_question_can_be_changed_without_a_script(client: httpx.Client) -> None:
    asked = {"text": "a mass?", "where": "modality ="}
    page = client.get("/", params=asked, headers={"Accept": "text/html"})
    assert page.status_code == 422
    assert "The filter ends too early." in page.text
    assert ">a mass?</textarea>" in page.text
    assert 'value="modality ="' in page.text


def test_states_that_are_problems(tab, serve, own: Path, tmp_path: Path) -> None:
    client = serve(own, "--max-body", "0.02")
    tab.goto(str(client.base_url))
    tab.click("#go")
    expect(tab.locator("#problem")).to_contain_text("Nothing is asked")
    (tmp_path / "large.png").write_bytes(b"x" * 30_000)
    tab.set_input_files("#image", tmp_path / "large.png")
    expect(tab.locator("[data-state='413']")).to_be_visible()
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    tab.set_input_files("#image", tmp_path / "broken.png")
    expect(tab.locator("[data-state='422']")).to_be_visible()
    expect(tab.locator("#chosen")).to_be_hidden()
    tab.click("summary")
    tab.fill("#text", "x")
    tab.fill("input[name=where]", "modality =")
    tab.click("#go")
    expect(tab.locator("#problem")).to_contain_text("filter")
    tab.route("**/?casebase=*", lambda route: route.fulfill(status=200, body="event: piece\n"))
    tab.click("#go")
    expect(tab.locator("[data-state='cut']")).to_be_visible()
    tab.unroute_all()
    tab.route("**/?casebase=*", lambda route: route.abort())
    tab.click("#go")
    expect(tab.locator("#problem")).to_contain_text("cannot be reached")


def test_a_dicom_keeps_its_sixteen_bits(tab, client: httpx.Client, tmp_path: Path) -> None:
    file = tmp_path / "ct.dcm"
    file.write_bytes(sixteen_bits())
    reply = client.post("/pixels", files={"image": file.read_bytes()})
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["x-window"] == "40,400"
    assert reply.headers["x-units"] == "HU"
    assert len(reply.content) == 4 * 64 * 64
    tab.goto(f"{client.base_url}?domain=radiology")
    tab.set_input_files("#image", file)
    asked(tab, "Is this a lung?")
    expect(tab.locator("#understood")).to_contain_text("with an image")
    tab.locator("button.picture").first.click()
    expect(tab.locator("[data-preset='4']")).to_have_text("4 Lung")
    expect(tab.locator("#units")).to_be_visible()


def test_two_fingers_zoom(tab, client: httpx.Client) -> None:
    tab.goto(f"{client.base_url}?text=drusen")
    tab.locator("button.picture").first.click()
    right = tab.locator("#right")
    tab.wait_for_timeout(300)
    before, box = right.screenshot(), right.bounding_box()
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    touch = tab.context.new_cdp_session(tab)
    for kind, spread in (("touchStart", 20), ("touchMove", 40), ("touchMove", 80)):
        fingers = [{"x": middle["x"] + by, "y": middle["y"], "id": n}
                   for n, by in enumerate((-spread, spread))]  # fmt: skip
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    tab.wait_for_timeout(300)
    assert right.screenshot() != before
    tab.keyboard.press("r")
    tab.wait_for_timeout(300)
    assert right.screenshot() == before


FIRST = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from mmedrag.imaging.decoding import open_image
from mmedrag.serving.pixels import pixels_of
file, together = Path(sys.argv[1]).read_bytes(), Barrier(4)
def read(reader):
    together.wait()
    reader(file)
with ThreadPoolExecutor(4) as threads:
    list(threads.map(read, (open_image, pixels_of) * 2))
"""


def test_the_first_dicom_may_be_shown_and_searched_at_once(tmp_path: Path) -> None:
    """Both readers of a new process need pydicom, and import it from its two ends."""
    (tmp_path / "ct.dcm").write_bytes(sixteen_bits())
    subprocess.run([sys.executable, "-c", FIRST, tmp_path / "ct.dcm"], check=True)


def test_only_hounsfield_units_have_windows_of_tissues(client: httpx.Client) -> None:
    film, scaled = sixteen_bits(Modality="DX"), sixteen_bits(Modality="OT", RescaleType="HU")
    other = sixteen_bits(RescaleType="OD")
    units = [
        client.post("/pixels", files={"image": file}).headers.get("x-units")
        for file in (film, scaled, other)
    ]
    assert units == [None, "HU", None]


@pytest.mark.parametrize(("address", "status"), [("/nowhere", 404), ("/course?patient=", 422)])
def test_a_browser_gets_every_problem_as_a_page(client: httpx.Client, address, status) -> None:
    page = client.get(address, headers={"accept": "text/html"})
    assert (page.status_code, page.headers["content-type"][:9]) == (status, "text/html")
    assert "Ask a question" in page.text
    assert client.get(address).headers["content-type"] == "application/problem+json"


def test_an_enhanced_ct_is_rescaled_by_its_functional_groups(client: httpx.Client) -> None:
    from pydicom.dataset import Dataset

    rescale, window, groups = Dataset(), Dataset(), Dataset()
    rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = 1, -1000, "HU"
    window.WindowCenter, window.WindowWidth = 40, 400
    groups.PixelValueTransformationSequence, groups.FrameVOILUTSequence = [rescale], [window]
    nowhere_else = dict.fromkeys(
        ("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"), None
    )
    file = sixteen_bits(**nowhere_else, SharedFunctionalGroupsSequence=[groups])
    reply = client.post("/pixels", files={"image": file})
    assert reply.headers["x-units"] == "HU"
    assert reply.headers["x-window"] == "40,400"
    assert min(memoryview(reply.content).cast("f")) == -1000


def test_values_that_are_no_numbers_are_shown_as_a_picture(client: httpx.Client) -> None:
    file = sixteen_bits(RescaleSlope="1e300", RescaleIntercept="-1e300")
    reply = client.post("/pixels", files={"image": file})
    assert reply.headers["content-type"] == "image/png"


def sixteen_bits(**fields: object) -> bytes:
    """A CT slice from -1000 to 1000 Hounsfield units, or with other fields."""
    import io

    import numpy as np
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, generate_uid()
    ds.Rows = ds.Columns = 64
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1000
    ds.WindowCenter, ds.WindowWidth = 40, 400
    ds.Modality = "CT"
    for keyword, value in fields.items():
        setattr(ds, keyword, value)
    values = np.linspace(0, 2000, 64 * 64).astype(np.uint16).reshape(64, 64)
    ds.PixelData = values.tobytes()
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_a_hostile_casebase_does_nothing(tab, serve, tmp_path: Path) -> None:
    bad = "<img src=x onerror=alert(1)><script>alert(2)</script>'\"`${alert(3)}\u202e"
    cases = [
        Case(
            id=f"{bad}-{n}",
            text=f"Drusen. {bad}" + " More of it." * 400,
            labels=(bad,),
            diagnosis=bad,
            source=bad,
            licence=bad,
            modality=bad,
            patient_id=bad,
        )
        for n in range(3)
    ]
    write_records(cases, tmp_path / "records.jsonl")
    path = tmp_path / "hostile.casebase"
    assert main(["index", str(tmp_path / "records.jsonl"), "--into", str(path)]) == 0
    client = serve(path)
    tab.on("dialog", lambda dialog: pytest.fail("a script of the casebase ran"))
    tab.goto(str(client.base_url))
    asked(tab, f"drusen {bad}")
    expect(tab.locator("#cases")).to_contain_text("<script>alert(2)")
    folded = tab.locator(".card .text").first.bounding_box()["height"]
    tab.locator(".card summary", has_text="The whole report").first.click()
    assert tab.locator(".card .text").first.bounding_box()["height"] > 2 * folded
    assert tab.locator("main script, main img[onerror]").count() == 0
    with tab.context.expect_page() as opened:
        tab.locator(".card a").first.click()
    expect(opened.value.locator("h1")).to_contain_text("<img src=x")
    assert opened.value.locator("main script, main img[onerror]").count() == 0
    tab.goto(f"{client.base_url}/casebase")
    assert tab.locator("main script, main img[onerror]").count() == 0


def test_without_javascript_in_a_browser(browser, serve, own: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(str(serve(own).base_url))
    page.fill("#text", "drusen")
    page.click("#go")
    expect(page.locator("#answer .notice")).to_be_visible()
    page.locator(".card button[value=relevant]").first.click()
    expect(page.locator("h1")).to_have_text("Kept")
    assert "drusen" in (own / "feedback.jsonl").read_text("utf-8")
    context.close()


def test_without_javascript_it_is_a_form(client: httpx.Client, phantoms: list[Case]) -> None:
    form = {"text": "Is there a pneumothorax?", "k": "3", "domain": "", "where": ""}
    moved = client.post("/", data=form)
    assert moved.status_code == 303
    page = client.get(moved.headers["location"]).text
    assert 'class="mark" href="#C' in page
    assert "Not a medical device" in page
    with image_of(phantoms, "pathology").open("rb") as file:
        page = client.post("/", data=form, files={"image": file}).text
    assert "with an image" in page
    kept = client.get(page.split('href="/trace/')[1].split('"')[0].join(("/trace/", "")))
    assert kept.status_code == 200
    assert "<h2>Time</h2>" in kept.text
    assert client.get("/trace/absent").status_code == 404
    refused = client.get("/?text=x&where=a+%3D", headers={"Accept": "text/html"})
    assert refused.status_code == 422
    assert "<h1" in refused.text
    assert 'value="a ="' in refused.text  # the question stays, to be mended
