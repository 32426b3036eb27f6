"""What a client may send, how slowly and how often: bodies and request rate."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from time import monotonic

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmedrag.serving.problems import TooLarge, TooManyRequests, TooSlow

MEBIBYTE = 1 << 20

CHUNK_SECONDS = 20.0
"""Between two chunks of a body."""

BODY_SECONDS = 300.0
"""For a whole body."""


class BodyLimit:
    """ASGI middleware: who reads a body longer than ``limit`` bytes gets :class:`TooLarge`.

    Who reads one that comes too slowly gets :class:`TooSlow`.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on as far as its body may go."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        too_long = announced.isdigit() and int(announced) > self._limit
        read = 0
        whole = False
        begin = monotonic()

        async def counted() -> Message:
            nonlocal read, whole
            if too_long:
                raise self._refusal()
            if whole:  # what comes now is that the client has gone, which may take any time
                return await receive()
            left = min(CHUNK_SECONDS, begin + BODY_SECONDS - monotonic())
            try:
                message = await asyncio.wait_for(receive(), left)
            except TimeoutError:
                raise TooSlow(
                    "The request did not come to its end in time", "Send it again, faster."
                ) from None
            whole = not message.get("more_body", False)
            read += len(message.get("body", b""))
            if read > self._limit:
                raise self._refusal()
            return message

        await self._app(scope, counted, send)

    def _refusal(self) -> TooLarge:
        return TooLarge(
            f"The request is larger than {self._limit / MEBIBYTE:g} MiB",
            "Send a smaller image, or start the service with a larger --max-body.",
        )


class Rate:
    """A token bucket for each client: ``per_minute`` in the long run, a sixth of that at once."""

    CLIENTS = 10_000
    """Buckets that are remembered; the longest unused go first."""

    def __init__(self, per_minute: float, clock: Callable[[], float] = monotonic) -> None:
        self._per_second = per_minute / 60.0
        self._capacity = max(1.0, per_minute / 6.0)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def charge(self, client: str) -> None:
        """Count one request.

        Raises:
            TooManyRequests: the bucket is empty.
        """
        now = self._clock()
        with self._lock:
            left, at = self._buckets.pop(client, (self._capacity, now))
            left = min(self._capacity, left + (now - at) * self._per_second)
            self._buckets[client] = (left - 1.0 if left >= 1.0 else left, now)
            if len(self._buckets) > self.CLIENTS:
                self._buckets.popitem(last=False)
        if left < 1.0:
            raise TooManyRequests(
                f"More than {self._per_second * 60:g} requests a minute",
                "Wait, and send them more slowly.",
                retry_after=(1.0 - left) / self._per_second,
            )
