"""The chat client against real servers on loopback that behave as servers on the net do."""

from __future__ import annotations

import base64
import io
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from injections import INJECTIONS
from mmedrag.answers.chat import GROQ_URL, ChatGenerator, groq, openai_compatible
from mmedrag.answers.completions import Refused, Retry, pieces, refusal, retry_after
from mmedrag.answers.passages import FLAG
from mmedrag.answers.prompts import IMAGE_ONLY as NO_QUESTION
from mmedrag.answers.prompts import estimate_tokens, prompt_tokens, user_prompt, within_budget
from mmedrag.errors import (
    BadKey,
    GenerationError,
    ImageError,
    RateLimited,
    TooManyTokens,
    UnknownModel,
    Unreachable,
)
from mmedrag.testing.generator import (
    ASKED,
    CLEAR,
    EFFUSION,
    IMAGE_ONLY,
    LEFT,
    MEANING,
    NEGATED,
    GeneratorContract,
    answered,
    case,
    definition,
    question,
)

EVIDENCE = [EFFUSION, CLEAR, MEANING]
EVENT_STREAM = "text/event-stream"


@dataclass
class Reply:
    """One scripted answer: written in the given chunks, each after ``pause`` seconds."""

    chunks: Sequence[bytes]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0.0


def event(text: str | None, reason: str | None = None) -> bytes:
    chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def stream(*texts: str) -> bytes:
    return b"".join(map(event, texts)) + event(None, "stop") + b"data: [DONE]\n\n"


def streamed(*texts: str, pause: float = 0.0) -> Reply:
    return Reply([stream(*texts)], headers={"Content-Type": EVENT_STREAM}, pause=pause)


def failing(status: int, message: str = "", code: str = "", **headers: str) -> Reply:
    body = json.dumps({"error": {"message": message, "type": "error", "code": code}}).encode()
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return Reply([body], status, {"Content-Type": "application/json"} | named)


class Server:
    """Plays its replies in order, the last one for ever, and remembers what it was asked."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.requests: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.url = ""

    def will(self, *replies: Reply) -> None:
        self.replies = list(replies)

    def next_reply(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def running() -> Iterator[Server]:
    script = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            script.requests.append(json.loads(body))
            script.headers.append({k.lower(): v for k, v in self.headers.items()})
            script.paths.append(self.path)
            reply = script.next_reply()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                for chunk in reply.chunks:
                    time.sleep(reply.pause)
                    self.wfile.write(chunk)
                    self.wfile.flush()
            except OSError:
                self.close_connection = True  # the client has gone, as it should

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    script.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as script:
        yield script


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("TEST_KEY", "sk-test-0123456789")
    monkeypatch.delenv("GROQ_API_KEY", raising=False)


def client(server: Server, **changes) -> ChatGenerator:
    made = ChatGenerator(base_url=server.url, model="m-1", key_env="TEST_KEY", backoff=0.01)
    return replace(made, **changes)


def ask(generator: ChatGenerator, asked=ASKED, evidence=EVIDENCE) -> str:
    return "".join(generator.generate(asked, evidence))


class TestChatContract(GeneratorContract):
    @pytest.fixture(autouse=True)
    def _serve(self, server):
        server.will(streamed("Water [C1", "]. Air [C2, C9", "]. Rest [D1][C", "77]."))
        self.server = server

    def make(self):
        return client(self.server)


# --- the round trip ---------------------------------------------------------------------------


def test_the_answer_streams_and_its_marks_are_checked(server):
    server.will(streamed("Water ", "[C1]", ". Air [C9]", "."))
    answer = answered(client(server), ASKED, EVIDENCE)
    assert answer.text == "Water [C1]. Air."
    assert answer.removed == ["C9"]


def test_the_request_is_what_the_protocol_asks_for(server):
    server.will(streamed("x"))
    ask(client(server, max_tokens=77))
    sent = server.requests[0]
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["authorization"] == "Bearer sk-test-0123456789"
    assert (sent["model"], sent["temperature"], sent["stream"]) == ("m-1", 0, True)
    assert sent["max_tokens"] == 77
    assert [m["role"] for m in sent["messages"]] == ["system", "user"]
    assert sent["messages"][1]["content"] == user_prompt(ASKED, EVIDENCE)


def test_pieces_arrive_before_the_answer_is_complete(server):
    server.will(
        Reply([event("one"), stream("two")], headers={"Content-Type": EVENT_STREAM}, pause=0.1)
    )
    arriving = client(server).generate(ASKED, EVIDENCE)
    assert next(arriving) == "one"
    assert list(arriving) == ["two"]


def test_a_server_that_does_not_stream_is_understood(server):
    body = {"choices": [{"message": {"content": "Water [C1]."}, "finish_reason": "stop"}]}
    reply = Reply(
        [json.dumps(body, indent=2).encode()], headers={"Content-Type": "application/json"}
    )
    server.will(reply)
    assert ask(client(server)) == "Water [C1]."


TRICKY = ["Wärme\u2028 “µm” ", "ends with \\n\n", "data: not one\r\n", "[C1", "] 肺\x85\x1c", "🫁"]


def bytes_of(texts: Sequence[str], newline: bytes) -> bytes:
    whole = b": keep-alive\n\nevent: x\nid: 3\n" + stream(*texts)
    return whole.replace(b"\n", newline)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_survive_awkward_cuts(server, size, newline):
    whole = bytes_of(TRICKY, newline)
    cut = [whole[i : i + size] for i in range(0, len(whole), size)]
    server.will(Reply(cut, headers={"Content-Type": EVENT_STREAM}))
    assert ask(client(server)) == "".join(TRICKY)


@given(st.lists(st.text(max_size=12), max_size=6), st.lists(st.integers(0, 2000), max_size=20))
def test_any_cut_gives_the_same_text(texts, cuts):
    whole = bytes_of(texts, b"\n")
    bounds = sorted({0, len(whole), *(c for c in cuts if c < len(whole))})
    parts = [whole[a:b] for a, b in pairwise(bounds)]
    assert "".join(pieces(parts, "m")) == "".join(texts)


def test_events_without_text_are_passed_over(server):
    odd = (
        b'data: {"choices": []}\n\ndata: {"usage": {}}\n\ndata: {"choices": [null]}\n\ndata: 7\n\n'
    )
    server.will(Reply([odd + stream("Water")], headers={"Content-Type": EVENT_STREAM}))
    assert ask(client(server)) == "Water"


def test_an_answer_cut_by_the_length_is_logged(server, caplog):
    server.will(Reply([event("Water [C", "length")], headers={"Content-Type": EVENT_STREAM}))
    assert answered(client(server), ASKED, EVIDENCE).abstained
    assert "incomplete (length)" in caplog.text


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (failing(401, "Invalid API Key", "invalid_api_key"), BadKey),
        (failing(403, "forbidden"), BadKey),
        (failing(404, "The model `m-1` does not exist", "model_not_found"), UnknownModel),
        (failing(400, "The model has been decommissioned", "model_decommissioned"), UnknownModel),
        (
            Reply([b'{"error": "model \\"m-1\\" not found, try pulling it first"}'], 404),
            UnknownModel,
        ),
        (failing(400, "maximum context length is 8192", "context_length_exceeded"), TooManyTokens),
        (failing(400, "the request exceeds the available context size"), TooManyTokens),
        (failing(413, "Request too large for model", "rate_limit_exceeded"), TooManyTokens),
        (failing(429, "You exceeded your current quota", "insufficient_quota"), RateLimited),
        (failing(422, "logprobs must be positive"), GenerationError),
        (Reply([b""], 302, {"Location": "http://127.0.0.1:1/"}), GenerationError),
        (Reply([b"<html>not here</html>"], 404), UnknownModel),
    ],
)
def test_what_cannot_pass_is_raised_at_once(server, reply, error):
    server.will(reply)
    with pytest.raises(GenerationError) as caught:
        ask(client(server))
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (failing(429, "slow down", "rate_limit_exceeded", Retry_After="0"), RateLimited),
        (failing(429, "slow down"), RateLimited),
        (failing(500), Unreachable),
        (Reply([b"bad gateway"], 502), Unreachable),
        (failing(503, "loading model", Retry_After="0"), Unreachable),
        (Reply([b"not json"], headers={"Content-Type": "application/json"}), Unreachable),
        (Reply([b"data: {\n\n"], headers={"Content-Type": EVENT_STREAM}), Unreachable),
        (Reply([b""], headers={"Content-Type": EVENT_STREAM}), Unreachable),
        (Reply([b"x"], headers={"Content-Encoding": "gzip"}), Unreachable),
    ],
)
def test_what_may_pass_is_tried_again_and_then_raised(server, reply, error):
    server.will(reply)
    with pytest.raises(error):
        ask(client(server, attempts=3))
    assert len(server.requests) == 3


def test_a_failure_that_passes_is_not_seen(server):
    server.will(failing(429, Retry_After="0"), failing(503), streamed("Water [C1]."))
    assert ask(client(server)) == "Water [C1]."
    assert len(server.requests) == 3


def test_the_wait_that_a_server_asks_for_is_kept(server):
    server.will(failing(429, Retry_After="1"), streamed("Water"))
    started = time.monotonic()
    assert ask(client(server)) == "Water"
    assert time.monotonic() - started >= 1.0


def test_a_wait_beyond_patience_is_refused_at_once(server):
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    server.will(failing(429, "daily limit", Retry_After=later))
    with pytest.raises(RateLimited, match=r"asks to wait 3[56]\d\d s"):
        ask(client(server))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("7.66", 7.66),
        ("7.66s", 7.66),
        ("3 seconds", 3.0),
        ("1m30s", 90.0),
        ("250ms", 0.25),
        ("2h", 7200.0),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("nan", None),
    ],
)
def test_retry_after_in_seconds(value, seconds):
    assert retry_after({"retry-after": value}) == seconds


def test_retry_after_as_a_date():
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=20), usegmt=True)
    assert retry_after({"retry-after": soon}) == pytest.approx(20, abs=3)
    assert retry_after({"retry-after": past}) == 0.0


def test_an_answer_that_breaks_off_is_an_error_after_what_came(server):
    server.will(Reply([event("Water [C1]. ")], headers={"Content-Type": EVENT_STREAM}))
    arriving = client(server).generate(ASKED, EVIDENCE)
    assert next(arriving) == "Water [C1]. "
    with pytest.raises(Unreachable, match="broke off"):
        next(arriving)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'data: {"error": {"message": "context size exceeded", "code": 400}}\n\n', TooManyTokens),
        (b'data: {"error": {"message": "no such model", "code": 404}}\n\n', UnknownModel),
        (b'data: {"error": "out of memory"}\n\n', Unreachable),
    ],
)
def test_errors_within_a_stream_are_errors(server, body, error):
    server.will(Reply([body], headers={"Content-Type": EVENT_STREAM}))
    with pytest.raises(error):
        ask(client(server))


def said(value: object) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def reported(message: str, code: str = "") -> bytes:
    return said({"error": {"message": message, "code": code, "type": "error"}})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (reported("the context window is full. Please reduce the input size"), TooManyTokens),
        (reported("maximum context length is 4096", "context_length_exceeded"), TooManyTokens),
        (reported("Rate limit reached", "rate_limit_exceeded"), RateLimited),
        (reported("Incorrect API key provided", "invalid_api_key"), BadKey),
        (reported("Over capacity", "over_capacity"), Unreachable),
        (said({"detail": "out of memory"}), Unreachable),
        (said({"choices": [{"delta": {"refusal": "I cannot help."}}]}), GenerationError),
    ],
)
def test_what_a_stream_reports_counts_more_than_its_status(server, body, error):
    server.will(Reply([body], headers={"Content-Type": EVENT_STREAM}))
    with pytest.raises(GenerationError) as caught:
        ask(client(server, attempts=1))
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (500, "the request exceeds the available context size", TooManyTokens),
        (500, "invalid_api_key", BadKey),
        (400, "API key not valid. Please pass a valid API key.", BadKey),
        (402, "payment required", RateLimited),
        (503, "quota exceeded", RateLimited),
        (498, "capacity", Unreachable),
    ],
)
def test_what_a_refusal_says_counts_more_than_its_status(server, status, message, error):
    server.will(failing(status, message))
    with pytest.raises(GenerationError) as caught:
        ask(client(server, attempts=1))
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("message", "absent", "present"),
    [
        ("'max_tokens' is not supported with this model. Use 'max_completion_tokens'",
         "max_tokens", "max_completion_tokens"),
        ("max_tokens is too large: 800. This model supports at most 512 completion tokens",
         "max_tokens", "max_completion_tokens"),
        ("'temperature' does not support 0 with this model", "temperature", "max_tokens"),
        ("stream is not supported", None, "stream"),
    ],
)  # fmt: skip
def test_a_part_that_is_refused_is_left_out(server, message, absent, present):
    server.will(failing(400, message), streamed("Water [C1]."))
    assert ask(client(server)) == "Water [C1]."
    assert absent not in server.requests[1]
    assert present in server.requests[1]


def test_all_parts_may_be_refused_one_after_the_other(server):
    server.will(
        failing(400, "Unsupported parameter: max_tokens"),
        failing(422, "temperature: extra inputs are not permitted"),
        failing(400, "System role not supported"),
        streamed("Water [C1]."),
    )
    assert ask(client(server, send_image=True), question("what?", image=photograph())) == (
        "Water [C1]."
    )
    (message,) = server.requests[-1]["messages"]
    assert message["role"] == "user"
    assert message["content"][0]["text"].startswith("You help clinicians")
    assert [part["type"] for part in message["content"]] == ["text", "text", "image_url"]


def test_a_part_that_is_refused_again_is_an_error(server):
    server.will(failing(400, "Unsupported parameter: temperature"))
    with pytest.raises(GenerationError, match="refuses temperature"):
        ask(client(server))
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply([b'{"detail": [{"loc": ["body", "model"], "msg": "field required"}]}'], 422),
         r"422: body\.model: field required"),
        (Reply([b'{"detail": "Model is still loading"}'], 400), "Model is still loading"),
        (Reply([b'{"object": "error", "message": "bad seed", "code": 400}'], 400), "bad seed"),
        (Reply([b"<html><style>p {}</style><p>Sign in to the ward</p>"]), "page: Sign in"),
        (Reply([b"<h1>Blocked</h1>"], 403), "403: a web page: Blocked"),
        (Reply([b"upstream gone"], 400), "upstream gone"),
        (Reply([b'{"errors": [{"message": "bad thing"}]}']), "bad thing"),
        (Reply([b'{"code": 1001, "msg": "balance is low"}']), "balance is low"),
        (Reply([b'{"success": false, "message": "nope"}']), "nope"),
        (Reply([b'[{"generated_text": "Water."}]']), "not an answer but: .*generated_text"),
        (Reply([b'{"choices": null}']), "does not answer as a chat server .*not an answer but"),
    ],
)  # fmt: skip
def test_the_message_quotes_what_came(server, reply, words):
    server.will(reply)
    with pytest.raises(GenerationError, match=words):
        ask(client(server, attempts=1))


PARTS = [{"type": "thinking", "thinking": "hm [C2]"}, {"type": "text", "text": "Water [C1]."}]
WHOLE = json.dumps({"choices": [{"message": {"content": "Water [C1]."}, "finish_reason": "stop"}]})


@pytest.mark.parametrize(
    "body",
    [
        b"data: : OPENROUTER PROCESSING\n\n" + stream("Water [C1]."),
        stream("Water [C1].").replace(b"\n", b"\r"),
        b"\xef\xbb\xbf" + stream("Water [C1]."),
        stream("Water [C1].").replace(b"data: ", b"data:"),
        said({"choices": [{"delta": {"content": PARTS}}]}) + stream(),
        said({"choices": [{"delta": {"reasoning_content": "hm [C2]"}}]}) + stream("Water [C1]."),
        said({"choices": [{"text": "Water [C1].", "finish_reason": "stop"}]}),
        stream("<thi", "nk>It may be [C2].</th", "ink>", "Water [C1]."),
        WHOLE.encode(),
        WHOLE.replace("{", '{"error": null, "detail": null, ', 1).encode(),
        said({"choices": [{"delta": {"content": ["Water ", "[C1]."]}}]}) + stream(),
        stream("Water [C1].").replace(b"[DONE]", b" [done]"),
        said({"choices": [{"index": 1, "delta": {"content": "Cancer [C1]."}}]})
        + stream("Water [C1]."),
    ],
)
def test_dialects_of_the_protocol_give_the_same_answer(server, body):
    for content_type in (EVENT_STREAM, "text/plain"):
        server.will(Reply([body], headers={"Content-Type": content_type}))
        assert ask(client(server)) == "Water [C1]."


def test_half_a_character_is_none(server):
    body = stream("Water ", "[C1].").replace(b"Water ", b"Water \\ud83d ")
    server.will(Reply([body], headers={"Content-Type": EVENT_STREAM}))
    assert ask(client(server)) == "Water \ufffd [C1]."


def test_reasoning_whose_beginning_the_template_wrote_is_not_cited(server):
    server.will(streamed("Okay, [C2] may help.</think>Water [C1]."))
    answer = answered(client(server), ASKED, EVIDENCE)
    assert (answer.text, [e.key for e in answer.cited]) == ("Water [C1].", ["C1"])


def test_a_silent_server_runs_into_the_read_timeout(server):
    server.will(streamed("late", pause=1.0))
    with pytest.raises(Unreachable, match="no answer in time"):
        ask(client(server, read_timeout=0.1, attempts=2))
    assert len(server.requests) == 2


def test_a_server_that_drips_for_ever_is_left(server):
    drip = Reply([b": wait\n\n"] * 100, headers={"Content-Type": EVENT_STREAM}, pause=0.05)
    server.will(drip)
    with pytest.raises(Unreachable, match="no answer in time"):
        ask(client(server, total_timeout=0.3, attempts=2))


def test_an_answer_without_end_is_cut_off(server):
    flood = Reply([b"data: " + b"x" * 2**20] * 6, headers={"Content-Type": EVENT_STREAM})
    server.will(flood)
    with pytest.raises(Unreachable, match="too large"):
        ask(client(server, attempts=1))


def test_no_server_at_all_is_unreachable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    generator = replace(openai_compatible(url, "m"), attempts=2, backoff=0.01)
    with pytest.raises(Unreachable, match="extractive generator needs none"):
        ask(generator)


@pytest.mark.parametrize("url", ["", "api.groq.com", "file:///etc/passwd", "http://", "http://a:b"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(GenerationError, match="not the address"):
        openai_compatible(url, "m")


# --- keys and what leaves the machine ------------------------------------------------------


def test_without_a_key_nothing_is_sent():
    with pytest.raises(BadKey, match="GROQ_API_KEY"):
        ask(groq())


@pytest.mark.parametrize("key", ["", " ", "schlüssel", "a\nb"])
def test_a_key_that_cannot_be_one_is_refused(monkeypatch, key):
    monkeypatch.setenv("GROQ_API_KEY", key)
    with pytest.raises(BadKey):
        ask(groq())


def test_a_server_on_this_machine_needs_no_key(server, monkeypatch):
    monkeypatch.delenv("TEST_KEY")
    server.will(streamed("Water"))
    assert ask(client(server)) == "Water"
    assert "authorization" not in server.headers[0]


def test_the_key_is_in_no_text(server):
    server.will(failing(401, "Incorrect API key provided: sk-test-0123456789"))
    generator = client(server)
    with pytest.raises(BadKey) as caught:
        ask(generator)
    assert "0123456789" not in str(caught.value) + repr(generator)


def test_a_proxy_does_not_see_what_stays_here(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.will(streamed("Water"))
    assert ask(client(server)) == "Water"


def test_what_is_sent_is_said(server):
    here = client(server).what_is_sent(ASKED, EVIDENCE)
    assert here.startswith("Sends to 127.0.0.1 (this machine), model m-1: the question, 3 evidence")
    assert here.endswith("; no image.")
    there = groq("some-model").what_is_sent(IMAGE_ONLY, EVIDENCE[:1])
    assert there.startswith(
        "Sends to api.groq.com (over TLS), model some-model: 1 evidence text, at"
    )
    seen = groq("m", send_image=True).what_is_sent(IMAGE_ONLY, EVIDENCE)
    assert "the query image without metadata" in seen
    plain = openai_compatible("http://gpu.example:8000/v1", "m").what_is_sent(ASKED, EVIDENCE)
    assert "gpu.example (unencrypted)" in plain
    beforehand = groq("m").what_is_sent()
    assert "the question and the kept evidence, at most 6000 tokens; no image." in beforehand
    assert groq().base_url == GROQ_URL


def photograph() -> bytes:
    info = PngInfo()
    info.add_text("PatientName", "DOE^JANE")
    buffer = io.BytesIO()
    Image.new("L", (3000, 1500), 90).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def test_the_image_is_sent_only_when_asked_for(server):
    server.will(streamed("x"))
    asked = question("what is this?", image=photograph())
    ask(client(server), asked)
    assert isinstance(server.requests[0]["messages"][1]["content"], str)


def test_the_image_is_sent_without_metadata(server):
    server.will(streamed("x"))
    ask(client(server, send_image=True), question("what is this?", image=photograph()))
    text, image = server.requests[0]["messages"][1]["content"]
    assert "what is this?" in text["text"]
    head, data = image["image_url"]["url"].split(",")
    assert head == "data:image/jpeg;base64"
    raw = base64.b64decode(data)
    with Image.open(io.BytesIO(raw)) as sent:
        assert sent.size == (1024, 512)
        assert not sent.getexif()
    assert b"DOE" not in raw


def test_a_damaged_image_is_not_sent(server):
    server.will(streamed("x"))
    with pytest.raises(ImageError):
        ask(client(server, send_image=True), question("x", image=b"not an image"))
    assert server.requests == []


# --- prompts ----------------------------------------------------------------------------------


def test_the_prompt_names_keys_but_no_patient():
    item = replace(EFFUSION.item, patient_id="P-17", source="site", image=None, id="DOE_JANE")
    prompt = user_prompt(ASKED, [replace(EFFUSION, item=item), MEANING])
    assert '<evidence key="C1" kind="case" domain="radiology" modality="xray">' in prompt
    assert '<evidence key="D1" kind="definition" term="pleural effusion">' in prompt
    assert "The question rules out: pneumothorax." in prompt
    assert prompt.endswith("Keys that you may cite: C1, D1.")
    assert not any(secret in prompt for secret in ("P-17", "DOE_JANE", "site"))


def test_an_image_without_text_gets_a_question():
    assert f"Question: {NO_QUESTION}" in user_prompt(IMAGE_ONLY, EVIDENCE)


@pytest.mark.proof("injections")
@pytest.mark.parametrize("text", INJECTIONS)
def test_instructions_in_evidence_are_flagged(text):
    prompt = user_prompt(ASKED, [case("C1", f"Clear lungs. {text}"), definition("D1", text, text)])
    assert prompt.count(FLAG) >= 3
    assert prompt.count("<evidence key=") == prompt.count("</evidence>") == 2
    assert text not in prompt


def test_evidence_cannot_close_its_delimiters_or_bring_keys():
    prompt = user_prompt(ASKED, [case("C1", "a </case> b [C2] <b>3</b> < 4 mm <5 mm \u202e\x07")])
    assert "\na ‹/case> b (C2) ‹b>3‹/b> < 4 mm <5 mm\n</evidence>" in prompt


def test_the_lowest_ranked_evidence_goes_first():
    long = [case(f"C{i}", f"Nodule of {i} mm. " * 40) for i in range(1, 9)]
    budget = prompt_tokens(ASKED, long) // 2
    kept = within_budget(ASKED, long, budget)
    assert [e.key for e in kept] == [e.key for e in long[: len(kept)]]
    assert 0 < len(kept) < 8
    assert prompt_tokens(ASKED, kept) <= budget


def test_what_was_left_out_is_said_and_cannot_be_cited(server, caplog):
    long = [case(f"C{i}", f"Nodule of {i} mm. " * 40) for i in range(1, 9)]
    server.will(streamed("Nodules [C1]", ", large ones [C8]."))
    generator = client(server, context_tokens=prompt_tokens(ASKED, long[:3]))
    assert ask(generator, ASKED, long) == "Nodules [C1], large ones."
    assert "5 lowest-ranked left out for length" in generator.what_is_sent(ASKED, long)
    assert "left out for length" in caplog.text


def test_a_single_long_report_is_cut_at_a_sentence():
    report = case("C1", "Nodule of 3 mm. " * 4000)
    budget = prompt_tokens(ASKED, []) + 500
    (kept,) = within_budget(ASKED, [report], budget)
    assert kept.text.endswith("3 mm.")
    assert 250 < estimate_tokens(kept.text) <= 500


def test_a_question_that_fills_the_window_is_refused_here(server):
    with pytest.raises(TooManyTokens, match="leaves no room"):
        ask(client(server, context_tokens=900), question("why? " * 2000, {"why": NEGATED}), [LEFT])
    assert server.requests == []


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (422, "`inputs` tokens + `max_new_tokens` must be <= 2048", TooManyTokens),
        (400, "Input is too long for requested model.", TooManyTokens),
        (400, "The input token count exceeds the maximum number of tokens allowed", TooManyTokens),
        (400, "Conversation roles must alternate user/assistant/user/assistant/...", Refused),
        (500, "jinja: System role not supported", Refused),
        (500, "unexpected error in the file system", Retry),
        (500, "internal error", Retry),
    ],
)
def test_how_other_servers_say_it(status, message, kind):
    result = refusal(status, {}, json.dumps({"error": message}), "m")
    assert isinstance(result, kind)
    assert not isinstance(result, Refused) or result.field == "system"
