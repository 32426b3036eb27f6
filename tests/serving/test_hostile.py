"""Requests that nobody should send: a documented refusal with its remedy, or an answer."""

from __future__ import annotations

import json
import re
import socket

import httpx
import pytest

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=X"}
HEAD = b"Host: 127.0.0.1\r\nConnection: close\r\n"


def part(head: bytes, body: bytes = b"x") -> bytes:
    return b"--X\r\n" + head + b"\r\n\r\n" + body + b"\r\n"


FIELD = b'Content-Disposition: form-data; name="%s"'

BODIES = (
    b'{"text":"mass","k":NaN}',
    b'{"text":"mass","threshold":-Infinity}',
    b'{"text":"mass","k":1e400}',
    b'{"text":"mass","k":' + b"9" * 5_000 + b"}",
    b'{"text":"mass","k":true}',
    b'{"text":"mass","k":-0}',
    b'{"text":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"text":"mass"} garbage',
    b"",
    b"[1]",
    b'"a"',
    '{"text":"édème"}'.encode("latin-1"),
    '{"text":"mass"}'.encode("utf-16"),
    b'\xef\xbb\xbf{"text":"mass"}',
    b'{"text":"mass \\ud800"}',
    b'{"text":"mass","where":"modality = \'\\ud800\'"}',
    b'{"text":"m\\u0000ss"}',
    b'{"text":"mass","generator":"\\udfff"}',
    b'{"text":"mass","\\udfff":1}',
    b'{"text":"\\u200b\\u200b"}',
    b'{"text":"mass","patient_id":"p","at":"inf"}',
    b'{"text":"mass","patient_id":"p","at":"nan"}',
    b'{"text":"mass","patient_id":"p","at":"2020-02-31"}',
    b'{"text":"mass","where":"offset_days > 1e999"}',
    b'{"text":"mass","where":"' + b"(" * 1_990 + b'"}',
    b'{"text":"mass","where":"' + b"NOT " * 990 + b'"}',
    json.dumps({"text": "e" + "\u0301" * 5_000}).encode(),
    json.dumps({"text": "no (" * 1_000}).encode(),
)

PARTS = (
    b"",
    b"--X--\r\n",
    part(FIELD % b"text")[:-2],
    part(b"Content-Disposition: form-data") + b"--X--\r\n",
    part(FIELD % b"image" + b'; filename="a"') * 2 + b"--X--\r\n",
    part(b"A: b\r\n" * 5_000) + b"--X--\r\n",
    part(FIELD % (b"a" * 100_000)) + b"--X--\r\n",
    part(FIELD % b"_charset_", b"bogus") + b"--X--\r\n",
    part(FIELD % b"image" + b'; filename="../../x\x00"', b"\x89PNG\r\n\x1a\n") + b"--X--\r\n",
    b"".join(part(FIELD % (b"f%d" % n)) for n in range(1_000)) + b"--X--\r\n",
    part(FIELD % b"text" + b"\r\nContent-Type: text/plain; charset=utf-16", b"\xff\xfem\x00")
    + b"--X--\r\n",
)

HEADERS = (
    {"Origin": "http://[::1"},
    {"Origin": "null"},
    {"Origin": "\x22"},
    {"Sec-Fetch-Site": "\x7f"},
    {"Host": "[::1"},
    {"Host": "a@127.0.0.1"},
    {"Host": "127.0.0.1:99999999"},
    {"Host": ""},
    {"Range": "bytes=0-0,5-9,99999999999999999999-"},
    {"Accept": "text/event-stream;q=0, */*"},
    {"Content-Encoding": "gzip"},
    {"Content-Type": "application/json; charset=utf-7"},
    {"Content-Type": "application/ld+json"},
    {"Content-Type": ""},
    {"Authorization": "Basic a"},
    {"X-Forwarded-Proto": "javascript"},
    {"Cookie": "mmedrag-token=\x7f; a;;="},
)


def acceptable(client: httpx.Client, reply: httpx.Response) -> None:
    """The status is documented, and a refusal says what to do."""
    schema = client.get("/openapi.json").json()["paths"]["/v1/search"]["post"]["responses"]
    assert str(reply.status_code) in schema, reply.text
    assert reply.status_code < 500, reply.text
    if reply.status_code >= 400:
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["remedy"]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_bodies(client: httpx.Client, body: bytes) -> None:
    acceptable(client, client.post("/v1/search", content=body, headers=JSON))


@pytest.mark.parametrize("body", PARTS, ids=range(len(PARTS)))
def test_forms(client: httpx.Client, body: bytes) -> None:
    acceptable(client, client.post("/v1/search", content=body, headers=FORM))


@pytest.mark.parametrize(
    "boundary", ["", "; boundary=", '; boundary="', "; boundary=" + "a" * 5_000]
)
def test_boundaries(client: httpx.Client, boundary: str) -> None:
    headers = {"Content-Type": f"multipart/form-data{boundary}"}
    acceptable(client, client.post("/v1/search", content=b"x", headers=headers))


@pytest.mark.parametrize("headers", HEADERS, ids=map(str, HEADERS))
def test_headers(client: httpx.Client, headers: dict[str, str]) -> None:
    acceptable(
        client, client.post("/v1/search", content=b'{"text":"mass"}', headers=JSON | headers)
    )


@pytest.mark.parametrize(
    "method", ["PATCH", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "FOO"]
)
def test_methods(client: httpx.Client, method: str) -> None:
    reply = client.request(method, "/v1/search")
    assert reply.status_code == 405
    assert reply.headers["allow"] == "POST"
    assert reply.json()["remedy"]


@pytest.mark.parametrize(
    "data",
    [
        b"GET /\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00" + b"\0" * 100,
        b"GET http://evil/ HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"OPTIONS * HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET v1/info HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET /v1/cases/\xc3\xa9 HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"POST /v1/search HTTP/1.1\r\n" + HEAD + b"Content-Length: -5\r\n\r\n",
        b"POST /v1/search HTTP/1.1\r\n"
        + HEAD
        + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /v1/search HTTP/1.1\r\n"
        + HEAD
        + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/search HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HEAD + b"A: b\x00c\r\n\r\n",
    ],
)
def test_what_is_hardly_http(client: httpx.Client, data: bytes) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port), 30) as opened:
        opened.sendall(data)
        reply = b""
        while received := opened.recv(65_536):
            reply += received
    assert re.match(rb"HTTP/1\.1 (?:400|403|404|405|415) ", reply), reply[:100]
    assert client.get("/healthz").status_code == 200
