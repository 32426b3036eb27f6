"""The client against servers that refuse, stall, break off, or are no archive."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mmedrag.dicomweb import client
from mmedrag.dicomweb.changes import changed_studies, last_change
from mmedrag.dicomweb.client import Archive, NotRetrieved, text_of
from mmedrag.errors import ArchiveError
from mmedrag.types import Problem
from patience import PATIENCE

SECRET = "s3cret-and-long"
PATH = "studies/1/series/2/instances/3"
MULTIPART = 'multipart/related; type="application/dicom"; boundary=b'
WHOLE = b"--b\r\nContent-Type: application/dicom\r\n\r\nDICM...\r\n--b--"


class Server(ThreadingHTTPServer):
    """Answers with what ``reply`` gives for a path: status, headers, body, and the size claimed."""

    daemon_threads = True
    reply: Callable[[str], tuple[int, dict[str, str], bytes]]
    asked: list[tuple[str, dict[str, str]]]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        status, headers, body = self.server.reply(self.path)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as serving:
        serving.asked = []
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.fixture
def archive(server: Server) -> Iterator[Archive]:
    opened = Archive(f"http://127.0.0.1:{server.server_port}/dicom-web/", backoff=0.0)
    yield opened
    opened.close()


def study(number: int) -> dict[str, object]:
    return {"0020000D": {"vr": "UI", "Value": [f"1.{number}"]}}


def answered_in_json(server: Server, answer: Callable[[str], object]) -> None:
    server.reply = lambda path: (200, {}, json.dumps(answer(path)).encode())


def asked_page(path: str) -> tuple[int, int]:
    keys = dict(pair.split("=") for pair in path.partition("?")[2].split("&"))
    return int(keys["offset"]), int(keys["limit"])


def test_pages_of_a_server_with_a_limit_of_its_own(server, archive):
    def answer(path: str) -> object:
        offset, _ = asked_page(path)
        return [study(n) for n in range(10)][offset : offset + 3]

    answered_in_json(server, answer)
    assert [text_of(row, "0020000D") for row in archive.search("studies")] == [
        f"1.{n}" for n in range(10)
    ]


def test_a_server_without_offset_is_asked_twice(server, archive):
    answered_in_json(server, lambda path: [study(n) for n in range(4)])
    assert len(list(archive.search("studies"))) == 4
    assert len(server.asked) == 2


def test_no_content_is_an_empty_result(server, archive):
    server.reply = lambda path: (204, {}, b"")
    assert list(archive.search("studies")) == []


def test_wildcards_stay_and_everything_else_is_escaped(server, archive):
    answered_in_json(server, lambda path: [])
    list(archive.search("studies", {"PatientName": "D*?&x=1 é"}))
    assert "PatientName=D*?%26x%3D1%20%C3%A9&" in server.asked[0][0]


def test_results_that_the_server_cannot_give_are_passed_over(server, archive):
    bad = {3, 4, 9}

    def reply(path: str) -> tuple[int, dict[str, str], bytes]:
        offset, limit = asked_page(path)
        wanted = range(min(12, offset), min(12, offset + limit))
        if bad & set(wanted):
            return 500, {}, b"Jane Doe"
        return 200, {}, json.dumps([study(n) for n in wanted]).encode()

    server.reply = reply
    rows = list(archive.search("studies"))
    assert [text_of(row, "0020000D") for row in rows if not isinstance(row, Problem)] == [
        f"1.{n}" for n in range(12) if n not in bad
    ]
    problems = [row for row in rows if isinstance(row, Problem)]
    assert [problem.reason.split(":")[0] for problem in problems] == [
        f"result {n + 1} of a search" for n in sorted(bad)
    ]
    assert "Doe" not in str(problems)


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b""), (404, b""), (400, b"Jane Doe"), (200, b"<html>"), (200, b"{}"), (200, b"[" * 999)],
)  # fmt: skip
def test_what_is_no_archive(server, archive, status, body):
    server.reply = lambda path: (status, {}, body)
    with pytest.raises(ArchiveError, match="does not answer a search") as failure:
        list(archive.search("studies"))
    assert "Doe" not in str(failure.value)


def test_a_busy_server_is_asked_again(server, archive, tmp_path):
    replies = iter([(503, {"Retry-After": "0"}, b""), (429, {}, b""), (200, {}, b"[]")])
    server.reply = lambda path: next(replies)
    assert list(archive.search("studies")) == []
    assert len(server.asked) == 3


def test_an_instance_that_broke_off_comes_again(server, archive, tmp_path):
    claimed = {"Content-Type": MULTIPART}
    replies = iter([(200, {**claimed, "Content-Length": "999"}, WHOLE[:-9]), (200, claimed, WHOLE)])
    server.reply = lambda path: next(replies)
    archive.retrieve(PATH, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"DICM..."
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600


def test_an_instance_that_never_comes_is_not_the_whole_server(server, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "_SILENCE", 0.05)
    hanging = threading.Event()

    def reply(path: str) -> tuple[int, dict[str, str], bytes]:
        if path.endswith(PATH):
            hanging.wait(PATIENCE)
        return 200, {}, b"[]"

    server.reply, server.handle_error = reply, lambda *_: None
    with closing(Archive(f"http://127.0.0.1:{server.server_port}", backoff=0.0)) as archive:
        with pytest.raises(NotRetrieved, match=r"nothing came for 0\.05 seconds, 4 times"):
            archive.retrieve(PATH, tmp_path / "x")
        hanging.set()
        assert list(archive.search("studies")) == []


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((404, {}, b""), "HTTP 404"),
        ((500, {}, b""), "HTTP 500"),
        ((302, {"Location": "http://elsewhere.example/"}, b""), "HTTP 302"),
        ((200, {"Content-Type": "text/html"}, b"<html>"), "not multipart"),
        ((200, {"Content-Type": MULTIPART}, WHOLE[:-5]), "last boundary"),
        ((200, {"Content-Type": MULTIPART}, b"--b--"), "holds no instance"),
    ],
)
def test_an_instance_that_is_not_given(server, archive, tmp_path, reply, reason):
    server.reply = lambda path: reply
    with pytest.raises(NotRetrieved, match=reason):
        archive.retrieve(PATH, tmp_path / "x")


def test_an_instance_that_is_too_large(server, archive, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "MAX_BYTES", 1000)
    body = b"--b\r\n\r\n" + bytes(1001) + b"\r\n--b--"
    server.reply = lambda path: (200, {"Content-Type": MULTIPART}, body)
    with pytest.raises(NotRetrieved, match="larger than 1,000 bytes"):
        archive.retrieve(PATH, tmp_path / "x")


@pytest.mark.parametrize("variables", [("USER", "PASSWORD"), ("TOKEN",)])
def test_credentials_are_sent_and_never_shown(server, monkeypatch, variables):
    for name in variables:
        monkeypatch.setenv(f"MMEDRAG_PACS_{name}", SECRET)
    archive = Archive(f"http://127.0.0.1:{server.server_port}/dicom-web", backoff=0.0)
    server.reply = lambda path: (401, {}, b"")
    with pytest.raises(ArchiveError, match="MMEDRAG_PACS_USER") as failure:
        list(archive.search("studies"))
    assert server.asked[0][1]["Authorization"].startswith(("Basic ", f"Bearer {SECRET}"))
    assert SECRET not in str(failure.value) + repr(archive)
    archive.close()


def test_nobody_there(monkeypatch):
    archive = Archive("http://127.0.0.1:9/dicom-web", backoff=0.0)
    with pytest.raises(ArchiveError, match=r"cannot be reached \(Connection refused"):
        list(archive.search("studies"))
    archive.close()


def test_a_server_without_tls(server):
    url = f"https://127.0.0.1:{server.server_port}/dicom-web"
    with (
        closing(Archive(url, backoff=0.0)) as archive,
        pytest.raises(ArchiveError, match=r"does not speak TLS\. Write http://"),
    ):
        list(archive.search("studies"))


@pytest.mark.parametrize(
    "url",
    ["", "pacs", "ftp://pacs/x", "http://u:p@pacs/dicom-web", "http://[", "http://p/?a=b", "http:///x"],
)  # fmt: skip
def test_addresses_that_are_none(url):
    with pytest.raises(ArchiveError) as failure:
        Archive(url)
    assert "u:p" not in str(failure.value)


def test_certificates_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.setenv("MMEDRAG_PACS_CA", str(tmp_path / "absent.pem"))
    with pytest.raises(ArchiveError, match="MMEDRAG_PACS_CA"):
        Archive("https://pacs.example.org/dicom-web")


def test_certificates_are_verified(server, tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = shutil.which("openssl") and subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out",
         certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        capture_output=True,
    )  # fmt: skip
    if not made or made.returncode:
        pytest.skip("openssl is not installed: apt-get install -y openssl")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # a client that turns away is what is wanted here
    answered_in_json(server, lambda path: [])
    url = f"https://127.0.0.1:{server.server_port}/dicom-web"
    with (
        closing(Archive(url, backoff=0.0)) as strict,
        pytest.raises(ArchiveError, match="cannot be verified"),
    ):
        list(strict.search("studies"))
    monkeypatch.setenv("MMEDRAG_PACS_CA", str(certificate))
    with closing(Archive(url, backoff=0.0)) as trusting:
        assert list(trusting.search("studies")) == []
        assert trusting.is_confidential()


def test_a_server_without_a_changes_feed(server, archive):
    server.reply = lambda path: (404, {}, b"")
    assert last_change(archive) is None
    server.reply = lambda path: (200, {}, b'{"Last": "x"}')
    assert last_change(archive) is None


def test_changes_name_each_study_once_and_skip_what_has_gone(server, archive):
    pages = {
        0: {"Changes": [change(1, "NewInstance", "instances/i"), change(2, "NewSeries", "series/s"),
                        change(3, "NewStudy", "studies/a")], "Done": False, "Last": 3},
        3: {"Changes": [change(4, "StableStudy", "studies/a"), change(5, "NewStudy", "studies/b"),
                        change(6, "NewStudy", "studies/gone")], "Done": True, "Last": 6},
    }  # fmt: skip

    def reply(path: str) -> tuple[int, dict[str, str], bytes]:
        if path.startswith("/changes"):
            return 200, {}, json.dumps(pages[int(path.split("since=")[1].split("&")[0])]).encode()
        if path == "/studies/gone":
            return 404, {}, b""
        uid = "1.2" if path in ("/studies/a", "/series/s/study") else "1.3"
        return 200, {}, json.dumps({"MainDicomTags": {"StudyInstanceUID": uid}}).encode()

    server.reply = reply
    assert list(changed_studies(archive, 0)) == ["1.2", "1.3"]


def test_a_change_whose_study_is_not_named_is_a_problem_and_a_feed_ends(server, archive):
    page = {"Changes": [change(1, "NewStudy", "studies/a")], "Done": False, "Last": 1}

    def reply(path: str) -> tuple[int, dict[str, str], bytes]:
        return (200, {}, json.dumps(page).encode()) if "/changes" in path else (500, {}, b"")

    server.reply = reply
    assert [str(c) for c in changed_studies(archive, 0)] == ["/studies/a: its study: HTTP 500"]


def change(seq: int, kind: str, path: str) -> dict[str, object]:
    return {"Seq": seq, "ChangeType": kind, "Path": f"/{path}"}
