"""Clients that mean harm, or have bad luck: the service goes on answering the others."""

from __future__ import annotations

import socket
import ssl
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from urllib.parse import quote

import httpx
import pytest

from mmedrag.assembly import open_for_writing
from mmedrag.casebase.casebase import Casebase
from mmedrag.serving import limits, protocol
from patience import PATIENCE

ODD = (
    "..", "../..", "../../etc/passwd", "/etc/passwd", "..\\..\\windows", "%2e%2e%2f", ".", "//",
    "a\x00b", "a\nb", "\u202e", "é" * 300, "x" * 5_000, "' OR 1=1 --", "%", "?", "#", "*", "\ud7ff",
    "<script>", "con", "NULL", "C1", "-1", "🙂",
)  # fmt: skip
"""Strings in the place of an id."""


def connected(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port), timeout=PATIENCE)


def closed(opened: socket.socket) -> bool:
    """Whether the other side ends the connection, with or without a reply."""
    try:
        while opened.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("name", ODD)
def test_odd_strings_in_every_id(client: httpx.Client, name: str) -> None:
    quoted = quote(name.encode("utf-8", "surrogatepass"), safe="").replace(".", "%2E")
    for address in (
        f"/v1/cases/{quoted}", f"/v1/previews/{quoted}", f"/v1/jobs/{quoted}", f"/trace/{quoted}",
        f"/trace/{quoted}?download=1", f"/case?id={quoted}", f"/image?id={quoted}",
        f"/v1/info?casebase={quoted}", f"/static/{quoted}",
    ):  # fmt: skip
        reply = client.get(address)
        assert reply.status_code in (200, 404, 405, 422), address
        assert "passwd" not in reply.text or "passwd" in name
        assert "root:" not in reply.text
        assert "Traceback" not in reply.text
        if address.startswith(("/v1/cases/", "/v1/previews/", "/trace/")):
            assert reply.status_code == 404, address


def test_slow_heads_are_cut_off(serve, own: Path, monkeypatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 1.0)
    client = serve(own)
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(client)) for _ in range(100)]
        for opened in slow:
            opened.sendall(b"GET /v1/info HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ")
        assert client.post("/v1/search", json={"text": "drusen"}).status_code == 200
        assert all(closed(opened) for opened in slow)
        kept = stack.enter_context(connected(client))
        for _ in range(2):  # a second request of the same connection has the same time
            kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            received = b""
            while b'{"status":"ok"}' not in received:
                received += kept.recv(4096)
        kept.sendall(b"GET /healthz HT")
        assert closed(kept)
    assert client.get("/healthz").status_code == 200


def test_slow_bodies_are_refused(serve, own: Path, monkeypatch) -> None:
    monkeypatch.setattr(limits, "CHUNK_SECONDS", 0.5)
    client = serve(own)
    with connected(client) as opened:
        opened.sendall(
            b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b'Content-Length: 900\r\n\r\n{"text":'
        )
        assert b" 408 " in opened.recv(4096)
        assert closed(opened)
    assert client.post("/v1/search", json={"text": "drusen"}).status_code == 200


def test_a_client_that_leaves_within_its_body_fills_no_log(serve, own: Path, caplog) -> None:
    client = serve(own)
    with connected(client) as leaving:
        leaving.sendall(
            b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        time.sleep(0.2)
    deadline = time.monotonic() + PATIENCE
    while 'route="/v1/search",status="400"' not in client.get("/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not caplog.records


def test_two_hundred_at_once(serve, own: Path) -> None:
    client = serve(own, "--rate", "1e9")
    shared = ssl.create_default_context()  # reading the authorities takes longer than an answer

    def ask(n: int) -> int:
        with httpx.Client(base_url=client.base_url, timeout=PATIENCE, verify=shared) as mine:
            return mine.post("/v1/search", json={"text": f"mass {n}"}).status_code

    with ThreadPoolExecutor(200) as threads:
        statuses = Counter(threads.map(ask, range(200)))
    assert statuses.keys() <= {200, 503}
    assert statuses[200] >= 64, "what fits in the queue is answered"
    (readers,) = client.service.casebases.values()
    assert readers.in_flight == 0


def test_a_case_is_deleted_while_it_is_streamed(serve, own: Path) -> None:
    client = serve(own)
    gathered = client.post("/v1/search", json={"text": "drusen"}).json()["gathered"]
    case = gathered[0]["id"]
    with client.stream(
        "POST", "/v1/ask", json={"text": "drusen"}, headers={"Accept": "text/event-stream"}
    ) as reply:
        lines = reply.iter_lines()
        assert next(lines) == "event: routing"
        assert client.delete(f"/v1/cases/{quote(case, safe='')}").status_code == 200
        rest = "\n".join(lines)
    assert "event: answer" in rest
    assert client.get(f"/v1/cases/{quote(case, safe='')}").status_code == 404
    found = client.post("/v1/search", json={"text": "drusen"}).json()
    assert case not in [e.get("id") for e in found["gathered"]]


def test_two_services_and_a_writer_on_one_casebase(serve, own: Path) -> None:
    """What anybody wrote, everybody finds; a second writer is told to wait and nothing is lost."""
    one, other = serve(own), serve(own)
    before = one.get("/v1/info").json()["cases"]
    done = Event()

    def search(client: httpx.Client) -> set[int]:
        statuses = set()
        while not done.is_set():
            statuses.add(client.post("/v1/search", json={"text": "nodule"}).status_code)
        return statuses

    def write(client: httpx.Client, name: str) -> int:
        added = 0
        for n in range(5):
            body = {
                "id": f"{name}-{n}",
                "text": "A nodule in the left lung.",
                "domain": "radiology",
            }
            for _ in range(400):
                reply = client.post("/v1/cases", json=body)
                if reply.status_code == 201:
                    added += 1
                    break
                assert reply.status_code == 409, reply.text
                time.sleep(0.05)
        return added

    with ThreadPoolExecutor(4) as threads:
        searching = [threads.submit(search, client) for client in (one, other)]
        writing = [threads.submit(write, c, n) for c, n in ((one, "one"), (other, "other"))]
        added = sum(future.result() for future in writing)
        done.set()
        assert [future.result() for future in searching] == [{200}, {200}]
    assert added == 10
    casebase, _ = open_for_writing(own)
    with casebase:
        assert casebase.delete(["one-0"]) == 1
    for client in (one, other):
        assert client.get("/v1/info").json()["cases"] == before + 9
        assert client.get("/v1/cases/one-0").status_code == 404
        assert client.get("/v1/cases/other-4").status_code == 200
    with Casebase.open(own, readonly=True) as opened:
        assert opened.verify() == []
