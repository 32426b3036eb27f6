"""The truth: cases, texts, vectors, deletions and the lexical index in one SQLite file.

A row is written once and never changed: an update deletes the old row and adds a new one, and row
numbers are never used twice. So a row number stands for one vector for ever, and whoever holds
rows in memory needs to learn only which were added and which were deleted since an *epoch*, the
number of committed writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase import conditions, criteria
from mmedrag.casebase.descriptors import Key, connected, connecting, disconnected
from mmedrag.casebase.exact import Rows
from mmedrag.casebase.ledger import Ledger
from mmedrag.casebase.lexical import prepare
from mmedrag.casebase.log import leave_log
from mmedrag.casebase.mentions import MentionTable, Recognition
from mmedrag.casebase.records import COLUMNS, Record, case_of, checksum
from mmedrag.casebase.schema import lay_out_tables, version
from mmedrag.errors import CasebaseDamaged, FilterError
from mmedrag.filters import MENTIONED, Node, fields_of
from mmedrag.types import Case, Criterion, Matrix, Vector

_BUSY_SECONDS, _PATIENCE_MS = 20.0, 500
_PRAGMAS = ("foreign_keys = ON", "synchronous = FULL", "secure_delete = ON", "cache_size = -32768")
_BATCH = 500
_LOG = "write-ahead log"  # stands in the queue of erasures beside digests of thumbnails
Slices = TypeVar("Slices", list[int], list[str], Sequence[int], Rows)

_CASE = (
    f"SELECT cases.row, {', '.join(COLUMNS)}, text, vector, checksum FROM cases "  # noqa: S608
    "LEFT JOIN texts USING (row) LEFT JOIN vectors USING (row)"
)


@dataclass(frozen=True, slots=True)
class State:
    """Where it stands.

    ``format`` is the file's; ``epoch`` counts committed writes; deletions are remembered for
    epochs above ``pruned``; ``lexicon_stale`` says that replaced texts may
    linger in the lexical index's segments.
    """

    format: int
    epoch: int
    pruned: int
    lexicon_stale: bool


class Database:
    """One connection. Raises :class:`sqlite3.Error`; callers turn it into our errors."""

    def __init__(self, file: Path, mode: str) -> None:
        """Open ``file`` in SQLite's URI ``mode``: ``rwc``, ``rw`` or ``ro``."""
        self._file = None if mode == "ro" else file
        self.ledger = Ledger(file.parent)
        uri = f"{file.absolute().as_uri()}?mode={mode}"
        with connecting():
            self.connection = sqlite3.connect(
                uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._key: Key | None = connected(file)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise
        self.mention_table = MentionTable(self.connection)

    def _prepare(self) -> None:
        self.connection.row_factory = sqlite3.Row
        conditions.prepare(self.connection)
        for pragma in _PRAGMAS:
            self._run(f"PRAGMA {pragma}")
        prepare(self.connection)

    def create(self, settings: Mapping[str, str]) -> None:
        """Lay out an empty database."""
        self._run("PRAGMA journal_mode = WAL")
        lay_out_tables(self.connection)
        self.connection.executemany("INSERT INTO settings VALUES (?, ?)", settings.items())

    def close(self) -> None:
        """End the connection; the last one folds the write-ahead log into the file."""
        with connecting():
            self.connection.close()
            if self._file is not None:
                with suppress(OSError):
                    leave_log(self._file)
            if self._key is not None:
                disconnected(self._key)
                self._key = None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One committed state for everything inside."""
        self._run("BEGIN")
        try:
            yield
        finally:
            self._run("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[int]:
        """One durable transaction; gives the epoch that it will make. Undone on any exception.

        When the block ends, the write is acknowledged in the ledger.
        """
        self._run("BEGIN IMMEDIATE")
        try:
            self._run("UPDATE state SET epoch = epoch + 1")
            epoch = self.state().epoch
            yield epoch
            self._run("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self._run("ROLLBACK")
            raise
        with suppress(OSError):  # the write is made; without the note less would be noticed
            self.ledger.acknowledge(epoch)

    # Reading

    def settings(self) -> dict[str, str]:
        """Every key and value."""
        return {row[0]: row[1] for row in self._run("SELECT key, value FROM settings")}

    def state(self) -> State:
        """Where the database stands."""
        found = self._run("SELECT epoch, pruned, lexicon_stale FROM state").fetchone()
        if found is None or not all(isinstance(value, int) for value in found):
            raise sqlite3.DatabaseError("the table state is damaged")
        epoch, pruned, stale = found
        return State(version(self.connection), epoch, pruned, bool(stale))

    def count(self) -> int:
        """How many cases there are."""
        return int(self._run("SELECT count(*) FROM cases").fetchone()[0])

    def counts(self) -> dict[str | None, int]:
        """How many cases each domain has; ``None`` for those without."""
        return {r[0]: r[1] for r in self._run("SELECT domain, count(*) FROM cases GROUP BY domain")}

    def last_row(self) -> int:
        """The highest row number ever given."""
        found = self._run("SELECT seq FROM sqlite_sequence WHERE name = 'cases'")
        return next((int(row[0]) for row in found), 0)

    def rows_where(self, condition: Node) -> Rows:
        """Row numbers of the cases that a filter allows, ascending.

        Raises:
            FilterError: it asks for what reports say, and some are not read yet.
        """
        if fields_of(condition) & {*MENTIONED}:
            self._require_recognised()
        text, values = conditions.condition(condition)
        return self._rows(f"SELECT row FROM cases WHERE {text} ORDER BY row", values)  # noqa: S608

    def _require_recognised(self) -> None:
        unread = self.count() - sum(self.recognised_by().values())
        if unread:
            raise FilterError(
                f"The filter asks what reports say, and {unread} cases were stored without it",
                "Let their terms be recognised first: mmedrag rebuild.",
            )

    def rows_of(self, domain: str | None) -> Rows:
        """Row numbers of a domain's cases, ascending."""
        return self._rows("SELECT row FROM cases WHERE domain IS ? ORDER BY row", [domain])

    def deleted_since(self, epoch: int) -> Rows:
        """Row numbers deleted after an epoch that is not below ``State.pruned``."""
        return self._rows("SELECT row FROM deletions WHERE epoch > ?", [epoch])

    def vectors_above(self, row: int, dim: int) -> Iterator[tuple[str | None, Rows, Matrix]]:
        """Batches ``(domain, rows, vectors)`` of all rows above one, ascending within a domain."""
        for domain in self.counts():
            rows = self.rows_of(domain)
            for batch in batches(rows[rows > row], 16 * _BATCH):
                yield domain, batch, self.vectors(batch, dim)

    def vectors(self, rows: Rows, dim: int) -> Matrix:
        """Stored vectors, ``(len(rows), dim)``; ``rows`` ascending and present.

        Raises:
            CasebaseDamaged: one fails its checksum.
        """
        matrix = np.empty((len(rows), dim), np.float32)
        filled = 0
        crc = "crc" if self.derives else "NULL"
        for batch in batches(rows.tolist(), _BATCH):
            sql = f"SELECT row, vector, {crc} FROM vectors WHERE row IN ({_marks(batch)}) ORDER BY row"  # noqa: S608, E501
            for row, blob, stored in self._run(sql, batch):
                matrix[filled] = _vector(f"of row {row}", blob, stored)
                filled += 1
        if filled != len(rows):
            raise sqlite3.DatabaseError(f"{len(rows) - filled} vectors are missing")
        return matrix

    def ids(self, rows: Rows) -> dict[int, str]:
        """Case ids by row number."""
        found: dict[int, str] = {}
        for batch in batches(rows.tolist(), _BATCH):
            sql = f"SELECT row, id FROM cases WHERE row IN ({_marks(batch)})"  # noqa: S608
            found.update(tuple(row) for row in self._run(sql, batch))
        return found

    def all_ids(self) -> list[str]:
        """Every case's id, in the order of adding."""
        return [row[0] for row in self._run("SELECT id FROM cases ORDER BY row")]

    def cases(self, rows: Sequence[int]) -> dict[int, Case]:
        """Cases by row number.

        Raises:
            CasebaseDamaged: one fails its checksum.
        """
        found = {}
        for batch in batches(rows, _BATCH):
            for row in self._run(f"{_CASE} WHERE cases.row IN ({_marks(batch)})", batch):
                found[row[0]] = _checked(row)
        return found

    def case(self, case_id: str) -> Case | None:
        """The case of that id.

        Raises:
            CasebaseDamaged: it fails its checksum.
        """
        found = self._run(f"{_CASE} WHERE id = ?", [case_id])
        return next(map(_checked, found), None)

    def page(self, after: int, size: int) -> list[tuple[int, Case, str | None]]:
        """The next cases by row number: ``(row, case, digest of its thumbnail)``.

        Raises:
            CasebaseDamaged: one fails its checksum.
        """
        cursor = self._run(f"{_CASE} WHERE cases.row > ? ORDER BY cases.row LIMIT ?", [after, size])
        return [(row["row"], _checked(row), row["thumbnail"]) for row in cursor]

    def recognised(self, texts: Mapping[int, str]) -> dict[int, Recognition]:
        """What was recognised in each row's text; rows that nobody has looked at are absent."""
        return self.mention_table.read(texts) if self.derives else {}

    def recognised_by(self) -> dict[str, int]:
        """How many cases each recogniser has read, by fingerprint."""
        return self.mention_table.counts() if self.derives else {}

    @property
    def derives(self) -> bool:
        """Whether the file has the tables of what is derived once (format 2)."""
        return version(self.connection) > 1

    def matching(self, wanted: Sequence[Criterion]) -> tuple[Rows, NDArray[np.float64]]:
        """See :func:`mmedrag.casebase.criteria.match`; nothing where no mentions are kept."""
        return criteria.match(self.connection, wanted if self.derives else ())

    def thumbnail(self, case_id: str) -> str | None:
        """Digest of a case's thumbnail."""
        found = self._run("SELECT thumbnail FROM cases WHERE id = ?", [case_id]).fetchone()
        return None if found is None else found[0]

    def thumbnails(self) -> set[str]:
        """Digests of all thumbnails."""
        sql = "SELECT DISTINCT thumbnail FROM cases WHERE thumbnail IS NOT NULL"
        return {row[0] for row in self._run(sql)}

    def vectors_by_content(self, contents: Sequence[str]) -> dict[str, Vector]:
        """Vectors of cases with the given content hashes."""
        found = {}
        crc = "crc" if self.derives else "NULL"
        sql = f"SELECT content, vector, {crc} FROM cases JOIN vectors USING (row) "  # noqa: S608
        for batch in batches(list(dict.fromkeys(contents)), _BATCH):
            for content, blob, stored in self._run(
                f"{sql} WHERE content IN ({_marks(batch)})", batch
            ):
                found[content] = _vector(f"of content {content}", blob, stored)
        return found

    def definition_vectors(self, digests: Sequence[str]) -> dict[str, Vector]:
        """Kept vectors of definitions by the digest of what was embedded."""
        found: dict[str, Vector] = {}
        for batch in batches(list(digests) if self.derives else [], _BATCH):
            sql = f"SELECT * FROM definition_vectors WHERE digest IN ({_marks(batch)})"  # noqa: S608
            for digest, blob, stored in self._run(sql, batch):
                found[digest] = _vector(f"of definition {digest}", blob, stored)
        return found

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
        marks = _marks(COLUMNS)
        row = self._run(
            f"INSERT INTO cases ({columns}, checksum) VALUES ({marks}, ?)",  # noqa: S608
            [*record.values, checksum(record.values, record.text, record.vector)],
        ).lastrowid
        self._run("INSERT INTO texts VALUES (?, ?)", [row, record.text])
        self._run(
            "INSERT INTO vectors VALUES (?, ?, ?)", [row, record.vector, crc32(record.vector)]
        )
        self._run("INSERT INTO lexicon (rowid, text) VALUES (?, ?)", [row, record.text])
        self._run("DELETE FROM erasures WHERE thumbnail = ?", [record.thumbnail])
        self.mention_table.write(int(row or 0), record.recognition)

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
        self._run("DELETE FROM cases WHERE row = ?", [row])  # texts and vectors cascade
        self._run("INSERT INTO deletions VALUES (?, ?)", [row, epoch])
        self._run(
            "INSERT OR IGNORE INTO erasures SELECT ?1 WHERE ?1 IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM cases WHERE thumbnail = ?1)",
            [thumbnail],
        )
        self._run("INSERT OR IGNORE INTO erasures VALUES (?)", [_LOG])
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

    def erasures(self) -> list[str]:
        """Thumbnails that no case uses any more and whose files may still be there."""
        return [row[0] for row in self._run("SELECT thumbnail FROM erasures") if row[0] != _LOG]

    def log_holds_erased(self) -> bool:
        """Whether the write-ahead log may hold what deleted or replaced cases were."""
        return bool(self._run("SELECT 1 FROM erasures WHERE thumbnail = ?", [_LOG]).fetchone())

    def forget_erasures(self, digests: Iterable[str]) -> None:
        """The files are gone."""
        for digest in digests:
            self._run("DELETE FROM erasures WHERE thumbnail = ?", [digest])

    # Generations

    def generation(self, number: int) -> str | None:
        """SHA-256 of the manifest of a generation that was published and not retired."""
        found = self._run("SELECT manifest FROM generations WHERE number = ?", [number])
        return next((str(row[0]) for row in found), None)

    def last_generation(self) -> int:
        """The highest number of a generation on record, or 0."""
        return int(self._run("SELECT COALESCE(max(number), 0) FROM generations").fetchone()[0])

    def record_generation(self, number: int, manifest: str) -> None:
        """Vouch for a generation's manifest."""
        self._run("INSERT OR REPLACE INTO generations VALUES (?, ?)", [number, manifest])

    def retire_before(self, number: int, epoch: int) -> None:
        """Forget generations below ``number`` and the deletions that ``number`` has taken in."""
        self._run("DELETE FROM generations WHERE number < ?", [number])
        self._run("DELETE FROM deletions WHERE epoch <= ?", [epoch])
        self._run("UPDATE state SET pruned = ?", [epoch])

    # Upkeep, outside transactions

    def truncate_log(self) -> bool:
        """Fold the write-ahead log into the file, so that erased texts leave the disk.

        Returns:
            Whether it is empty now. A reader that holds an older state for long postpones this.
        """
        self._run(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
        try:
            return not self._run("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            self._run(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000:.0f}")

    def settle(self) -> None:
        """Let replaced texts leave the lexical index and the write-ahead log."""
        if self.state().lexicon_stale:
            with self.writing():
                self.merge_lexicon()
        if self.truncate_log() and self.log_holds_erased():
            with self.writing():
                self.forget_erasures([_LOG])
            self.truncate_log()

    def compact(self) -> None:
        """Write the file and its indexes anew, without free pages."""
        self._run("REINDEX")
        self._run("VACUUM")

    def problems(self) -> Iterator[str]:
        """What SQLite's own checks and all checksums find; nothing when sound."""
        found = [row[0] for row in self._run("PRAGMA integrity_check")]
        yield from (f"casebase.db: {problem}" for problem in found if problem != "ok")
        for row in self._run("PRAGMA foreign_key_check"):
            yield f"casebase.db: row {row[1]} of {row[0]} refers to no case"
        yield from self.damaged_cases()
        if self.derives:
            yield from self._problems_of_derived()

    def damaged_cases(self) -> Iterator[str]:
        """Cases that fail their checksum, one line each: what cannot be derived again."""
        sql = f"SELECT {', '.join(COLUMNS)}, text, vector, checksum FROM cases "  # noqa: S608
        for row in self._run(f"{sql} LEFT JOIN texts USING (row) LEFT JOIN vectors USING (row)"):
            if not _sound(row):
                yield f"casebase.db: case {row['id']!r} fails its checksum"

    def _problems_of_derived(self) -> Iterator[str]:
        for table, key in (("vectors", "row"), ("definition_vectors", "digest")):
            for name, blob, stored in self._run(f"SELECT {key}, vector, crc FROM {table}"):  # noqa: S608
                if crc32(blob) != stored:
                    yield f"casebase.db: {table}, {key} {name} fails its checksum"
        yield from (f"casebase.db: {problem}" for problem in self.mention_table.problems())

    def _rows(self, sql: str, values: Sequence[object]) -> Rows:
        return np.fromiter((row[0] for row in self._run(sql, values)), np.int64)

    def _run(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self.connection.execute(sql, values)


def _vector(whose: str, blob: bytes, stored: int | None) -> Vector:
    """A stored vector; ``stored`` is its checksum, where the file's format has one."""
    if stored is not None and crc32(blob) != stored:
        raise _damaged(f"The vector {whose}")
    return np.frombuffer(blob, "<f4")


def _checked(row: sqlite3.Row) -> Case:
    """The case in a row of ``_CASE``."""
    if not _sound(row[1:]):
        raise _damaged(f"Case {row['id']!r}")
    return case_of(row[1:-2])


def _sound(row: Sequence[Any]) -> bool:
    """Whether a row of the columns ``COLUMNS``, text, vector and checksum has this checksum."""
    *values, text, vector, stored = row
    try:
        return bool(checksum(values, text, vector) == stored)
    except TypeError:  # a part is missing, or a text has become a blob
        return False


def _damaged(what: str) -> CasebaseDamaged:
    return CasebaseDamaged(
        f"{what} fails its checksum",
        "Run 'mmedrag verify'; delete what it names and add it again, or restore a backup.",
    )


def batches(items: Slices, size: int) -> Iterator[Slices]:
    """Slices of a sequence or array."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
