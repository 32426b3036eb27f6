"""Lines of a text file that may hold anything: numbered, decoded, bounded."""

from __future__ import annotations

import gzip
import zlib
from codecs import BOM_UTF8, getincrementaldecoder
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from mmedrag.errors import CorpusError
from mmedrag.regular_files import regular_file
from mmedrag.text.encodings import FOREIGN, line_of, utf16_of
from mmedrag.types import Problem

LONGEST = 4 << 20
"""Bytes of one line; what goes beyond is reported and skipped."""

MOST = 100_000_000
"""Lines of one file of a source; a file with more is refused when it comes to them."""

_HEAD = 1 << 16

EXPANSION, SMALL = 100, 64 << 20
"""Text is packed to about a tenth: what unpacks to a hundred times its size, and beyond 64 MiB,
holds one thing over and over, and is refused when it comes to that."""


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """``path`` for reading bytes, unpacked where its name ends in ``.gz``.

    Raises:
        CorpusError: the file is absent or unreadable, or its compression is damaged or unpacks to
            far more than text can.
    """
    size = regular_file(path).stat().st_size
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            whole = file if not isinstance(file, gzip.GzipFile) else _Unpacked(file, path, size)
            yield cast(IO[bytes], whole)
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(
            f"The dictionary source {path} cannot be read: {error}",
            "Check the path, its permissions and that it is complete.",
        ) from error


class _Unpacked:
    """A compressed file that may unpack to so many bytes and no more."""

    def __init__(self, file: gzip.GzipFile, path: Path, packed: int) -> None:
        self._file, self._path = file, path
        self._left = max(SMALL, EXPANSION * packed)

    def read(self, size: int) -> bytes:
        return self._counted(self._file.read(size))

    def readline(self, size: int) -> bytes:
        return self._counted(self._file.readline(size))

    def _counted(self, piece: bytes) -> bytes:
        self._left -= len(piece)
        if self._left < 0:
            raise CorpusError(
                f"The dictionary source {self._path} unpacks to {EXPANSION} times its size",
                "Text does not: unpack it and look at what it holds.",
            )
        return piece


def lines(path: Path) -> Iterator[tuple[int, str | Problem]]:
    """Each line with its number, from 1; one that is too long as a Problem.

    UTF-16 is recognised. A line that is not UTF-8 is read as Windows-1252, after a Problem that
    says so.

    Raises:
        CorpusError: as :func:`opened`, and for a file of more than :data:`MOST` lines.
    """
    with opened(path) as file:
        head = file.read(_HEAD)
    wide, old = utf16_of(head), b"\r" in head and b"\n" not in head
    with opened(path) as file:
        raw_lines = _recoded(file, wide) if wide else _divided(file) if old else _raw_lines(file)
        for number, raw in enumerate(raw_lines, 1):
            if number > MOST:
                raise CorpusError(
                    f"The dictionary source {path} has more than {MOST:,} lines",
                    "Leave out what is not needed, or divide it and compile the parts.",
                )
            if raw is None:
                yield number, Problem(path, number, f"a line longer than {LONGEST} bytes")
                continue
            line, native = line_of(raw.removeprefix(BOM_UTF8) if number == 1 else raw)
            if not native:
                yield number, Problem(path, number, FOREIGN, stored=True)
            yield number, line.rstrip("\r\n")


def _raw_lines(file: IO[bytes]) -> Iterator[bytes | None]:
    """Lines of bytes; ``None`` in place of one that is too long."""
    while raw := file.readline(LONGEST):
        if len(raw) < LONGEST or raw.endswith(b"\n"):
            yield raw
            continue
        while (rest := file.readline(LONGEST)) and not rest.endswith(b"\n"):
            pass
        yield None


def _recoded(file: IO[bytes], encoding: str) -> Iterator[bytes | None]:
    """Lines of a file in UTF-16 as those of one in UTF-8."""
    decoder = getincrementaldecoder(encoding)("replace")
    blocks = iter(lambda: file.read(_HEAD), b"")
    return _lines_of(decoder.decode(block).encode("utf-8", "replace") for block in blocks)


def _divided(file: IO[bytes]) -> Iterator[bytes | None]:
    """Lines of a file that end at carriage returns alone."""
    blocks = iter(lambda: file.read(_HEAD), b"")
    return _lines_of(block.replace(b"\r", b"\n") for block in blocks)


def _lines_of(blocks: Iterable[bytes]) -> Iterator[bytes | None]:
    unfinished, too_long = b"", False
    for block in blocks:
        *whole, last = block.split(b"\n")
        for line in whole:
            yield None if too_long else unfinished + line
            unfinished, too_long = b"", False
        unfinished += last
        too_long = too_long or len(unfinished) > LONGEST
        unfinished = b"" if too_long else unfinished
    if unfinished or too_long:
        yield None if too_long else unfinished
