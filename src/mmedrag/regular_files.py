"""Files that can be read to their end: no pipe, no device, nothing that was never written."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from mmedrag.errors import CorpusError

MAX_HOLES = 2**30
"""Bytes that a file may claim without having them: what is read in a second or so."""


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
