"""The chat completions protocol as servers really speak it: event streams, refusals, waits."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import Any

import httpx

from mmedrag.errors import (
    BadKey,
    GenerationError,
    RateLimited,
    TooManyTokens,
    UnknownModel,
    Unreachable,
)
from mmedrag.text.quotations import clean

_log = logging.getLogger(__name__)

_MODEL_GONE = re.compile(
    r"model_decommissioned|model_not_found|decommissioned|model\b[^.]{0,80}\b(?:does not exist"
    r"|not found|not exist|is not supported)|unknown model|no such model"
)
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|context (?:length|size|window)"
    r"|maximum context|too many tokens|prompt is too long|request too large"
    r"|reduce the (?:input|prompt|length)|string_above_max_length|(?:input|prompt)s? (?:is|are) too"
    r"|tokens`? \+ `?max_new_tokens|exceeds? the max[a-z]* number of (?:input )?tokens"
)
_BAD_KEY = re.compile(
    r"invalid_api_key|invalid api key|incorrect api key|api key (?:not valid|is invalid|expired)"
    r"|invalid_authentication|unauthori[sz]ed|authentication_error|permission_denied"
)
_LIMITED = re.compile(r"rate_limit|rate limit|too many requests|quota|resource_exhausted")
_NO_CREDIT = re.compile(r"insufficient_quota|billing|credit balance|payment required")
_HALF = re.compile("[\ud800-\udfff]")
_REFUSED = re.compile(
    r"unsupported|not supported|does not support|unrecognized|unknown (?:parameter|field|argument)"
    r"|unexpected (?!error|failure|exception)|extra inputs|not permitted|not allowed"
    r"|is deprecated|only the default"
    r"|must (?:be|alternate|start)|invalid role|roles? "
    r"|is too (?:large|high)|at most \d+ completion"
)
_ROLES = re.compile(r"roles? must alternate|system[- ]role|role[^.]{0,20}\bsystem\b")


class Retry(Exception):
    """A failure that may pass: the error to raise when it does not, and the wait asked for."""

    def __init__(self, error: GenerationError, retry_after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after


class Refused(Exception):
    """The server refuses a part of the request that can be left out (:data:`OPTIONAL`)."""

    def __init__(self, field: str, error: GenerationError) -> None:
        super().__init__(str(error))
        self.field = field
        self.error = error


OPTIONAL = ("max_tokens", "temperature", "system", "stream")
"""Parts of a request that some servers or models do not take."""


NO_ANSWER = "not an answer but"
"""What is said of a body that is no chat completion."""


def read_all(chunks: Iterable[bytes]) -> str:
    """A body that is not a stream."""
    return b"".join(chunks).decode("utf-8", "replace")


def one_answer(body: str, model: str) -> Iterator[str]:
    """The text of a server that does not stream.

    Raises:
        httpx.RemoteProtocolError: where the body is no answer; its beginning is quoted.
    """
    try:
        text, _ = _delta(body, model)
        if not text and not _first(json.loads(body)):
            raise httpx.RemoteProtocolError("the answer has no choices")
    except httpx.RemoteProtocolError:
        raise httpx.RemoteProtocolError(f"{NO_ANSWER}: {short(_plain(body))}") from None
    if text:
        yield text


def pieces(chunks: Iterable[bytes], model: str) -> Iterator[str]:
    """The text in a stream of server-sent events, or in a body of JSON that is called a stream.

    Raises:
        GenerationError: the error that the stream reports.
        httpx.RemoteProtocolError: where the stream ends without saying that it is complete, or
            is no stream at all.
    """
    lines = _lines(chunks)
    first = next((line for line in lines if line.strip()), b"").lstrip(b"\xef\xbb\xbf")
    if first.lstrip()[:1] in (b"{", b"[", b"<"):
        yield from one_answer(read_all([first, b"\n", *(line + b"\n" for line in lines)]), model)
        return
    finished = False
    for data in _events(chain([first], lines)):
        if data.strip().upper() == "[DONE]":
            return
        text, reason = _delta(data, model)
        if text:
            yield text
        finished = finished or bool(reason)
    if not finished:
        raise httpx.RemoteProtocolError("the answer broke off")


def _events(lines: Iterable[bytes]) -> Iterator[str]:
    """Payloads of server-sent events; comments are passed over, also ones within ``data:``."""
    data: list[str] = []
    for raw in lines:
        line = raw.decode("utf-8", "replace")
        if line.startswith("data:"):
            content = line[5:].removeprefix(" ")
            data += [] if content.startswith(":") else [content]
        elif not line and data:
            yield "\n".join(data)
            data = []
    if data:
        yield "\n".join(data)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines end at CR LF, LF or CR alone: U+2028 and its like are text within JSON."""
    rest = b""
    for chunk in chunks:
        ends_open = chunk.endswith(b"\r")  # its LF may be in the next chunk
        text = (rest + chunk)[:-1] if ends_open else rest + chunk
        *lines, rest = re.split(rb"\r\n|\n|\r", text)
        yield from lines
        rest += b"\r" if ends_open else b""
    if rest:
        yield from re.split(rb"\r\n|\n|\r", rest.removesuffix(b"\r"))


def _delta(data: str, model: str) -> tuple[str, str]:
    """The text of one event, and why the answer ended if it did."""
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        raise httpx.RemoteProtocolError("the answer is not JSON") from None
    if isinstance(event, dict) and _is_error(event):
        raise _from_stream(event, model)
    choice = _first(event)
    if choice.get("index"):  # an answer beside the first
        return "", ""
    message = choice.get("delta") or choice.get("message") or choice
    message = message if isinstance(message, dict) else {}
    if isinstance(message.get("refusal"), str) and message["refusal"].strip():
        raise GenerationError(
            f"The model {model} refuses to answer ({short(message['refusal'])})",
            "Ask another model, or use the extractive generator.",
        )
    reason = str(choice.get("finish_reason") or "")
    if reason in ("length", "content_filter"):
        _log.warning("The model's answer is incomplete (%s).", reason)
    return _text(message.get("content", message.get("text"))), reason


def _is_error(event: Mapping[str, Any]) -> bool:
    """Whether an event reports an error; beside an answer, only one that is called so."""
    if event.get("error"):
        return True
    if _first(event):
        return False
    named = any(event.get(name) for name in ("detail", "errors", "msg"))
    return named or isinstance(event.get("message"), str)


def _text(content: object) -> str:
    """The text of a content that is a string or a list of parts; parts of reasoning have none.

    Half a character, as some servers cut one into two events, is none.
    """
    if isinstance(content, str):
        return _HALF.sub("\ufffd", content)
    if not isinstance(content, list):
        return ""
    if all(isinstance(part, str) for part in content):
        return "".join(map(_text, content))
    typed = (p for p in content if isinstance(p, dict) and p.get("type") in ("text", "output_text"))
    return "".join(_text(p["text"]) for p in typed if isinstance(p.get("text"), str))


def _first(event: object) -> dict[str, Any]:
    choices = event.get("choices") if isinstance(event, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def _from_stream(event: Mapping[str, Any], model: str) -> Exception:
    error = event.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) else httpx.codes.INTERNAL_SERVER_ERROR
    return refusal(status, {}, json.dumps(event, ensure_ascii=False), model)


def refusal(status: int, headers: Mapping[str, str], body: str, model: str) -> Exception:
    """What a status other than 200 or a reported error means.

    What the server says counts more than its status: servers report long prompts, bad keys and
    limits as 400, as 500, or within a stream that began as 200.

    Returns:
        An error to raise, a :class:`Retry`, or :class:`Refused`.
    """
    message = _message(body)
    text = body.lower()
    if status in (401, 403) or (status != 429 and _BAD_KEY.search(text)):
        return BadKey(f"The server refuses the API key ({status}: {message})", "Check the key.")
    if status == 413 or (status != 429 and _TOO_LONG.search(text)):
        return TooManyTokens(
            f"The request is too long for {model} ({status}: {message})",
            "Lower context_tokens or max_tokens, or use a model with a larger window.",
        )
    if status in (400, 422, 500, 501) and (field := _refused_field(text)):
        error = GenerationError(
            f"The server refuses {field} ({status}: {message})", "Use another model or server."
        )
        return Refused(field, error)
    if status == 404 or _MODEL_GONE.search(text):
        return UnknownModel(
            f"The server does not know the model {model} ({status}: {message})",
            "Name a current model of that server, and check that the address ends in /v1.",
        )
    if status in (402, 429) or _LIMITED.search(text):
        return _limited(headers, status, text, message)
    if status in (408, 409, 425) or status >= 498:
        error = Unreachable(f"The server fails ({status}: {message})", "Try again later.")
        return Retry(error, retry_after(headers))
    return GenerationError(
        f"The server refuses the request ({status}: {message})", "Check the address and the model."
    )


def _refused_field(text: str) -> str | None:
    """The part of the request that the server names as what it does not take."""
    if not _REFUSED.search(text):
        return None
    if _ROLES.search(text):
        return "system"
    return next((field for field in OPTIONAL if re.search(rf"\b{field}\b", text)), None)


def _limited(headers: Mapping[str, str], status: int, text: str, message: str) -> Exception:
    wait = retry_after(headers)
    request = "" if wait is None else f", and asks to wait {wait:.0f} s"
    if status == 402 or _NO_CREDIT.search(text):
        return RateLimited(
            f"The account has no credit left ({status}: {message})", "Check its billing."
        )
    error = RateLimited(
        f"The server's rate limit is reached ({status}: {message}){request}",
        "Wait, or lower context_tokens.",
    )
    return Retry(error, wait)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that ``Retry-After`` asks for (``7``, ``7.66s``, ``1m30s``, an HTTP date)."""
    value = headers.get("retry-after", "").strip()
    if span := _SPAN.fullmatch(value):
        hours, minutes, seconds, milliseconds = (float(number or 0) for number in span.groups())
        return 3600 * hours + 60 * minutes + seconds + milliseconds / 1000 if value else None
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


_N = r"(\d{1,9}(?:\.\d{1,9})?)(?![\d.])"
_SPAN = re.compile(
    rf"(?:{_N}\s?h(?:ours?)?)?\s?(?:{_N}\s?m(?:in(?:utes?)?)?)?\s?(?:{_N}\s?(?:s(?:ec(?:onds?)?)?)?)?"
    rf"\s?(?:{_N}\s?ms)?",
    re.IGNORECASE,
)


def _message(body: str) -> str:
    """What the server says of the error, in one short line."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return short(_plain(body) or "no message")
    return short(_described(content) or "no message")


def _described(content: object) -> str:
    """The words in an error: of OpenAI (``error.message``), FastAPI (``detail``), or what it is."""
    if isinstance(content, str | int | float):
        return str(content)
    if isinstance(content, list):
        return "; ".join(filter(None, map(_described, content)))
    if not isinstance(content, dict):
        return ""
    if "msg" in content:
        location = ".".join(map(str, content.get("loc") or ()))
        return f"{location}: {content['msg']}" if location else str(content["msg"])
    for name in ("error", "message", "detail", "errors", "title", "code", "type"):
        if words := _described(content.get(name)):
            return words
    return ""


def _plain(body: str) -> str:
    """A body as words: an HTML page without its tags."""
    if not re.match(r"\s*<", body):
        return body
    body = re.sub(r"(?is)<(script|style)\b.{0,20000}?</\1>", " ", body[:100_000])
    return f"a web page: {re.sub(r'<[^<>]*>', ' ', body)}"


def short(text: str) -> str:
    """One line of at most 200 characters, without what looks like a key."""
    flat = re.sub(r"\b(?:sk|gsk|key)[-_][\w*-]{6,}", "***", " ".join(clean(text).split()))
    return flat if len(flat) <= 200 else flat[:200].rsplit(" ", 1)[0] + " …"
