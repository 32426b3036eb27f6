"""The REST interface over a real server."""

from __future__ import annotations

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np
import pytest

from dicom_files import header, save, with_pixels
from mmedrag.assembly import load
from mmedrag.datasets.records import write_records
from mmedrag.types import Case, Query
from mmedrag.views.trace import context_json


def problem(reply: httpx.Response, status: int) -> dict[str, str]:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    told: dict[str, str] = reply.json()
    assert told["status"] == status
    assert told["detail"]
    assert told["remedy"]
    return told


def events(reply: httpx.Response) -> list[tuple[str, object]]:
    blocks = [block.split("\n") for block in reply.text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data[6:])) for name, data in blocks]


def test_a_search_finds_what_the_library_finds(client: httpx.Client, thirty: Path) -> None:
    got = client.post("/v1/search", json={"text": "drusen at the macula", "k": 3}).json()
    with load(thirty) as rag:
        mine = context_json(rag.retrieve(Query("drusen at the macula")))
    assert [e["key"] for e in got["gathered"]] == [e["key"] for e in mine["gathered"]]
    assert [e["similarity"] for e in got["ranked"]] == [e["similarity"] for e in mine["ranked"]]
    assert got["schema"] == mine["schema"]


def test_no_path_of_the_server_is_told(client: httpx.Client, thirty: Path) -> None:
    reply = client.post("/v1/search", json={"text": "fracture"})
    images = [e["image"] for e in reply.json()["gathered"] if e["kind"] == "case"]
    assert any(images)
    assert all(image.startswith("/v1/previews/") for image in images if image)
    assert str(thirty.parent) not in reply.text + client.get("/v1/info").text
    assert client.get(next(filter(None, images))).content[:3] == b"\xff\xd8\xff"


def test_an_answer_comes_as_json_and_as_events(client: httpx.Client) -> None:
    asked = {"text": "Is there a pneumothorax?", "k": 4}
    whole = client.post("/v1/ask", json=asked).json()["answer"]
    reply = client.post("/v1/ask", json=asked, headers={"Accept": "text/event-stream"})
    assert reply.headers["content-type"].startswith("text/event-stream")
    got = events(reply)
    names = list(dict.fromkeys(name for name, _ in got))
    assert names == ["routing", "evidence", "piece", "claims", "answer"]
    assert got[-1][1]["answer"] == whole  # type: ignore[index]
    pieces = "".join(data["text"] for name, data in got if name == "piece")  # type: ignore[index]
    assert pieces.strip() == whole["text"]
    assert whole["disclaimer"].startswith("Not a medical device")


def test_an_image_is_asked_with(client: httpx.Client, phantoms: list[Case]) -> None:
    image = next(c.image for c in phantoms if c.image and c.domain == "ophthalmology")
    files = {"image": ("../../Mustermann.png", image.read_bytes(), "image/png")}
    got = client.post("/v1/ask", data={"text": "", "k": "2"}, files=files).json()
    assert got["domain"]["decision"] == "ophthalmology"
    assert "Mustermann" not in json.dumps(got)
    problem(client.post("/v1/ask", files={"image": b"no image"}), 422)
    empty = {"image": ("scan.dcm", b"")}
    problem(client.post("/v1/ask", data={"text": "Drusen?"}, files=empty), 422)
    none = {"image": ("", b"")}  # as a browser sends a form without a file
    assert client.post("/v1/ask", data={"text": "Drusen?"}, files=none).status_code == 200
    problem(client.post("/v1/ask", files={"picture": b"x"}), 422)


def test_why_a_case_is_similar(client: httpx.Client, phantoms: list[Case]) -> None:
    case = next(c for c in phantoms[:30] if c.domain == "radiology" and c.image and c.text)
    sent = {"image": case.image.read_bytes()}
    got = client.post("/v1/why", data={"case": case.id, "text": case.text}, files=sent).json()
    assert got["similarity"] == pytest.approx(1.0, abs=0.1)
    assert got["differing"] == []
    for name in ("question_map", "case_map"):
        values = [value for row in got[name]["values"] for value in row]
        assert min(values) == 0
        assert max(values) == 1
        assert len(got[name]["strongest"].split()) == 2
    assert "Not a medical device" in got["hint"]
    problem(client.post("/v1/why", data={"case": "absent"}, files=sent), 404)
    problem(client.post("/v1/why", json={"case": case.id}), 422)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": ""}, 422),
        ({"text": "x", "k": 0}, 422),
        ({"text": "x", "k": "3"}, 422),
        ({"text": "x", "surprise": 1}, 422),
        ({"text": "x", "where": "modality ="}, 422),
        ({"text": "x", "domain": "cooking"}, 422),
        ({"text": "x", "reranker": "best"}, 422),
        ({"text": "x", "expansion": "far"}, 422),
        ({"text": "x", "expansion": "neighbours"}, 422),  # which this casebase does not keep
        ({"text": "x", "filter": "none", "threshold": 0.5}, 422),
        ({"text": "x", "generator": "openai"}, 422),
        ({"text": "x", "base_url": "http://127.0.0.1:1"}, 422),
    ],
)
def test_bad_settings_are_refused_with_a_remedy(client: httpx.Client, body, status: int) -> None:
    for path in ("/v1/search", "/v1/ask"):
        problem(client.post(path, json=body), status)


def test_bodies_that_cannot_be_read(client: httpx.Client) -> None:
    kind = {"Content-Type": "application/json"}
    problem(client.post("/v1/search", content=b"{", headers=kind), 400)
    problem(client.post("/v1/search", content=b"\xff", headers=kind), 400)
    problem(client.post("/v1/search", content=b"[" * 100_000, headers=kind), 400)
    problem(client.post("/v1/search", content=b"[]", headers=kind), 422)
    problem(client.post("/v1/search", content=b"x", headers={"Content-Type": "text/plain"}), 415)
    form = {"Content-Type": "multipart/form-data"}
    problem(client.post("/v1/search", content=b"x", headers=form), 400)
    problem(client.put("/v1/search"), 405)
    problem(client.get("/v1/nothing"), 404)


@pytest.mark.parametrize("case_id", ["..%2f..%2fetc%2fpasswd", "%00", "a" * 3000, "%ff", "'--"])
def test_odd_ids_are_not_there(client: httpx.Client, case_id: str) -> None:
    for path in ("cases", "previews", "jobs"):
        assert client.get(f"/v1/{path}/{case_id}").status_code == 404
    problem(client.get("/v1/info?casebase=../other"), 404)


def test_whatever_id_is_stored_is_found_and_deleted_by_it(serve, own: Path) -> None:
    client = serve(own)
    for case_id in ("a\nb", "a\n", "\r\n", "/", "//", "a\x00b", "?#%2F"):
        new = client.post("/v1/cases", json={"id": case_id, "text": "A nodule."})
        assert new.status_code == 201, case_id
        address = f"/v1/cases/{quote(case_id, safe='')}"
        assert client.get(address).json()["id"] == case_id
        assert client.delete(address).json()["deleted"] == 1
        problem(client.get(address), 404)


def test_cases_are_added_replaced_found_and_deleted(serve, own: Path, phantoms: list[Case]) -> None:
    client = serve(own)
    new = {"id": "ward/7", "text": "A quokka sign beside the optic disc.", "labels": ["quokka"]}
    assert client.post("/v1/cases", json=new).status_code == 201
    there = client.post("/v1/cases", json=new)
    assert "being written" not in problem(there, 409)["title"]
    assert "retry-after" not in there.headers  # it would be refused again
    hits = client.post(
        "/v1/search", json={"text": "quokka sign", "domain": "ophthalmology"}
    ).json()["gathered"]
    assert hits[0]["id"] == "ward/7"
    image = next(c.image for c in phantoms if c.image is not None)
    put = client.put(
        "/v1/cases/ward%2F7", data={"text": "Now a numbat sign."},
        files={"image": ("Mustermann.png", image.read_bytes())},
    )  # fmt: skip
    assert put.status_code == 200
    stored = client.get("/v1/cases/ward/7").json()
    assert stored["text"] == "Now a numbat sign."
    assert client.get(stored["image"]).headers["content-type"] == "image/jpeg"
    assert not [p for p in own.rglob("*") if "Mustermann" in p.name]
    assert client.delete("/v1/cases/ward%2F7").json()["deleted"] == 1
    problem(client.delete("/v1/cases/ward%2F7"), 404)
    hits = client.post("/v1/search", json={"text": "numbat sign"}).json()["gathered"]
    assert "ward/7" not in [e.get("id") for e in hits]
    problem(client.put("/v1/cases/a", json={"id": "b", "text": "x"}), 422)
    problem(client.post("/v1/cases", json={"id": "empty"}), 422)


def test_a_file_of_several_frames(serve, own: Path, tmp_path: Path) -> None:
    frames = np.kron(np.random.default_rng(0).integers(0, 4096, (5, 8, 8)), np.ones((8, 8)))
    save(with_pixels(header(), frames.astype("<u2")), tmp_path / "a.dcm")
    client, files = serve(own), {"image": (tmp_path / "a.dcm").read_bytes()}
    new = {"id": "scan", "text": "A quokka sign.", "domain": "radiology"}
    assert client.post("/v1/cases", data=new, files=files).status_code == 201
    with load(own) as rag:
        assert rag.cases.get("scan").frame == 2
    for sent, frame in (({}, 2), ({"frame": "0"}, 0)):
        found = client.post("/v1/search", data={"text": "quokka", **sent}, files=files).json()
        assert found["query"]["frame"] == frame
    problem(client.post("/v1/search", data={"frame": "5"}, files=files), 422)
    problem(client.post("/v1/search", json={"text": "x", "frame": -1}), 422)
    pairs = [{"case": "scan"}, {"case": "scan", "frame": "2"}, {"case": "scan", "frame": "0"}]
    usual, same, other = (
        client.post("/v1/why", data=pair, files=files).json()["similarity"] for pair in pairs
    )
    assert usual == same > other
    shown = np.frombuffer(client.post("/pixels", files=files).content, "<f4")
    assert (shown.reshape(64, 64) == frames[2]).all()


def test_a_corpus_is_indexed_as_a_job(serve, own: Path, tmp_path: Path, phantoms) -> None:
    corpora = tmp_path / "corpora"
    corpora.mkdir()
    write_records(phantoms[30:36], corpora / "more.jsonl")
    client = serve(own, "--corpora", corpora)
    before = client.get("/v1/info").json()["cases"]
    job = client.post("/v1/index", json={"corpus": "more.jsonl"})
    assert job.status_code == 202
    done = ended(client, job.json()["id"])
    assert (done["state"], done["rows"]) == ("done", 6)
    assert client.get("/v1/info").json()["cases"] == before + 6
    assert client.get("/v1/jobs").json()["jobs"][0]["id"] == done["id"]
    pictures = corpora / "pictures"
    pictures.mkdir()
    (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    broken = client.post("/v1/index", json={"corpus": "pictures"}).json()
    told = json.dumps(ended(client, broken["id"]))
    assert "pictures/broken.png is damaged" in told
    assert str(tmp_path) not in told  # nor elsewhere is a path of the server told
    (pictures / "t.csv").write_text("image,text\nbroken.png,x\nabsent.png,y\n", "utf-8")
    table = client.post("/v1/index", json={"corpus": "pictures/t.csv"}).json()
    told = ended(client, table["id"])["report"]["first_problems"]
    assert "line 3: image 'absent.png' does not exist" in told
    for outside in ("../own.casebase", "/etc/passwd", "absent", "a\0b"):
        problem(client.post("/v1/index", json={"corpus": outside}), 404)


def test_a_job_is_cancelled_between_batches(serve, own: Path, tmp_path: Path, phantoms) -> None:
    corpora = tmp_path / "corpora"
    corpora.mkdir()
    write_records(phantoms[30:36], corpora / "more.jsonl")
    client = serve(own, "--corpora", corpora)
    first = client.post("/v1/index", json={"corpus": "more.jsonl"}).json()
    second = client.post("/v1/index", json={"corpus": "more.jsonl"}).json()
    assert client.delete(f"/v1/jobs/{second['id']}").status_code == 200
    assert ended(client, second["id"])["state"] == "cancelled"
    assert ended(client, first["id"])["state"] == "done"


def ended(client: httpx.Client, job_id: str) -> dict:
    while not (job := client.get(f"/v1/jobs/{job_id}").json())["ended"]:
        time.sleep(0.05)
    return job


def test_a_casebase_that_is_away_is_told_by_its_name(serve, own: Path, tmp_path: Path) -> None:
    client = serve(own)
    own.rename(tmp_path / "away")
    search = client.post("/v1/search", json={"text": "drusen"})
    put = client.put("/v1/cases/a", json={"text": "drusen"})
    for reply in (search, put, client.delete("/v1/cases/a")):
        assert str(tmp_path) not in problem(reply, 503)["detail"]
    (tmp_path / "away").rename(own)
    assert client.post("/v1/search", json={"text": "drusen"}).status_code == 200


def test_another_casebase_in_its_place_is_served(serve, own: Path, tmp_path: Path) -> None:
    from mmedrag.casebase.casebase import Casebase

    client = serve(own)
    assert client.get("/v1/info").json()["cases"] == 30
    other = tmp_path / "other.casebase"
    own.rename(tmp_path / "old.casebase")
    shutil.copytree(tmp_path / "old.casebase", other)
    with Casebase.open(other) as casebase:
        casebase.delete(list(casebase.ids())[:10])
    other.rename(own)
    assert client.get("/v1/info").json()["cases"] == 20
    assert client.post("/v1/search", json={"text": "fracture"}).status_code == 200


def test_a_large_body_is_refused_announced_or_not(serve, own: Path) -> None:
    client = serve(own, "--max-body", "0.01")
    problem(client.post("/v1/search", json={"text": "x" * 20_000}), 413)
    chunks = (b"x" * 1000 for _ in range(30))
    kind = {"Content-Type": "application/json"}
    problem(client.post("/v1/search", content=chunks, headers=kind), 413)
    problem(client.post("/v1/search", files={"image": b"x" * 20_000}), 413)
    assert client.get("/healthz").status_code == 200


def test_a_client_above_its_rate_waits(serve, own: Path) -> None:
    client = serve(own, "--rate", "12")
    replies = [client.get("/v1/define?term=drusen") for _ in range(4)]
    assert [r.status_code for r in replies[:2]] == [200, 200]
    problem(replies[-1], 429)
    assert int(replies[-1].headers["retry-after"]) >= 1


def test_too_many_at_once_are_told_to_come_back(serve, own: Path) -> None:
    client = serve(own, "--readers", "1", "--queue", "1")

    def ask(_: int) -> httpx.Response:
        return client.post("/v1/search", json={"text": "fracture " * 300, "k": 30})

    with ThreadPoolExecutor(12) as threads:
        replies = list(threads.map(ask, range(24)))
    codes = {reply.status_code for reply in replies}
    assert codes == {200, 503}
    busy = next(reply for reply in replies if reply.status_code == 503)
    assert problem(busy, 503)["remedy"]
    assert busy.headers["retry-after"] == "1"
    assert client.get("/readyz").status_code == 200


def test_a_slow_query_stops(serve, own: Path) -> None:
    client = serve(own, "--time-limit", "0.001")
    problem(client.post("/v1/search", json={"text": "fracture"}), 504)
    stream = client.post("/v1/ask", json={"text": "x"}, headers={"Accept": "text/event-stream"})
    assert events(stream)[-1][0] == "problem"


def test_a_client_that_leaves_frees_its_reader(serve, own: Path) -> None:
    client = serve(own, "--readers", "1", "--queue", "0")
    for _ in range(5):
        with client.stream(
            "POST", "/v1/ask", json={"text": "fracture?"}, headers={"Accept": "text/event-stream"}
        ) as reply:
            next(reply.iter_bytes())
        until = time.monotonic() + 20
        while client.get("/v1/define?term=mass").status_code == 503:
            assert time.monotonic() < until
            time.sleep(0.02)


def test_the_audit_log_holds_no_text(serve, own: Path, tmp_path: Path) -> None:
    client = serve(own, "--audit", tmp_path / "audit.jsonl")
    client.post("/v1/search", json={"text": "Erika Mustermann has drusen"})
    client.get("/v1/define?term=Mustermann")
    text = (tmp_path / "audit.jsonl").read_text("utf-8")
    first = json.loads(text.splitlines()[0])
    assert first["endpoint"] == "/v1/search"
    assert first["client"] == "local"
    assert first["ids"]
    assert "Mustermann" not in text


def test_feedback_becomes_preference_pairs(serve, own: Path) -> None:
    client = serve(own)
    got = client.post("/v1/search", json={"text": "fracture"}).json()["gathered"]
    good, bad = [e for e in got if e["kind"] == "case"][:2]
    for case, verdict in ((good, "relevant"), (bad, "relevant"), (bad, "not relevant")):
        given = {"question": "fracture", "case": case["id"], "verdict": verdict}
        assert client.post("/v1/feedback", json=given).status_code == 201
    with (own / "feedback.jsonl").open("a") as file:
        file.write('{"cut')  # a crash in the middle of a line
    client.post("/v1/feedback", json={"question": "q", "answer": "a", "verdict": "wrong"})
    assert len((own / "feedback.jsonl").read_text("utf-8").splitlines()) == 5
    pairs = [json.loads(line) for line in client.get("/v1/feedback/pairs").text.splitlines()]
    assert pairs == [{"prompt": "fracture", "chosen": good["text"], "rejected": bad["text"]}]


def test_health_metrics_and_headers(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    assert client.head("/readyz").status_code == client.head("/healthz").status_code == 200
    assert "mmedrag_request_seconds_bucket" in client.get("/metrics").text
    for path in ("/", "/v1/info", "/v1/nothing", "/static/page.css"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers


def test_pages_of_other_sites_may_not_use_it(client: httpx.Client) -> None:
    body = {"text": "x"}
    problem(client.post("/v1/search", json=body, headers={"Origin": "https://evil.test"}), 403)
    problem(client.get("/v1/info", headers={"Sec-Fetch-Site": "cross-site"}), 403)
    problem(client.get("/v1/info", headers={"Host": "evil.test"}), 403)
    problem(client.post("/v1/search", json=body, headers={"Origin": "http://[::1"}), 403)
    problem(client.post("/v1/search", json=body, headers={"Origin": "null"}), 403)
    problem(client.post("/v1/search", json=body, headers={"Sec-Fetch-Site": "same-site"}), 403)
    own = str(client.base_url).rstrip("/")
    assert client.post("/v1/search", json=body, headers={"Origin": own}).status_code == 200
    form = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}  # a form of a page without referrers
    assert client.post("/", data=body, headers=form).status_code == 303


def test_every_operation_documents_itself(client: httpx.Client) -> None:
    schema = client.get("/openapi.json").json()
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            for body in operation.get("requestBody", {}).get("content", {}).values():
                assert body["schema"]["properties"]
