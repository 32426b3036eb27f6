"""Everything that is asked of the database; nothing here writes."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar
from zlib import crc32

import numpy as np

from mmedrag.casebase import conditions
from mmedrag.casebase.checksums import checked_case, checked_vector, is_sound
from mmedrag.casebase.connection import Connection, State
from mmedrag.casebase.exact import Rows
from mmedrag.casebase.mentions import Recognition
from mmedrag.casebase.packing import Read, is_sealed, packed, seal, unpacked
from mmedrag.casebase.records import COLUMNS
from mmedrag.casebase.vocabulary import PLAIN
from mmedrag.errors import CasebaseDamaged
from mmedrag.filters import Node
from mmedrag.protocols import Ontology
from mmedrag.types import Case, Matrix, Vector

_BATCH = 500
RECOGNISED = "recognised_at"
"""A setting: the number of the last write that read stored reports again."""

ERASED_LOG = "write-ahead log"  # stands in the queue of erasures beside digests of thumbnails
Slices = TypeVar("Slices", list[int], list[str], Sequence[int], Rows)

_CASE = (
    f"SELECT cases.row, {', '.join(COLUMNS)}, text, vector, checksum FROM cases "  # noqa: S608
    "LEFT JOIN texts USING (row) LEFT JOIN vectors USING (row)"
)
_RECORDS = "SELECT row, text, CAST(record AS BLOB) AS record, seal FROM texts"  # any bytes
_READ = _CASE.replace("text, vector,", "text,").replace(" LEFT JOIN vectors USING (row)", "")

_CORE = (
    "SELECT epoch, pruned FROM state",
    "SELECT key, value FROM settings ORDER BY key",
    "SELECT number, manifest, last_row FROM generations ORDER BY number",
    "SELECT row, epoch FROM deletions ORDER BY row",
    "SELECT row, domain FROM cases WHERE row > (SELECT COALESCE(max(last_row), 0) FROM generations)"
    " ORDER BY row",
    "SELECT field, value, number FROM vocabulary ORDER BY generation, field, value",
    "SELECT number, concept, term, kind FROM terms NOT INDEXED ORDER BY number",
    "SELECT concept, term, kind, number FROM terms INDEXED BY sqlite_autoindex_terms_1 "
    "ORDER BY concept, term, kind",  # which lookups read instead of the table
    "SELECT number, fingerprint FROM recognisers NOT INDEXED ORDER BY number",
    "SELECT fingerprint, number FROM recognisers INDEXED BY sqlite_autoindex_recognisers_1 "
    "ORDER BY fingerprint",
)


@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """Cases that were added: what a snapshot needs of them."""

    rows: Rows
    domains: Sequence[str | None]
    texts: Sequence[str]
    vectors: Matrix


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """Cases of one domain: what words and columns are derived from; ``plain`` by field."""

    rows: Rows
    texts: Sequence[str]
    labels: Sequence[str]
    meta: Sequence[str]
    plain: Sequence[Sequence[str | None]]


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """All that the tables hold of a case but its mentions; its row number first."""

    number: int
    case: Case
    vector: Vector
    content: str
    thumbnail: str | None


class Queries(Connection):
    """What the tables hold, by row number, id, content or domain.

    Attributes:
        ontology: by which kinds of a concept count as the concept; without one, they do not.
    """

    ontology: Ontology | None = None

    def core(self) -> str:
        """A digest of what a search takes from the database without a checksum of its own.

        That is where it stands, what it vouches for, which rows were added and deleted since, and
        what the numbers of the generation stand for, those of terms and their recognisers too.
        """
        digest = hashlib.sha256()
        for sql in _CORE if self.numbers else ():
            for row in self._run(sql):
                digest.update(repr(tuple(row)).encode("utf-8", "replace"))
        return digest.hexdigest()

    def count(self) -> int:
        """How many cases there are."""
        return int(self._run("SELECT count(*) FROM cases").fetchone()[0])

    def counts(self) -> dict[str | None, int]:
        """How many cases each domain has; ``None`` for those without."""
        return {r[0]: r[1] for r in self._run("SELECT domain, count(*) FROM cases GROUP BY domain")}

    def last_row(self) -> int:
        """The highest row number ever given."""
        cursor = self._run("SELECT seq FROM sqlite_sequence WHERE name = 'cases'")
        return next((int(row[0]) for row in cursor), 0)

    def rows_where(self, condition: Node, above: int = 0) -> Rows:
        """Row numbers above one of the cases that a filter allows, ascending.

        SQLite joins them to one text, which is read faster than a row at a time.

        Args:
            condition: on fields of cases; not on what reports say.
            above: no lower rows.
        """
        self.require_sound()
        test, values = conditions.condition(condition)
        sql = f"SELECT group_concat(row, ' ') FROM cases WHERE row > {above} AND {test}"  # noqa: S608
        (text,) = self._run(sql, values).fetchone()
        return np.sort(np.fromstring(text or "", np.int64, sep=" "))

    def rows_of(self, domain: str | None, last: int) -> Rows:
        """Row numbers of a domain's cases up to ``last``, ascending."""
        sql = "SELECT row FROM cases WHERE domain IS ? AND row <= ? ORDER BY row"
        return self._rows(sql, [domain, last])

    def deleted_since(self, epoch: int) -> Rows:
        """Row numbers deleted after an epoch that is not below ``State.pruned``."""
        return self._rows("SELECT row FROM deletions WHERE epoch > ?", [epoch])

    def gone_since(self, earlier: State | None, now: State) -> Rows | None:
        """Rows, ascending, deleted since an earlier state; ``None`` where more has changed.

        That is, where older deletions are forgotten, or reports were recognised anew.
        """
        if earlier is None or earlier.format != now.format or earlier.epoch < now.pruned:
            return None
        if self.recognised_since(earlier.epoch):
            return None
        return np.sort(self.deleted_since(earlier.epoch))

    def recognised_since(self, epoch: int) -> bool:
        """Whether reports were recognised anew after an epoch, or nobody knows.

        Older releases do not note it in files of their format.
        """
        return not self.packs or int(self.settings().get(RECOGNISED, 0)) > epoch

    def added_since(self, row: int, dim: int) -> Iterator[Added]:
        """Batches of all cases with row numbers above one, ascending."""
        sql = (
            "SELECT row, domain, text FROM cases LEFT JOIN texts USING (row) "
            "WHERE row > ? ORDER BY row LIMIT ?"
        )
        while page := self._run(sql, [row, 16 * _BATCH]).fetchall():
            numbers, domains, texts = zip(*page, strict=True)
            rows = np.array(numbers, np.int64)
            yield Added(rows, domains, texts, self.vectors(rows, dim))
            row = numbers[-1]

    def vectors_of(self, domain: str | None, last: int, dim: int) -> Iterator[tuple[Rows, Matrix]]:
        """Rows and vectors of a domain's cases up to row ``last``, in batches ascending by row.

        Raises:
            CasebaseDamaged: a vector fails its checksum.
        """
        crc = "crc" if self.derives else "NULL"
        cursor = self._run(
            f"SELECT row, vector, {crc} FROM cases LEFT JOIN vectors USING (row) "  # noqa: S608
            "WHERE domain IS ? AND row <= ? ORDER BY row",
            [domain, last],
        )
        while page := cursor.fetchmany(16 * _BATCH):
            vectors = np.empty((len(page), dim), np.float32)
            for i, (row, blob, stored) in enumerate(page):
                vectors[i] = checked_vector(f"of row {row}", blob, stored)
            yield np.array([row for row, _, _ in page], np.int64), vectors

    def contents_of(self, domain: str | None, last: int) -> Iterator[Content]:
        """What else is derived from a domain's cases, in the same batches."""
        cursor = self._run(
            f"SELECT row, text, labels, meta, {', '.join(PLAIN)} FROM cases "  # noqa: S608
            "LEFT JOIN texts USING (row) WHERE domain IS ? AND row <= ? ORDER BY row",
            [domain, last],
        )
        while page := cursor.fetchmany(16 * _BATCH):
            rows, texts, labels, meta, *plain = zip(*page, strict=True)
            yield Content(np.array(rows, np.int64), texts, labels, meta, plain)

    def vectors(self, rows: Rows, dim: int) -> Matrix:
        """Stored vectors, ``(len(rows), dim)``; ``rows`` ascending and present.

        Raises:
            CasebaseDamaged: one fails its checksum.
        """
        matrix = np.empty((len(rows), dim), np.float32)
        filled = 0
        crc = "crc" if self.derives else "NULL"
        for batch in batches(rows.tolist(), _BATCH):
            sql = f"SELECT row, vector, {crc} FROM vectors WHERE row IN ({placeholders(batch)}) ORDER BY row"  # noqa: S608, E501
            for row, blob, stored in self._run(sql, batch):
                matrix[filled] = checked_vector(f"of row {row}", blob, stored)
                filled += 1
        if filled != len(rows):
            raise sqlite3.DatabaseError(f"{len(rows) - filled} vectors are missing")
        return matrix

    def ids(self, rows: Rows) -> dict[int, str]:
        """Case ids by row number."""
        by_row: dict[int, str] = {}
        for batch in batches(rows.tolist(), _BATCH):
            sql = f"SELECT row, id FROM cases WHERE row IN ({placeholders(batch)})"  # noqa: S608
            by_row.update(tuple(row) for row in self._run(sql, batch))
        return by_row

    def has_any(self, ids: Sequence[str]) -> bool:
        """Whether there is a case of one of these ids."""
        return bool(self._numbers(ids))

    def all_ids(self) -> list[str]:
        """Every case's id, in the order of adding."""
        return [row[0] for row in self._run("SELECT id FROM cases ORDER BY row")]

    def read(self, vectors: Mapping[int, Vector]) -> dict[int, Read]:
        """Cases by row number, with what was recognised in their reports.

        Args:
            vectors: theirs by row number, as the caller gives them out: the checksums are held
                against them, and no vector is read.

        Raises:
            CasebaseDamaged: one fails its checksum.
        """
        read = self._packed(vectors) if self.packs else {}
        left = {row: vector for row, vector in vectors.items() if row not in read}
        if not left:
            return read
        cases = self.table_cases(left)
        recognised = self.recognised({row: case.text for row, case in cases.items()})
        for row, case in cases.items():
            found = recognised.get(row)
            read[row] = (
                Read(case, "", None)
                if found is None
                else Read(case, found.recogniser, found.mentions)
            )
        return read

    def _packed(self, vectors: Mapping[int, Vector]) -> dict[int, Read]:
        """Those of them that are packed as they were sealed."""
        read = {}
        for batch in batches([*vectors], _BATCH):
            sql = f"{_RECORDS} WHERE row IN ({placeholders(batch)})"
            cursor = self._run(sql, batch)
            cursor.row_factory = None
            for row, text, record, stored in cursor:
                if is_sealed(record, text, vectors[row].tobytes(), stored):
                    read[row] = unpacked(record, text)
        return read

    def packings(self, rows: Sequence[int]) -> dict[int, tuple[bytes, int]]:
        """What rows are packed as, with its seal, made from the tables that filters ask.

        Cases are left out whose tables are damaged: a search is to find that out.
        """
        packings = {}
        for batch in batches(rows, _BATCH):
            try:
                packings.update(self._packings(batch))
            except CasebaseDamaged:
                for row in batch:
                    with suppress(CasebaseDamaged):
                        packings.update(self._packings([row]))
        return packings

    def _packings(self, rows: Sequence[int]) -> dict[int, tuple[bytes, int]]:
        sql = f"{_CASE} WHERE cases.row IN ({placeholders(rows)})"
        stored = {
            r["row"]: (checked_case(r, r["vector"]), r["vector"]) for r in self._run(sql, rows)
        }
        recognised = self.recognised({row: case.text for row, (case, _) in stored.items()})
        packings = {}
        for row, (case, vector) in stored.items():
            record = packed(case, recognised.get(row))
            packings[row] = record, seal(record, case.text, vector)
        return packings

    def rows_after(self, row: int, size: int) -> list[int]:
        """The next row numbers, ascending."""
        cursor = self._run("SELECT row FROM cases WHERE row > ? ORDER BY row LIMIT ?", [row, size])
        return [number for (number,) in cursor]

    def loose(self, rows: Sequence[int]) -> dict[int, bool]:
        """Those of some rows that are not packed as the tables say; whether they are at all."""
        loose = {}
        for batch in batches(rows, _BATCH):
            made = self.packings(batch)
            sql = f"{_RECORDS} WHERE row IN ({placeholders(batch)})"
            for row, _, record, stored in self._run(sql, batch):
                if made.get(row, (None, None)) != (record, stored):
                    loose[row] = record is not None
        return loose

    def table_cases(self, vectors: Mapping[int, Vector]) -> dict[int, Case]:
        """Cases by row number, from the tables that filters ask; see :meth:`read`.

        Raises:
            CasebaseDamaged: one fails its checksum.
        """
        by_row = {}
        for batch in batches([*vectors], _BATCH):
            sql = f"{_READ} WHERE cases.row IN ({placeholders(batch)})"
            for row in self._run(sql, batch):
                by_row[row[0]] = checked_case(row, vectors[row[0]].tobytes())
        return by_row

    def case(self, case_id: str) -> Case | None:
        """The case of that id.

        Raises:
            CasebaseDamaged: it fails its checksum.
        """
        cursor = self._run(f"{_CASE} WHERE id = ?", [case_id])
        return next((checked_case(row, row["vector"]) for row in cursor), None)

    def page(self, after: int, size: int) -> list[tuple[int, Case, str | None]]:
        """The next cases by row number: ``(row, case, digest of its thumbnail)``.

        Raises:
            CasebaseDamaged: one fails its checksum.
        """
        cursor = self._run(f"{_CASE} WHERE cases.row > ? ORDER BY cases.row LIMIT ?", [after, size])
        return [(r["row"], checked_case(r, r["vector"]), r["thumbnail"]) for r in cursor]

    def pages(self, size: int, ids: Sequence[str] | None = None) -> Iterator[list[Stored]]:
        """Everything that is stored of all cases, or of some ids, by row number.

        Raises:
            CasebaseDamaged: a case fails its checksum.
        """
        rows = self._numbers(ids)
        for batch in batches(rows, size):
            sql = f"{_CASE} WHERE cases.row IN ({placeholders(batch)}) ORDER BY cases.row"
            yield [
                Stored(
                    row["row"],
                    checked_case(row, row["vector"]),
                    np.frombuffer(row["vector"], "<f4"),
                    row["content"],
                    row["thumbnail"],
                )
                for row in self._run(sql, batch)
            ]

    def _numbers(self, ids: Sequence[str] | None) -> list[int]:
        """Row numbers of all cases, or of some ids, ascending."""
        if ids is None:
            return [row[0] for row in self._run("SELECT row FROM cases ORDER BY row")]
        rows: list[int] = []
        for batch in batches(list(dict.fromkeys(ids)), _BATCH):
            sql = f"SELECT row FROM cases WHERE id IN ({placeholders(batch)})"  # noqa: S608
            rows += [row[0] for row in self._run(sql, batch)]
        return sorted(rows)

    def recognised(self, texts: Mapping[int, str]) -> dict[int, Recognition]:
        """What was recognised in each row's text; rows that nobody has looked at are absent."""
        return self.mention_table.read(texts) if self.recognises else {}

    def recognised_by(self) -> dict[str, int]:
        """How many cases each recogniser has read, by fingerprint."""
        return self.mention_table.counts() if self.recognises else {}

    def text(self, row: int) -> str:
        """The report of a row."""
        stored = self._run("SELECT text FROM texts WHERE row = ?", [row]).fetchone()
        return "" if stored is None else str(stored[0])

    def thumbnail(self, case_id: str) -> str | None:
        """Digest of a case's thumbnail."""
        stored = self._run("SELECT thumbnail FROM cases WHERE id = ?", [case_id]).fetchone()
        return None if stored is None else stored[0]

    def thumbnails(self) -> set[str]:
        """Digests of all thumbnails."""
        sql = "SELECT DISTINCT thumbnail FROM cases WHERE thumbnail IS NOT NULL"
        return {row[0] for row in self._run(sql)}

    def vectors_by_content(self, contents: Sequence[str]) -> dict[str, Vector]:
        """Vectors of cases with the given content hashes, of one case each: many may be alike."""
        vectors = {}
        crc = "crc" if self.derives else "NULL"
        sql = f"SELECT vector, {crc} FROM cases JOIN vectors USING (row) "  # noqa: S608
        for content in dict.fromkeys(contents):
            for blob, stored in self._run(f"{sql} WHERE content = ? LIMIT 1", [content]):
                vectors[content] = checked_vector(f"of content {content}", blob, stored)
        return vectors

    def definition_vectors(self, digests: Sequence[str]) -> dict[str, Vector]:
        """Kept vectors of definitions by the digest of what was embedded."""
        vectors: dict[str, Vector] = {}
        for batch in batches(list(digests) if self.derives else [], _BATCH):
            sql = f"SELECT * FROM definition_vectors WHERE digest IN ({placeholders(batch)})"  # noqa: S608
            for digest, blob, stored in self._run(sql, batch):
                vectors[digest] = checked_vector(f"of definition {digest}", blob, stored)
        return vectors

    def erasures(self) -> list[str]:
        """Thumbnails that no case uses any more and whose files may still be there."""
        return [
            row[0] for row in self._run("SELECT thumbnail FROM erasures") if row[0] != ERASED_LOG
        ]

    def log_holds_erased(self) -> bool:
        """Whether the write-ahead log may hold what deleted or replaced cases were."""
        return bool(
            self._run("SELECT 1 FROM erasures WHERE thumbnail = ?", [ERASED_LOG]).fetchone()
        )

    def generation(self, number: int) -> str | None:
        """SHA-256 of the manifest of a generation that was published and not retired."""
        cursor = self._run("SELECT manifest FROM generations WHERE number = ?", [number])
        return next((str(row[0]) for row in cursor), None)

    def last_generation(self) -> int:
        """The highest number of a generation on record, or 0."""
        return int(self._run("SELECT COALESCE(max(number), 0) FROM generations").fetchone()[0])

    def problems(self) -> Iterator[str]:
        """What SQLite's own checks and all checksums find; nothing when sound."""
        reports = [row[0] for row in self._run("PRAGMA integrity_check")]
        yield from (f"casebase.db: {problem}" for problem in reports if problem != "ok")
        for row in self._run("PRAGMA foreign_key_check"):
            yield f"casebase.db: row {row[1]} of {row[0]} refers to no case"
        damaged = [*self.damaged_cases(), *(self._problems_of_derived() if self.derives else ())]
        yield from damaged
        if self.packs and not damaged:
            yield from self._problems_of_packing()

    def damaged_cases(self) -> Iterator[str]:
        """Cases that fail their checksum, one line each: what cannot be derived again."""
        sql = f"SELECT {', '.join(COLUMNS)}, text, vector, checksum FROM cases "  # noqa: S608
        for row in self._run(f"{sql} LEFT JOIN texts USING (row) LEFT JOIN vectors USING (row)"):
            *values, vector, checksum = row
            if not is_sound(values, vector, checksum):
                yield f"casebase.db: case {row['id']!r} fails its checksum"

    def _problems_of_derived(self) -> Iterator[str]:
        for table, key in (("vectors", "row"), ("definition_vectors", "digest")):
            for name, blob, stored in self._run(f"SELECT {key}, vector, crc FROM {table}"):  # noqa: S608
                if crc32(blob) != stored:
                    yield f"casebase.db: {table}, {key} {name} fails its checksum"
        if self.recognises:
            yield from (f"casebase.db: {problem}" for problem in self.mention_table.problems())
        if self.numbers:
            yield from (f"casebase.db: {problem}" for problem in self.vocabulary.problems())

    def _problems_of_packing(self) -> Iterator[str]:
        row = 0
        while rows := self.rows_after(row, _BATCH):
            for row, is_packed in self.loose(rows).items():
                if is_packed:
                    yield f"casebase.db: the record of row {row} is not what its case says"
            row = rows[-1]


def batches(items: Slices, size: int) -> Iterator[Slices]:
    """Slices of a sequence or array."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def placeholders(values: Sequence[object]) -> str:
    """A question mark for each value of a statement."""
    return ", ".join("?" * len(values))
