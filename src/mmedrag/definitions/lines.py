"""Lines of a text file that may hold anything: numbered, decoded, bounded."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from mmedrag.errors import CorpusError
from mmedrag.regular_files import regular_file
from mmedrag.types import Problem

LONGEST = 4 << 20
"""Bytes of one line; what goes beyond is reported and skipped."""

MOST = 100_000_000
"""Lines of one file of a source; a file with more is refused when it comes to them."""

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
    """Each line with its number, from 1; one that is too long or not UTF-8 as a Problem.

    Raises:
        CorpusError: as :func:`opened`, and for a file of more than :data:`MOST` lines.
    """
    with opened(path) as file:
        number = 0
        while raw := file.readline(LONGEST):
            number += 1
            if number > MOST:
                raise CorpusError(
                    f"The dictionary source {path} has more than {MOST:,} lines",
                    "Leave out what is not needed, or divide it and compile the parts.",
                )
            if len(raw) == LONGEST and not raw.endswith(b"\n"):
                while (rest := file.readline(LONGEST)) and not rest.endswith(b"\n"):
                    pass
                yield number, Problem(path, number, f"a line longer than {LONGEST} bytes")
                continue
            try:
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                yield number, Problem(path, number, "not UTF-8")
