"""The chat completions protocol as servers really speak it: event streams, refusals, waits."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from mmedrag.answers.passages import clean
from mmedrag.errors import (
    BadKey,
    GenerationError,
    RateLimited,
    TooManyTokens,
    UnknownModel,
    Unreachable,
)

_log = logging.getLogger(__name__)

_LARGEST_ANSWER = 4 * 2**20
_MODEL_GONE = re.compile(
    r"model_decommissioned|model_not_found|decommissioned|model\b[^.]{0,80}\b(?:does not exist"
    r"|not found|not exist|is not supported)|unknown model|no such model"
)
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|context (?:length|size|window)"
    r"|maximum context|too many tokens|prompt is too long|request too large"
)
_NO_CREDIT = re.compile(r"insufficient_quota|billing")


class Retry(Exception):
    """A failure that may pass: the error to raise when it does not, and the wait asked for."""

    def __init__(self, error: GenerationError, retry_after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after


def in_time(chunks: Iterator[bytes], deadline: float) -> Iterator[bytes]:
    """The chunks of an answer.

    Raises:
        httpx.ReadTimeout: after ``deadline`` (monotonic seconds): dripping for ever is no answer.
        httpx.RemoteProtocolError: for an answer of more than 4 MiB.
    """
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the answer took too long")
        if size > _LARGEST_ANSWER:
            raise httpx.RemoteProtocolError("the answer is too large")
        yield chunk


def read_all(chunks: Iterable[bytes]) -> str:
    """A body that is not a stream."""
    return b"".join(chunks).decode("utf-8", "replace")


def one_answer(body: str, model: str) -> Iterator[str]:
    """The text of a server that does not stream."""
    text, _ = _delta(body, model)
    if text:
        yield text


def pieces(chunks: Iterable[bytes], model: str) -> Iterator[str]:
    """The text in a stream of server-sent events.

    Raises:
        GenerationError: the error that the stream reports.
        httpx.RemoteProtocolError: where the stream ends without saying that it is complete.
    """
    finished = False
    for data in _events(chunks):
        if data == "[DONE]":
            return
        text, reason = _delta(data, model)
        if text:
            yield text
        finished = finished or bool(reason)
    if not finished:
        raise httpx.RemoteProtocolError("the answer broke off")


def _events(chunks: Iterable[bytes]) -> Iterator[str]:
    """Payloads of server-sent events, however the bytes are cut."""
    data: list[str] = []
    for raw in _lines(chunks):
        line = raw.decode("utf-8", "replace")
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []
    if data:
        yield "\n".join(data)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines end at LF or CR LF alone: U+2028 and its like are text within JSON."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.removesuffix(b"\r") for line in lines)
    if rest:
        yield rest.removesuffix(b"\r")


def _delta(data: str, model: str) -> tuple[str, str]:
    """The text of one event, and why the answer ended if it did."""
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        raise httpx.RemoteProtocolError("the answer is not JSON") from None
    if isinstance(event, dict) and event.get("error"):
        raise _from_stream(event, model)
    choice = _first(event)
    part = choice.get("delta") or choice.get("message") or {}
    text = part.get("content") if isinstance(part, dict) else ""
    reason = str(choice.get("finish_reason") or "")
    if reason in ("length", "content_filter"):
        _log.warning("The model's answer is incomplete (%s).", reason)
    return (text if isinstance(text, str) else ""), reason


def _first(event: object) -> dict[str, Any]:
    choices = event.get("choices") if isinstance(event, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def _from_stream(event: Mapping[str, Any], model: str) -> Exception:
    code = event["error"].get("code") if isinstance(event["error"], dict) else None
    status = code if isinstance(code, int) else httpx.codes.INTERNAL_SERVER_ERROR
    return refusal(status, {}, json.dumps(event), model)


def refusal(status: int, headers: Mapping[str, str], body: str, model: str) -> Exception:
    """What a status other than 200 means: an error to raise, or a :class:`Retry`."""
    said = _message(body)
    known = body.lower()
    if status in (401, 403):
        return BadKey(f"The server refuses the API key ({status}: {said})", "Check the key.")
    if status == 413 or (status < 500 and _TOO_LONG.search(known)):
        return TooManyTokens(
            f"The request is too long for {model} ({status}: {said})",
            "Lower context_tokens or max_tokens, or use a model with a larger window.",
        )
    if status == 404 or _MODEL_GONE.search(known):
        return UnknownModel(
            f"The server does not know the model {model} ({status}: {said})",
            "Name a current model of that server, and check that the address ends in /v1.",
        )
    if status == 429:
        return _limited(headers, known, said)
    if status in (408, 409, 425) or status >= 500:
        error = Unreachable(f"The server fails ({status}: {said})", "Try again later.")
        return Retry(error, retry_after(headers))
    return GenerationError(
        f"The server refuses the request ({status}: {said})", "Check the address and the model."
    )


def _limited(headers: Mapping[str, str], known: str, said: str) -> Exception:
    wait = retry_after(headers)
    asked = "" if wait is None else f", and asks to wait {wait:.0f} s"
    if _NO_CREDIT.search(known):
        return RateLimited(f"The account has no credit left (429: {said})", "Check its billing.")
    error = RateLimited(
        f"The server's rate limit is reached (429: {said}){asked}",
        "Wait, or lower context_tokens.",
    )
    return Retry(error, wait)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that ``Retry-After`` asks for (a number, or an HTTP date), never negative."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(?:\.\d+)?", value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def _message(body: str) -> str:
    """What the server says of the error, in one short line."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    error = found.get("error", found) if isinstance(found, dict) else body
    text = error.get("message", "") if isinstance(error, dict) else error
    return short(str(text or "no message"))


def short(text: str) -> str:
    """One line of at most 200 characters, without what looks like a key."""
    flat = re.sub(r"\b(?:sk|gsk|key)[-_][\w*-]{6,}", "***", " ".join(clean(text).split()))
    return flat if len(flat) <= 200 else flat[:200].rsplit(" ", 1)[0] + " …"
