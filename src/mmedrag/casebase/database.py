"""The truth: cases, texts, vectors and deletions in one SQLite file.

A row is written once and never changed: an update deletes the old row and adds a new one, and row
numbers are never used twice. So a row number stands for one vector for ever, and whoever holds
rows in memory needs to learn only which were added and which were deleted since an *epoch*, the
number of committed writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from zlib import crc32

from mmedrag.casebase.log import log_of
from mmedrag.casebase.mentions import Recognition
from mmedrag.casebase.packing import packed, seal
from mmedrag.casebase.postings import words_of
from mmedrag.casebase.queries import ERASED_LOG, RECOGNISED, Queries, placeholders
from mmedrag.casebase.records import COLUMNS, Record, case_of, checksum
from mmedrag.casebase.vocabulary import PLAIN, WORDS, Counted, values_of
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
        self.delete(record.id, epoch)
        columns = ", ".join(COLUMNS)
        values = placeholders(COLUMNS)
        row = self._run(
            f"INSERT INTO cases ({columns}, checksum) VALUES ({values}, ?)",  # noqa: S608
            [*record.values, checksum(record.values, record.text, record.vector)],
        ).lastrowid
        case = case_of((*record.values, record.text))
        packing = packed(case, record.recognition)
        self._run(
            "INSERT INTO texts VALUES (?, ?, ?, ?)",
            [row, record.text, packing, seal(packing, record.text, record.vector)],
        )
        self._run(
            "INSERT INTO vectors VALUES (?, ?, ?)", [row, record.vector, crc32(record.vector)]
        )
        self._run("DELETE FROM erasures WHERE thumbnail = ?", [record.thumbnail])
        self.mention_table.write(int(row or 0), record.recognition)
        self.row_sum.add(int(row or 0))

    def forget_recognised(self, epoch: int) -> None:
        """Keep nothing of what was recognised in reports."""
        self.set(RECOGNISED, str(epoch))
        self.mention_table.forget_all()

    def recognise(self, recognitions: Mapping[int, Recognition], epoch: int) -> None:
        """Keep what was recognised in reports, by row, in place of what was kept before."""
        self.set(RECOGNISED, str(epoch))
        for row, recognition in recognitions.items():
            self.mention_table.write(row, recognition)
        self.pack([*recognitions])

    def pack(self, rows: Sequence[int]) -> None:
        """Pack cases as the tables keep them; those whose tables are damaged are not packed."""
        packings = self.packings(rows)
        self.connection.executemany(
            "UPDATE texts SET record = ?, seal = ? WHERE row = ?",
            [(*packings.get(row, (None, None)), row) for row in rows],
        )

    def keep_definition_vectors(self, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors of definitions by the digest of what was embedded."""
        blobs = {digest: vector.astype("<f4").tobytes() for digest, vector in vectors.items()}
        self.connection.executemany(
            "INSERT OR REPLACE INTO definition_vectors VALUES (?, ?, ?)",
            [(digest, blob, crc32(blob)) for digest, blob in blobs.items()],
        )

    def delete(self, case_id: str, epoch: int) -> bool:
        """Erase a case; its thumbnail is queued for erasure where no other case uses it."""
        stored = self._run(
            f"SELECT row, thumbnail, text, labels, meta, {', '.join(PLAIN)} "  # noqa: S608
            "FROM cases JOIN texts USING (row) WHERE id = ?",
            [case_id],
        ).fetchone()
        if stored is None:
            return False
        row, thumbnail, text, labels, meta, *plain = stored
        words = dict.fromkeys(self.stemmer.stems(words_of(text)))
        values = [*values_of(plain, labels, meta), *((WORDS, word) for word in words)]
        self.vocabulary.forget_case(row, values)
        self.mention_table.forget_case(row)
        self.row_sum.add(row, -1)
        self._run("DELETE FROM cases WHERE row = ?", [row])  # texts and vectors cascade
        self._run("INSERT INTO deletions VALUES (?, ?)", [row, epoch])
        self._run(
            "INSERT OR IGNORE INTO erasures SELECT ? WHERE ? IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM cases WHERE thumbnail = ?)",
            [thumbnail, thumbnail, thumbnail],
        )
        self._run("INSERT OR IGNORE INTO erasures VALUES (?)", [ERASED_LOG])
        return True

    def forget_empty_log(self) -> None:
        """The log that held deleted texts is empty: say no more that it holds them."""
        log = log_of(self.file)
        if self.log_holds_erased() and not (log.exists() and log.stat().st_size):
            self.forget_erasures([ERASED_LOG])

    def forget_erasures(self, digests: Iterable[str]) -> None:
        """Take digests from the queue of erasures, as their files are erased."""
        for digest in digests:
            self._run("DELETE FROM erasures WHERE thumbnail = ?", [digest])

    def record_generation(
        self, number: int, manifest: str, row: int, vocabulary: Mapping[str, Counted]
    ) -> None:
        """Vouch for a generation's manifest, and keep what its numbers stand for."""
        self._run("INSERT INTO generations VALUES (?, ?, ?)", [number, manifest, row])
        self.vocabulary.keep(number, vocabulary)

    def retire_before(self, number: int, epoch: int) -> None:
        """Forget generations below ``number`` and the deletions that ``number`` has taken in."""
        self._run("DELETE FROM generations WHERE number < ?", [number])
        self.vocabulary.forget_before(number)
        self._run("DELETE FROM deletions WHERE epoch <= ?", [epoch])
        self._run("UPDATE state SET pruned = ?", [epoch])

    # Upkeep, outside transactions

    def settle(self) -> None:
        """Let deleted and replaced texts leave the write-ahead log."""
        self.truncate_log()
