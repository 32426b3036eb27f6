"""Files that can be read to their end: no pipe, no device, nothing that was never written."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from mmedrag.errors import CorpusError

_MAX_HOLE = 2**20
"""Bytes that a file may claim without having them: a crash can leave a block of zeros."""


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
            f"{path} is not whole: from byte {hole:,} on it was never written",
            "Fetch or copy it again.",
        )
    return path


def _hole(descriptor: int) -> int | None:
    """Where the first large hole of an open file begins; ``None`` without one."""
    end = os.fstat(descriptor).st_size
    seek_hole, seek_data = getattr(os, "SEEK_HOLE", None), getattr(os, "SEEK_DATA", None)
    if end <= _MAX_HOLE or seek_hole is None or seek_data is None:
        return None
    at = 0
    try:
        while (at := os.lseek(descriptor, at, seek_hole)) < end:
            after = os.lseek(descriptor, at, seek_data)
            if after - at > _MAX_HOLE:
                return at
            at = after
    except OSError as error:  # a hole to the end; else a file system that does not say
        return at if error.errno == errno.ENXIO and end - at > _MAX_HOLE else None
    return None
