"""What image files were when they were read, so that indexing again need not read them.

A file whose path, size and time of change are the same is taken to be the same, as make and rsync
do. What is kept is a hash of these and of the case's text, beside the digest of what was encoded.
It is a cache: where it is lost, stale or damaged, files are read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Self

from mmedrag.types import Case

READINGS = "readings.db"
"""The file's name in the folder of a casebase."""


def state_of(case: Case) -> bytes | None:
    """A hash of what a case's vector hangs on, by the file system's word for the image.

    ``None`` where the case has no image, or none that is there.
    """
    if case.image is None:
        return None
    try:
        status = case.image.stat()
    except OSError:
        return None
    stated = f"{case.image.absolute()}\0{case.frame}\0{status.st_size}\0{status.st_mtime_ns}\0"
    return blake2b((stated + case.text).encode("utf-8", "replace"), digest_size=16).digest()


class Readings:
    """States of images and digests of contents by case, in a file of their own.

    Args:
        path: the file; a damaged one is made anew, and where none can be written, nothing is kept.
    """

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        try:
            self._connection = _opened(path)
        except sqlite3.DatabaseError:
            with suppress(OSError):
                path.unlink(missing_ok=True)
                path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connection = _opened(path)
            except sqlite3.DatabaseError:
                self._connection = _opened(":memory:")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def content(self, case: Case, state: bytes) -> str | None:
        """The digest of what was encoded of this case, if its image was in this state then."""
        with self._lock, suppress(sqlite3.DatabaseError):
            stored = self._connection.execute(
                "SELECT content FROM readings WHERE id = ? AND state = ?", [_key(case.id), state]
            ).fetchone()
            return None if stored is None else str(stored[0])
        return None

    def keep(self, readings: Mapping[str, tuple[bytes, str]]) -> None:
        """Keep states and digests by the ids of cases, in the place of earlier ones."""
        rows = [(_key(case_id), *reading) for case_id, reading in readings.items()]
        with self._lock, suppress(sqlite3.DatabaseError), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO readings VALUES (?, ?, ?)", rows)


def _opened(path: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")  # what a crash leaves is read or made anew
        connection.execute(
            "CREATE TABLE IF NOT EXISTS readings "
            "(id BLOB PRIMARY KEY, state BLOB NOT NULL, content TEXT NOT NULL) WITHOUT ROWID"
        )
    except BaseException:
        connection.close()
        raise
    return connection


def _key(case_id: str) -> bytes:
    return blake2b(case_id.encode("utf-8", "replace"), digest_size=16).digest()
