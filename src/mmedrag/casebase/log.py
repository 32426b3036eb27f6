"""The files of SQLite's write-ahead log, kept so that everybody can follow it.

SQLite removes them when the last writer closes. A reader who may not write in the folder could then
not make them, and the only way left to it would be to take the database for immutable and to miss
every later deletion. So an empty log stays, with an index of the size that SQLite gives it, which
is also room enough to read on a full disk.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_INDEX_BYTES = 32_768


def log_of(file: Path) -> Path:
    """The write-ahead log of a database file."""
    return file.with_name(f"{file.name}-wal")


@contextmanager
def kept(file: Path) -> Iterator[None]:
    """The log's files outlast the connections that are closed in the block.

    SQLite removes them when a connection that may write is the last to close, and a reader that
    comes before they are made again is refused. So one that may only read is closed last.
    """
    last = None
    try:
        with suppress(sqlite3.Error):  # damaged, or on a broken disk
            last = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
            last.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        yield
    finally:
        if last is not None:
            last.close()


def leave_log(file: Path) -> None:
    """Make the log's files where they are not, as accessible as the database.

    Raises:
        OSError: they cannot be made.
    """
    _make(log_of(file), b"", file)
    _make(file.with_name(f"{file.name}-shm"), bytes(_INDEX_BYTES), file)


def _make(path: Path, content: bytes, like: Path) -> None:
    """Make a file at once with its content: another writer may open it as soon as it is there."""
    if path.exists():
        return
    owner = like.stat()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, owner.st_mode & 0o777)
    try:
        os.write(descriptor, content)
        with suppress(PermissionError, AttributeError):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    finally:
        os.close(descriptor)
    try:
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()
