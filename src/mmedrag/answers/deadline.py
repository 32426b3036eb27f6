"""One limit for a whole exchange with a server, whatever the server does with the connection.

Time-outs of single reads do not end an exchange: a header that drips, or interim responses without
end, keep every read short. Here the connection itself is shut when the time is over.
"""

from __future__ import annotations

import socket
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx

LARGEST_ANSWER = 4 * 2**20
"""Bytes of a response, as they come and unpacked."""


class Deadline:
    """Shuts the connections of a request when the time is over; a context manager.

    Pass :attr:`extensions` with the request. Whoever waits for the server then gets an error of
    ``httpx``; :attr:`passed` tells that the time was the reason.

    Args:
        ends: monotonic seconds.
    """

    def __init__(self, ends: float) -> None:
        self._ends = ends
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []
        self._timer = threading.Timer(max(0.0, ends - time.monotonic()), self._shut)
        self._timer.daemon = True

    @property
    def extensions(self) -> dict[str, Any]:
        """Of the request: lets this object see its connections."""
        return {"trace": self._see}

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self._ends

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def _see(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by ``httpx`` at each step of a request."""
        if event != "connection.connect_tcp.complete":
            return
        connection = info["return_value"].get_extra_info("socket")
        with self._lock:  # a duplicate stays valid while TLS takes over the original
            self._connections.append(connection.dup())
        if self.passed:
            self._shut()

    def _shut(self) -> None:
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # closed by the other side
                    continue

    def read(self, response: httpx.Response) -> Iterator[bytes]:
        """The body of a response, unpacked in bounded pieces.

        Raises:
            httpx.ReadTimeout: when the time is over.
            httpx.RemoteProtocolError: for a body of more than :data:`LARGEST_ANSWER` bytes, or
                packed as it was not asked to be.
        """
        unpacker = _unpacker(response.headers.get("content-encoding", ""))
        received = unpacked = 0
        for raw in response.iter_raw():
            received += len(raw)
            for chunk in _unpack(unpacker, raw):
                unpacked += len(chunk)
                if max(received, unpacked) > LARGEST_ANSWER:
                    raise httpx.RemoteProtocolError("the answer is too large")
                yield chunk
            if self.passed:
                raise httpx.ReadTimeout("the answer took too long")
            if received > LARGEST_ANSWER:
                raise httpx.RemoteProtocolError("the answer is too large")


def _unpacker(encoding: str) -> Any:  # noqa: ANN401
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return None
    if name in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    raise httpx.RemoteProtocolError("the answer is packed in an unknown way")


def _unpack(unpacker: Any, raw: bytes) -> Iterator[bytes]:  # noqa: ANN401
    if unpacker is None:
        yield raw
        return
    try:
        while raw:
            yield unpacker.decompress(raw, 2**16)
            raw = unpacker.unconsumed_tail
    except zlib.error:
        raise httpx.RemoteProtocolError("the answer is packed wrongly") from None
