"""What has been pulled into a casebase, so that nothing is pulled twice (a file in its folder).

It holds no identifier of the archive: studies and instances stand under their pseudonyms, sources
under a keyed hash of address and conditions.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from pathlib import Path

from mmedrag.casebase.faults import storage_faults

NAME = "pull.db"
"""The file's name in the casebase's folder."""

ATTEMPTS = 3
"""Pulls that try a study some of whose instances cannot be retrieved, before it is given up."""

_TABLES = """
CREATE TABLE IF NOT EXISTS study (id TEXT PRIMARY KEY, digest TEXT NOT NULL, failures INTEGER);
CREATE TABLE IF NOT EXISTS instance (id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS source (id TEXT PRIMARY KEY, change INTEGER, day TEXT NOT NULL);
"""


class State:
    """The durable memory of all pulls into one casebase.

    Raises:
        CasebaseError: from every method, where the file cannot be read or written.
    """

    def __init__(self, casebase: Path) -> None:
        self._path = casebase / NAME
        with storage_faults(self._path, "open"):
            self._path.touch(mode=0o600)
            self._db = sqlite3.connect(self._path, isolation_level=None)
            try:
                self._db.executescript(_TABLES)
            except sqlite3.Error:
                self._db.close()
                raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def is_done(self, study: str, digest: str) -> bool:
        """Whether a study was pulled with these contents, or tried often enough."""
        with storage_faults(self._path, "read"):
            row = self._db.execute(
                "SELECT digest, failures FROM study WHERE id = ?", (study,)
            ).fetchone()
        return row is not None and row[0] == digest and (row[1] == 0 or row[1] >= ATTEMPTS)

    def failures(self, study: str, digest: str) -> int:
        """How many pulls could not retrieve all of a study as it is now."""
        with storage_faults(self._path, "read"):
            row = self._db.execute(
                "SELECT failures FROM study WHERE id = ? AND digest = ?", (study, digest)
            ).fetchone()
        return int(row[0]) if row else 0

    def is_kept(self, instance: str) -> bool:
        """Whether an instance has been pulled."""
        with storage_faults(self._path, "read"):
            cursor = self._db.execute("SELECT 1 FROM instance WHERE id = ?", (instance,))
            return cursor.fetchone() is not None

    def keep(self, study: str, digest: str, instances: Collection[str], failures: int = 0) -> None:
        """Remember a study whose cases are stored."""
        with storage_faults(self._path, "write"), self._db:
            self._db.execute("BEGIN")
            self._db.executemany(
                "INSERT OR IGNORE INTO instance VALUES (?)", ((i,) for i in instances)
            )
            self._db.execute(
                "INSERT OR REPLACE INTO study VALUES (?, ?, ?)", (study, digest, failures)
            )

    def position(self, source: str) -> tuple[int | None, str]:
        """Where the last whole pull from a source stood: the change, and the day as YYYYMMDD."""
        with storage_faults(self._path, "read"):
            row = self._db.execute(
                "SELECT change, day FROM source WHERE id = ?", (source,)
            ).fetchone()
        return (row[0], str(row[1])) if row else (None, "")

    def advance(self, source: str, change: int | None, day: str) -> None:
        """Remember that a pull has come to its end."""
        with storage_faults(self._path, "write"):
            self._db.execute(
                "INSERT OR REPLACE INTO source VALUES (?, ?, ?)", (source, change, day)
            )
