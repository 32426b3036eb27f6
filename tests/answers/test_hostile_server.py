"""A chat server that means harm: every exchange ends, with an error of ours, and shows no key."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import repeat
from time import sleep

import pytest

from mmedrag.answers.chat import ChatGenerator
from mmedrag.answers.secrets import Secret
from mmedrag.errors import GenerationError
from mmedrag.testing.generator import ASKED, CLEAR, EFFUSION

KEY = "tk-Zq81-0123456789abcdef"
OK = b"HTTP/1.1 200 OK\r\n"
SSE = OK + b"Content-Type: text/event-stream\r\n"
EVENT = b'data: {"choices": [{"delta": {"content": "x "}}]}\n\n'
DRIP = 0.02


def slowly(begin: bytes, again: bytes) -> Iterator[bytes]:
    yield begin
    for part in repeat(again):
        sleep(DRIP)
        yield part


def fast(begin: bytes, again: bytes) -> Iterator[bytes]:
    yield begin
    yield from repeat(again)


def bomb(begin: bytes) -> Iterator[bytes]:
    yield begin + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(200 * 2**20), 1)


def whole(status: str, content: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def error(status: str, message: str) -> bytes:
    return whole(status, json.dumps({"error": {"message": message}}).encode())


MODES: dict[str, Callable[[], Iterator[bytes]]] = {
    "a header drips": lambda: slowly(OK + b"X: ", b"a"),
    "headers without end": lambda: slowly(OK, b"X: a\r\n"),
    "headers without end, fast": lambda: fast(OK, b"X: a\r\n" * 1000),
    "a status line drips": lambda: slowly(b"HTTP/1.1 200 ", b"O"),
    "100 Continue without end": lambda: slowly(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "100 Continue without end, fast": lambda: fast(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99),
    "early hints without end": lambda: slowly(b"", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"),
    "switching protocols": lambda: slowly(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"a"),
    "a gzip bomb": lambda: bomb(SSE),
    "a gzip bomb of an error": lambda: bomb(b"HTTP/1.1 500 E\r\n"),
    "a gzip header without end": lambda: fast(
        SSE + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x08" + bytes(6), b"name" * 2**12
    ),
    "packed in an unknown way": lambda: iter([SSE + b"Content-Encoding: br\r\n\r\nabc"]),
    "comments drip": lambda: slowly(SSE + b"\r\n", b": wait\n\n"),
    "comments in data drip": lambda: slowly(SSE + b"\r\n", b"data: : wait\n\n"),
    "empty events, fast": lambda: fast(SSE + b"\r\n", b'data: {"choices": []}\n\n' * 1000),
    "an answer without end": lambda: fast(SSE + b"\r\n", EVENT * 1000),
    "an answer that drips": lambda: slowly(SSE + b"\r\n", EVENT),
    "one line without end": lambda: fast(SSE + b"\r\ndata: ", b"x" * 2**16),
    "chunk extensions without end": lambda: slowly(
        SSE + b"Transfer-Encoding: chunked\r\n\r\n5;", b"a"
    ),
    "a chunk of a wrong size": lambda: iter([SSE + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nx"]),
    "a body that is not all there": lambda: iter([SSE + b"Content-Length: 999\r\n\r\ndata: {"]),
    "two lengths": lambda: iter([OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"]),
    "nothing": lambda: iter([]),
    "silence": lambda: slowly(b"", b""),
    "noise": lambda: iter([bytes(range(256)) * 40]),
    "another protocol": lambda: iter([b"SSH-2.0-OpenSSH_9.6\r\n"]),
    "a redirect": lambda: iter([whole("307 R", b"", "Location: http://127.0.0.1:9/")]),
    "no content": lambda: iter([b"HTTP/1.1 204 No Content\r\n\r\n"]),
    "deep JSON": lambda: iter([whole("200 OK", b"[" * 10**6, "Content-Type: application/json")]),
    "a number for an answer": lambda: iter([whole("200 OK", b"1e999")]),
    "broken UTF-8": lambda: iter([whole("200 OK", b"\xff\xfe{\xc3")]),
    "a login page": lambda: iter([whole("200 OK", b"<html><body>Sign in</body></html>")]),
    "the key in an error": lambda: iter([error("400 Bad", f"Bearer {KEY} is bad")]),
    "the key in a refusal": lambda: iter([error("401 No", f"{KEY.upper()} {KEY}")]),
    "the key in Base64": lambda: iter([error("500 E", base64.b64encode(KEY.encode()).decode())]),
    "the key in a header": lambda: iter([OK + KEY.encode() + b"\r\n\r\n"]),
    "the key in a page": lambda: iter([whole("200 OK", f"<p>{KEY}</p>".encode())]),
}  # fmt: skip


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[], Iterator[bytes]]], str]]:
    """Starts a server of raw bytes that does with each connection as it is told."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []
    open_: list[socket.socket] = []

    def answer(connection: socket.socket, mode: Callable[[], Iterator[bytes]]) -> None:
        with connection:
            try:
                connection.recv(2**16)
                for part in mode():
                    connection.sendall(part)
            except OSError:
                return  # the client has gone, as it should

    def accept(mode: Callable[[], Iterator[bytes]]) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_.append(connection)
            thread = threading.Thread(target=answer, args=(connection, mode), daemon=True)
            thread.start()  # first, for the end of a test joins those that it finds
            threads.append(thread)

    def start(mode: Callable[[], Iterator[bytes]]) -> str:
        threading.Thread(target=accept, args=(mode,), daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"

    yield start
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for connection in open_:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join()


def generator(url: str) -> ChatGenerator:
    return ChatGenerator(
        base_url=url, model="m", key_env="HOSTILE_KEY", attempts=2, backoff=0.01,
        read_timeout=0.3, total_timeout=0.6,
    )  # fmt: skip


@pytest.mark.proof("hostile server")
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES.keys())
def test_every_exchange_ends_with_an_error_without_the_key(
    mode, serve, monkeypatch, record_property
) -> None:
    record_property("modes", 1)
    monkeypatch.setenv("HOSTILE_KEY", KEY)
    asking = generator(serve(mode))
    with pytest.raises(GenerationError) as caught:
        for _ in asking.generate(ASKED, [EFFUSION, CLEAR]):
            pass
    message = str(caught.value).lower()
    assert "\n" not in message
    assert len(message) < 500
    assert not any(form.lower() in message for form in Secret(KEY)._forms)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_key_in_an_answer_is_hidden(size, serve, monkeypatch) -> None:
    monkeypatch.setenv("HOSTILE_KEY", KEY)
    text = f"Your key is {KEY}, in capitals {KEY.upper()} [C1]. Bye {KEY[:5]}"
    events = [
        f"data: {json.dumps({'choices': [{'delta': {'content': text[i : i + size]}}]})}\n\n"
        for i in range(0, len(text), size)
    ]
    reply = SSE + b"\r\n" + "".join(events).encode() + b"data: [DONE]\n\n"
    asking = generator(serve(lambda: iter([reply])))
    shown = "".join(asking.generate(ASKED, [EFFUSION]))
    assert shown == f"Your key is ***, in capitals *** [C1]. Bye {KEY[:5]}"


def test_a_word_that_stands_for_no_key_is_not_hidden() -> None:
    assert Secret("EMPTY").hide("The bladder is EMPTY.") == "The bladder is EMPTY."
