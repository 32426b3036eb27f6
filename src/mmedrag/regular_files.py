"""Files that can be read to their end, and as what they are: no pipe, no device, no archive."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from mmedrag.errors import CorpusError

MAX_HOLES = 2**30
"""Bytes that a file may claim without having them: what is read in a second or so."""


_CONTAINERS: Mapping[bytes, tuple[str, str]] = {
    b"PK\x03\x04": ("a ZIP archive or an Excel workbook", "Unpack it, or save it as CSV UTF-8."),
    b"\xd0\xcf\x11\xe0": ("a workbook of an old Excel", "Save it as CSV UTF-8."),
    b"\x1f\x8b": ("compressed by gzip", "Unpack it."),
    b"BZh": ("compressed by bzip2", "Unpack it."),
    b"\xfd7zXZ": ("compressed by xz", "Unpack it."),
    b"(\xb5/\xfd": ("compressed by Zstandard", "Unpack it."),
    b"7z\xbc\xaf": ("a 7-Zip archive", "Unpack it."),
    b"ARROW1": ("an Arrow file", "Write it as Parquet."),
    b"PARE": ("encrypted Parquet", "Write it without encryption."),
    b"SQLite format 3": ("an SQLite database", "Export its table as CSV."),
}
"""What is no corpus but may hold one, by its first bytes, and what to do with it."""


def regular_file(path: Path) -> Path:
    """The path, if a file is there that can be read; a pipe or a device could block for ever.

    A file of which a part was never written (a download that broke off, a sparse file) can claim
    terabytes that are zeros, and is no text.

    Raises:
        CorpusError: where it is not a file that can be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CorpusError(f"{path} is not a regular file", "Write it to a file first.")
        with path.open("rb") as file:
            hole = _hole(file.fileno())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CorpusError(f"{path} cannot be read ({reason})", "Check the path.") from None
    if hole is not None:
        raise CorpusError(
            f"{path} is not whole: from byte {hole:,} on much of it was never written",
            "Fetch or copy it again.",
        )
    return path


def check_is_no_container(path: Path) -> None:
    """Refuse what must be unpacked or saved in another way before it is a corpus.

    Raises:
        CorpusError: naming what the file is, and what to do.
    """
    with regular_file(path).open("rb") as file:
        head = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    for mark, (what, remedy) in _CONTAINERS.items():
        if head.startswith(mark):
            raise CorpusError(f"{path} is {what}", remedy)
    if head.startswith(b"[") and path.suffix.lower() in (".json", ".jsonl", ".ndjson"):
        raise CorpusError(f"{path} is a JSON array", "Write its objects one a line (JSON Lines).")


def _hole(descriptor: int) -> int | None:
    """Where the first hole of an open file begins that has too much of them; else ``None``."""
    end = os.fstat(descriptor).st_size
    seek_hole, seek_data = getattr(os, "SEEK_HOLE", None), getattr(os, "SEEK_DATA", None)
    if end <= MAX_HOLES or seek_hole is None or seek_data is None:
        return None
    first, at, holes = None, 0, 0
    try:
        while holes <= MAX_HOLES and (at := os.lseek(descriptor, at, seek_hole)) < end:
            first = at if first is None else first
            after = os.lseek(descriptor, at, seek_data)
            holes, at = holes + after - at, after
    except OSError as error:
        if error.errno != errno.ENXIO:  # a file system that does not say; else a hole to the end
            return None
        holes += end - at
    return first if holes > MAX_HOLES else None
