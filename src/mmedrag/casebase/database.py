"""The truth: cases, texts, vectors, deletions and the lexical index in one SQLite file.

A row is written once and never changed: an update deletes the old row and adds a new one, and row
numbers are never used twice. So a row number stands for one vector for ever, and whoever holds
rows in memory needs to learn only which were added and which were deleted since an *epoch*, the
number of committed writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from zlib import crc32

from mmedrag.casebase.queries import ERASED_LOG, Queries, placeholders
from mmedrag.casebase.records import COLUMNS, Record, checksum
from mmedrag.types import Vector


class Database(Queries):
    """One connection, to read and to write. Raises :class:`sqlite3.Error`."""

    # Writing, inside a ``writing()`` transaction

    def set(self, key: str, value: str) -> None:
        """Keep a setting."""
        self._run("INSERT OR REPLACE INTO settings VALUES (?, ?)", [key, value])

    def unset(self, key: str) -> None:
        """Erase a setting."""
        self._run("DELETE FROM settings WHERE key = ?", [key])

    def insert(self, record: Record, epoch: int) -> None:
        """Store a record; a case of the same id is deleted first."""
        self.delete(record.id, epoch, replaced=True)
        columns = ", ".join(COLUMNS)
        values = placeholders(COLUMNS)
        row = self._run(
            f"INSERT INTO cases ({columns}, checksum) VALUES ({values}, ?)",  # noqa: S608
            [*record.values, checksum(record.values, record.text, record.vector)],
        ).lastrowid
        self._run("INSERT INTO texts VALUES (?, ?)", [row, record.text])
        self._run(
            "INSERT INTO vectors VALUES (?, ?, ?)", [row, record.vector, crc32(record.vector)]
        )
        self._run("INSERT INTO lexicon (rowid, text) VALUES (?, ?)", [row, record.text])
        self._run("DELETE FROM erasures WHERE thumbnail = ?", [record.thumbnail])
        self.mention_table.write(int(row or 0), record.recognition)
        self.row_sum.add(int(row or 0))

    def keep_definition_vectors(self, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors of definitions by the digest of what was embedded."""
        blobs = {digest: vector.astype("<f4").tobytes() for digest, vector in vectors.items()}
        self.connection.executemany(
            "INSERT OR REPLACE INTO definition_vectors VALUES (?, ?, ?)",
            [(digest, blob, crc32(blob)) for digest, blob in blobs.items()],
        )

    def delete(self, case_id: str, epoch: int, *, replaced: bool = False) -> bool:
        """Erase a case; its thumbnail is queued for erasure where no other case uses it."""
        found = self._run(
            "SELECT row, text, thumbnail FROM cases JOIN texts USING (row) WHERE id = ?", [case_id]
        ).fetchone()
        if found is None:
            return False
        row, text, thumbnail = found
        self._run("INSERT INTO lexicon (lexicon, rowid, text) VALUES ('delete', ?, ?)", [row, text])
        self.row_sum.add(row, -1)
        self._run("DELETE FROM cases WHERE row = ?", [row])  # texts and vectors cascade
        self._run("INSERT INTO deletions VALUES (?, ?)", [row, epoch])
        self._run(
            "INSERT OR IGNORE INTO erasures SELECT ?1 WHERE ?1 IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM cases WHERE thumbnail = ?1)",
            [thumbnail],
        )
        self._run("INSERT OR IGNORE INTO erasures VALUES (?)", [ERASED_LOG])
        if replaced:
            self._run("UPDATE state SET lexicon_stale = 1")
        return True

    def merge_lexicon(self) -> None:
        """Merge the lexical index into one segment, in which no deleted word is left.

        SQLite 3.42 has an FTS5 option for this, but tables that used it cannot be read by older
        SQLite, and casebases travel.
        """
        self._run("INSERT INTO lexicon (lexicon) VALUES ('optimize')")
        self._run("UPDATE state SET lexicon_stale = 0")

    def rebuild_lexicon(self) -> None:
        """Derive the lexical index from the texts again."""
        self._run("INSERT INTO lexicon (lexicon) VALUES ('rebuild')")
        self._run("UPDATE state SET lexicon_stale = 0")

    def forget_erasures(self, digests: Iterable[str]) -> None:
        """The files are gone."""
        for digest in digests:
            self._run("DELETE FROM erasures WHERE thumbnail = ?", [digest])

    def record_generation(self, number: int, manifest: str) -> None:
        """Vouch for a generation's manifest."""
        self._run("INSERT OR REPLACE INTO generations VALUES (?, ?)", [number, manifest])

    def retire_before(self, number: int, epoch: int) -> None:
        """Forget generations below ``number`` and the deletions that ``number`` has taken in."""
        self._run("DELETE FROM generations WHERE number < ?", [number])
        self._run("DELETE FROM deletions WHERE epoch <= ?", [epoch])
        self._run("UPDATE state SET pruned = ?", [epoch])

    # Upkeep, outside transactions

    def settle(self) -> None:
        """Let replaced texts leave the lexical index and the write-ahead log."""
        if self.state().lexicon_stale:
            with self.writing():
                self.merge_lexicon()
        if self.truncate_log() and self.log_holds_erased():
            with self.writing():
                self.forget_erasures([ERASED_LOG])
            self.truncate_log()
