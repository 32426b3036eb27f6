"""``multipart/related`` read as it arrives (RFC 2046, 5.1; PS3.18, 8.6.1.2).

Bodies are DICOM files of any size and content, so nothing is decoded, and no more is held than a
block and a boundary.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

MAX_HEADER = 16 * 2**10
"""The longest header of a part, and the longest preamble that is passed over."""

_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)


class BrokenMultipart(ValueError):
    """A body that is no multipart message, or ends before its last boundary."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One part: its header by lower-case names, and its body in pieces.

    The body is read before the next part is asked for; what is left of it is passed over.
    """

    header: Mapping[str, str]
    body: Iterator[bytes]


def boundary_of(content_type: str) -> bytes:
    """The boundary that a ``Content-Type`` names.

    Raises:
        BrokenMultipart: it is no multipart type, or names none.
    """
    match = _BOUNDARY.search(content_type)
    if not content_type.strip().lower().startswith("multipart/") or match is None:
        raise BrokenMultipart("the answer is not multipart")
    return (match[1] or match[2]).encode("latin-1", "replace")


def read_parts(chunks: Iterable[bytes], boundary: bytes) -> Iterator[Part]:
    """The parts of a message, however it is cut into chunks.

    Raises:
        BrokenMultipart: also from a part's body, where the message ends too early.
    """
    window = _Window(chunks)
    window.buffer += b"\r\n"  # the first boundary may stand at the very beginning
    mark = b"\r\n--" + boundary
    if window.skip_past(mark) > MAX_HEADER:
        raise BrokenMultipart("there is no boundary where the first part should begin")
    while not window.ends():
        body = window.until(mark)
        yield Part(_header(window.header()), body)
        for _ in body:
            pass


class _Window:
    """What has arrived of the chunks and is not consumed yet."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.buffer = bytearray()
        self._chunks = iter(chunks)

    def _more(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            raise BrokenMultipart("the answer ended before its last boundary")
        self.buffer += chunk

    def skip_past(self, mark: bytes) -> int:
        """Drop everything up to and with the mark; the number of bytes before it."""
        return sum(len(piece) for piece in self.until(mark, MAX_HEADER))

    def until(self, mark: bytes, most: int | None = None) -> Iterator[bytes]:
        """The bytes before the mark, in pieces; the mark is consumed."""
        given = 0
        while (end := self.buffer.find(mark)) < 0:
            safe = len(self.buffer) - len(mark) + 1  # the mark may have begun in what is kept
            if safe > 0:
                yield bytes(self.buffer[:safe])
                del self.buffer[:safe]
                given += safe
            if most is not None and given > most:
                raise BrokenMultipart("there is no boundary where the first part should begin")
            self._more()
        if end:
            yield bytes(self.buffer[:end])
        del self.buffer[: end + len(mark)]

    def ends(self) -> bool:
        """Whether the boundary just consumed was the last one; the rest of its line is dropped."""
        while len(self.buffer) < 2:
            self._more()
        if self.buffer.startswith(b"--"):
            return True
        while (end := self.buffer.find(b"\r\n")) < 0 and len(self.buffer) <= MAX_HEADER:
            self._more()
        if end < 0 or self.buffer[:end].strip(b" \t"):
            raise BrokenMultipart("a boundary is followed by something else than a line end")
        del self.buffer[:end]
        return False

    def header(self) -> bytes:
        """Everything up to the empty line, which is consumed."""
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            if len(self.buffer) > MAX_HEADER:
                raise BrokenMultipart("the header of a part does not end")
            self._more()
        header = bytes(self.buffer[:end])
        del self.buffer[: end + 4]
        return header


def _header(block: bytes) -> dict[str, str]:
    lines = block.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
