"""Every state of the page, in a real browser."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import httpx
import pytest
from PIL import Image

from mmedrag.phantoms.corpus import out_of_domain
from patience import PATIENCE
from serving.chromium import asked, expect, violations

TOKENS = '[reader]\ntoken = "0123456789abcdef-read"\nscopes = ["read"]\n'


def test_empty_offers_questions_to_try(tab, client: httpx.Client) -> None:
    tab.goto(str(client.base_url))
    expect(tab.locator("#empty")).to_contain_text("Every statement names its cases")
    tab.locator("#empty a").first.click()
    expect(tab.locator("#answer .notice")).to_be_visible()
    expect(tab.locator("#empty")).to_have_count(0)


@pytest.mark.parametrize(
    ("text", "where", "state", "words"),
    [
        ("tell me a joke", "", "declined", "This is not answered here"),
        ("what dose of aspirin?", "", "declined", "not answered here"),
        ("mass", "modality = 'mri'", "no match", "0 of 30 cases match"),
    ],
)
def test_states_of_an_answer(tab, client, text: str, where: str, state: str, words: str) -> None:
    tab.goto(str(client.base_url))
    if where:
        tab.click("summary")
        tab.fill("input[name=where]", where)
    asked(tab, text)
    expect(tab.locator(f"#answer [data-state='{state}']")).to_contain_text(words)
    assert violations(tab) == []


def test_where_nothing_is_adequate_the_nearest_cases_are_shown(tab, client: httpx.Client) -> None:
    tab.goto(f"{client.base_url}?text=unclear+shadow+on+the+film&threshold=1")
    expect(tab.locator("#answer [data-state='abstained']")).to_contain_text(
        "nearest cases are still shown"
    )
    assert tab.locator("#cases article.card").count() > 0
    assert violations(tab) == []


def test_not_medical(tab, client: httpx.Client, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    for picture in out_of_domain(12, seed=3):
        Image.fromarray(picture.image).save(file)
        found = client.post("/v1/search", files={"image": file.read_bytes()})
        if not found.json()["domain"]["medical"]:
            break
    tab.goto(str(client.base_url))
    tab.set_input_files("#image", file)
    expect(tab.locator("#chosen")).to_be_visible()
    asked(tab, "")
    expect(tab.locator("[data-state='not medical']")).to_contain_text("Nothing was searched")


def test_loading_streaming_and_stopping(tab, client: httpx.Client) -> None:
    """The reply is held back, then comes in part, then is stopped by its reader."""
    tab.goto(str(client.base_url))
    held = []
    tab.route("**/?casebase=*", lambda route: held.append(route))
    tab.fill("#text", "mass")
    tab.click("#go")
    expect(tab.locator("#results")).to_have_attribute("aria-busy", "true")
    expect(tab.locator("#understood")).to_contain_text("Reading the question")
    expect(tab.locator("#status")).to_have_text("Searching.")
    expect(tab.locator("#stop")).to_be_visible()
    assert violations(tab) == []
    tab.click("#stop")
    expect(tab.locator("#status")).to_have_text("Stopped.")
    expect(tab.locator("#stop")).to_be_hidden()
    tab.unroute_all(behavior="ignoreErrors")
    piece = f"event: piece\ndata: {json.dumps({'text': 'In 3 of'})}\n\n"
    tab.route("**/?casebase=*", lambda r: r.fulfill(status=200, body=piece))
    tab.click("#go")
    expect(tab.locator("#answer")).to_contain_text("In 3 of")
    expect(tab.locator("[data-state='cut']")).to_contain_text("what has come is still shown")


def test_busy(tab, serve, own: Path) -> None:
    """The one reader is taken, and nobody may wait."""
    client = serve(own, "--readers", "1", "--queue", "0")
    tab.goto(str(client.base_url))
    (readers,) = client.service.casebases.values()
    free = Event()
    with ThreadPoolExecutor(1) as thread:
        holding = thread.submit(asyncio.run, readers.run(lambda rag, watch: free.wait(PATIENCE)))
        while not readers.in_flight:
            time.sleep(0.01)
        tab.fill("#text", "mass")
        tab.click("#go")
        expect(tab.locator("[data-state='503']")).to_contain_text("Try again in a moment")
        assert violations(tab) == []
        free.set()
        assert holding.result()
    asked(tab, "mass")
    expect(tab.locator("#problem")).to_be_empty()


def test_a_wrong_token_and_the_right_one(tab, serve, own: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens.toml").write_text(TOKENS, "utf-8")
    client = serve(own, "--token-file", tmp_path / "tokens.toml")
    tab.goto(str(client.base_url))
    expect(tab.locator("h1")).to_have_text("Sign in")
    expect(tab.locator("[data-state='wrong token']")).to_have_count(0)
    tab.fill("#token", "wrong-wrong-wrong-wrong")
    tab.keyboard.press("Enter")
    expect(tab.locator("[data-state='wrong token']")).to_contain_text("token")
    assert violations(tab) == []
    tab.fill("#token", "0123456789abcdef-read")
    tab.keyboard.press("Enter")
    asked(tab, "mass")
    assert tab.locator(".judge").count() == 0, "a reader's token may not write"
    tab.context.clear_cookies()
    tab.click("#go")
    expect(tab.locator("[data-state='401'] a")).to_have_text("Sign in again")


def test_back_and_reload(tab, client: httpx.Client, phantoms) -> None:
    tab.goto(str(client.base_url))
    asked(tab, "mass")
    asked(tab, "drusen")
    tab.go_back()
    expect(tab.locator("#understood .asked")).to_have_text("mass")
    expect(tab.locator("#text")).to_have_value("mass")
    tab.go_forward()
    expect(tab.locator("#understood .asked")).to_have_text("drusen")
    image = next(c.image for c in phantoms if c.image and c.domain == "ophthalmology")
    tab.set_input_files("#image", image)
    expect(tab.locator("#chosen")).to_be_visible()
    asked(tab, "drusen?")
    tab.reload()
    expect(tab.locator("[data-state='image']")).to_contain_text("never kept")
    expect(tab.locator("#text")).to_have_value("drusen?")
    expect(tab.locator("#results")).to_be_hidden()


def test_everything_by_keyboard(tab, client: httpx.Client) -> None:
    """From the address to a passage and a comparison without a pointer."""
    tab.goto(str(client.base_url))
    tab.keyboard.press("Tab")
    expect(tab.locator(".skip")).to_be_focused()
    tab.locator("#text").focus()
    tab.keyboard.type("mass")
    tab.keyboard.press("Control+Enter")
    expect(tab.locator("#answer .notice")).to_be_visible()
    expect(tab.locator("#results")).not_to_have_attribute("aria-busy", "true")
    tab.locator("#go").focus()
    tab.keyboard.press("Tab")
    expect(tab.locator("#answer .skip")).to_be_focused()
    tab.keyboard.press("Tab")
    expect(tab.locator("#answer a.mark").first).to_be_focused()
    expect(tab.locator("#passage")).to_be_visible()
    tab.keyboard.press("Shift+Tab")
    tab.keyboard.press("Enter")
    for _ in range(2):  # the cases may be behind a summary
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.className") == "picture":
            break
    expect(tab.locator("button.picture").first).to_be_focused()
    tab.keyboard.press("Enter")
    expect(tab.locator("#compare")).to_be_visible()
    expect(tab.locator("#why")).to_be_hidden()  # the question has no image
    tab.keyboard.press("j")
    tab.keyboard.press("Escape")
    expect(tab.locator("#compare")).to_be_hidden()
    expect(tab.locator("button.picture").first).to_be_focused()
