"""Errors as ``application/problem+json`` (RFC 9457), with what and remedy of the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import ceil
from typing import Any

from fastapi.responses import JSONResponse

from mmedrag.errors import (
    CasebaseError,
    CasebaseLocked,
    GenerationError,
    InputError,
    MMedRAGError,
    RateLimited,
)

MEDIA_TYPE = "application/problem+json"


class ServiceError(MMedRAGError):
    """What only a service can refuse; ``status`` is that of HTTP.

    ``retry_after`` are seconds after which a client may try again.
    """

    status = 500
    title = ""
    """In place of the title that its status has."""

    def __init__(self, what: str, remedy: str, *, retry_after: float | None = None) -> None:
        super().__init__(what, remedy)
        self.retry_after = retry_after


class BadRequest(ServiceError):
    """A body that cannot be read at all."""

    status = 400


class Unauthorised(ServiceError):
    """No token, or one that is not valid."""

    status = 401


class Forbidden(ServiceError):
    """A token without the scope."""

    status = 403


class NotHere(ServiceError):
    """No such casebase, case, job or page."""

    status = 404


class TooSlow(ServiceError):
    """A body that took longer than it may."""

    status = 408


class TooLarge(ServiceError):
    """A body above the limit."""

    status = 413


class WrongMediaType(ServiceError):
    """A body of a kind that is not read here."""

    status = 415


class Invalid(ServiceError):
    """A body whose fields do not fit the schema."""

    status = 422


class TooManyRequests(ServiceError):
    """A client above its rate."""

    status = 429


class Busy(ServiceError):
    """Every reader has work, and enough requests wait."""

    status = 503
    title = "Busy"


class TimeLimit(ServiceError):
    """A query that took longer than it may."""

    status = 504


STATUS: tuple[tuple[type[MMedRAGError], int], ...] = (
    (InputError, 422),
    (CasebaseLocked, 409),
    (CasebaseError, 503),
    (RateLimited, 503),
    (GenerationError, 502),
    (MMedRAGError, 503),
)
"""The status of an error of the library: that of the first class that it is of."""

TITLES = {
    400: "The request cannot be read",
    401: "A token is needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "The request came too slowly",
    409: "The casebase is being written",
    413: "Too large",
    415: "Not a kind of body that is read here",
    422: "The request cannot be answered as it is",
    429: "Too many requests",
    500: "An error inside the service",
    502: "The generator cannot answer",
    503: "Not ready",
    504: "Stopped at the time limit",
}


def status_of(error: MMedRAGError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, ServiceError):
        return error.status
    return next(status for kind, status in STATUS if isinstance(error, kind))


def document(error: MMedRAGError) -> dict[str, Any]:
    """The problem as JSON values."""
    status = status_of(error)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()
    return {
        "type": f"urn:mmedrag:problem:{name}",
        "title": getattr(error, "title", "") or TITLES[status],
        "status": status,
        "detail": error.what,
        "remedy": error.remedy,
    }


def headers_of(error: MMedRAGError) -> dict[str, str]:
    """``Retry-After``, ``WWW-Authenticate`` and ``Connection``, where they are due."""
    status = status_of(error)
    seconds = getattr(error, "retry_after", None)
    if seconds is None and isinstance(error, CasebaseLocked | RateLimited):
        seconds = 5.0
    headers = {} if seconds is None else {"Retry-After": str(max(1, ceil(seconds)))}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 408:  # what still comes of the body is not waited for
        headers["Connection"] = "close"
    return headers


def response(error: MMedRAGError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The problem as a response."""
    return JSONResponse(
        document(error),
        status_of(error),
        {**headers_of(error), **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def of_status(status: int, detail: str) -> dict[str, Any]:
    """A problem without an error of ours, such as an unknown path."""
    return {
        "type": "about:blank",
        "title": TITLES.get(status, "The request failed"),
        "status": status,
        "detail": detail,
        "remedy": "GET /openapi.json lists what can be asked.",
    }
