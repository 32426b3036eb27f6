"""The files of SQLite's write-ahead log, kept so that everybody can follow it.

SQLite removes them when the last writer closes. A reader who may not write in the folder could then
not make them, and the only way left to it would be to take the database for immutable and to miss
every later deletion. So an empty log stays, with an index of the size that SQLite gives it, which
is also room enough to read on a full disk.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_INDEX_BYTES = 32_768


def log_of(file: Path) -> Path:
    """The write-ahead log of a database file."""
    return file.with_name(f"{file.name}-wal")


def leave_log(file: Path) -> None:
    """Make the log's files where SQLite has removed them, as accessible as the database.

    Raises:
        OSError: they cannot be made.
    """
    _make(log_of(file), b"", file)
    _make(file.with_name(f"{file.name}-shm"), bytes(_INDEX_BYTES), file)


def _make(path: Path, content: bytes, like: Path) -> None:
    owner = like.stat()
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, owner.st_mode & 0o777)
    except FileExistsError:
        return
    try:
        os.write(descriptor, content)
        with suppress(PermissionError, AttributeError):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    finally:
        os.close(descriptor)
