"""Who did what and when (JSON lines, no text and no image), and what Prometheus counts."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmedrag.errors import QueryError


class AuditLog:
    """A file to which a line is added for every request; ``None`` writes nowhere."""

    def __init__(self, path: Path | None) -> None:
        """Open it.

        Raises:
            QueryError: it cannot be written.
        """
        self._lock = Lock()
        try:
            self._file = None if path is None else path.open("a", encoding="utf-8")
        except OSError as error:
            raise QueryError(
                f"{path} cannot be written ({error.strerror})", "Name another audit log."
            ) from None

    def add(self, **entry: Any) -> None:  # noqa: ANN401 - JSON values
        """Write one line."""
        if self._file is None:
            return
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **entry})
        with self._lock, suppress(OSError):
            self._file.write(line + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class Metrics:
    """Counts and times by route; a registry of its own, so that two services do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "mmedrag_requests", "Requests", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "mmedrag_request_seconds",
            "Time to the end of the response",
            ["route"],
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "mmedrag_requests_in_flight", "Requests at work", registry=self.registry
        )

    def text(self) -> bytes:
        """The metrics in the text format of Prometheus."""
        return bytes(generate_latest(self.registry))


class Recorder:
    """ASGI middleware: one audit line and one observation for each request.

    Endpoints leave the client's name and the ids of cases in ``request.state``.
    """

    def __init__(self, app: ASGIApp, audit: AuditLog, metrics: Metrics) -> None:
        self._app = app
        self._audit = audit
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and record how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = perf_counter(), 500
        state = scope.setdefault("state", {})

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, noted)
        finally:
            seconds = perf_counter() - started
            route = getattr(scope.get("route"), "path", "unknown")
            self._metrics.in_flight.dec()
            self._metrics.requests.labels(_method(scope), route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(seconds)
            self._audit.add(
                client=state.get("client"),
                address=(scope.get("client") or ("",))[0],
                method=_method(scope),
                endpoint=route,
                casebase=state.get("casebase"),
                ids=state.get("ids", []),
                status=status,
                ms=round(seconds * 1000.0, 1),
            )


def _method(scope: Scope) -> str:
    """The method, of which clients may invent any number."""
    method = str(scope["method"])
    return method if method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS") else "other"
