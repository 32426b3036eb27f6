"""Medical terms recognised in the reports, kept as rows (section 3.4, stage 2: entity set E).

A report's mentions are derived from its text by a *recogniser*, a dictionary with its rules, that
a fingerprint names. They are kept with the fingerprint, so that whoever reads them knows whether
they are what the recogniser of today would find. SQL can ask them::

    SELECT DISTINCT row FROM mentions JOIN terms ON terms.number = mentions.term
    WHERE concept = 'MMR:0042' AND assertion = 'affirmed' AND sites LIKE '%left%'
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.construction import constructor
from mmedrag.errors import CasebaseDamaged
from mmedrag.measures.row_sets import Rows
from mmedrag.types import Assertion, Kind, Mention

_ROWS = 500
_CONCEPTS = 10_000  # a statement; SQLite takes 32,766 parameters
_ASSERTIONS = {assertion.value: assertion for assertion in Assertion}
_KINDS = {kind.value: kind for kind in Kind}
_mention = constructor(Mention)
Numbers = NDArray[np.int64]
StoredMention = tuple[int, int, str, str, str, str, str]
"""A mention without its text: start, end, concept, term, kind, assertion, sites."""

StoredTerm = tuple[int, str, str, str]
"""Number, concept, term and kind."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a recogniser found in one text; ``recogniser`` is its fingerprint."""

    recogniser: str
    mentions: tuple[Mention, ...]


class MentionTable:
    """The tables ``recognised``, ``mentions``, ``terms`` and ``recognisers`` of one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def write(self, row: int, recognition: Recognition | None) -> None:
        """Keep what was found in the text of a case, in place of what was kept before."""
        self._connection.execute("DELETE FROM recognised WHERE row = ?", [row])
        if recognition is None:
            return
        mentions = sorted(map(stored_mention, recognition.mentions))
        kept = [(row, m[0], m[1], self._term(*m[2:5]), *m[5:]) for m in mentions]
        self._connection.execute(
            "INSERT INTO recognised VALUES (?, ?, ?)",
            [row, self._number(recognition.recogniser), checksum_of(mentions)],
        )
        self._connection.executemany("INSERT INTO mentions VALUES (?, ?, ?, ?, ?, ?)", kept)

    def read(self, texts: Mapping[int, str]) -> dict[int, Recognition]:
        """What is kept of each row, given its text; rows that nobody has recognised are absent.

        Raises:
            CasebaseDamaged: the mentions of a row fail their checksum.
        """
        rows = sorted(texts)
        recognitions: dict[int, Recognition] = {}
        for start in range(0, len(rows), _ROWS):
            recognitions.update(self._batch(rows[start : start + _ROWS], texts))
        return recognitions

    def check(self, rows: Sequence[int]) -> None:
        """Hold what is kept of each row against its checksum.

        Raises:
            CasebaseDamaged: the mentions of a row fail it.
        """
        for start in range(0, len(rows), _ROWS):
            for _ in self._stored(rows[start : start + _ROWS]):
                pass

    def counts(self) -> dict[str, int]:
        """How many cases each recogniser has read, by fingerprint."""
        sql = (
            "SELECT fingerprint, count(*) FROM recognised "
            "JOIN recognisers ON number = recogniser GROUP BY number"
        )
        return {row[0]: row[1] for row in self._connection.execute(sql)}

    def total(self) -> int:
        """How many mentions there are."""
        return int(self._connection.execute("SELECT count(*) FROM mentions").fetchone()[0])

    def affirmed(self) -> list[Mention]:
        """One mention for each concept and term that some report affirms."""
        sql = (
            "SELECT concept, term, kind FROM terms WHERE number IN "
            "(SELECT term FROM mentions WHERE assertion = ?) ORDER BY concept, term"
        )
        rows = self._connection.execute(sql, [Assertion.AFFIRMED.value])
        return [
            Mention(term, 0, 0, concept, term, Assertion.AFFIRMED, _KINDS[kind])
            for concept, term, kind in rows
        ]

    def named(self, test: str, values: Sequence[object]) -> dict[str, list[int]]:
        """The numbers of terms of which a condition on the table ``terms`` holds, by concept."""
        named: dict[str, list[int]] = {}
        sql = f"SELECT concept, number FROM terms WHERE {test}"  # noqa: S608
        for concept, number in self._connection.execute(sql, values):
            named.setdefault(concept, []).append(number)
        return named

    def terms(self, concepts: Collection[str]) -> dict[str, list[int]]:
        """The numbers of terms by concept, of the concepts that reports mention."""
        ordered, terms = sorted(concepts), dict[str, list[int]]()
        for start in range(0, len(ordered), _CONCEPTS):
            batch = ordered[start : start + _CONCEPTS]
            terms |= self.named(f"concept IN ({', '.join('?' * len(batch))})", batch)
        return terms

    def terms_of(self, kinds: Collection[Kind]) -> list[StoredTerm]:
        """The terms of some kinds that reports mention."""
        sql = "SELECT number, concept, term, kind FROM terms WHERE kind IN "
        values = [kind.value for kind in kinds]
        placeholders = ", ".join("?" * len(values))
        return [tuple(row) for row in self._connection.execute(f"{sql} ({placeholders})", values)]

    def lists(self, above: int, last: int, sites: str) -> Iterator[tuple[int, str, int, str, str]]:
        """Terms and assertions in their order, each with how many rows of a range and their sites.

        Rows and sites are numbers in one text, which SQLite makes and numpy reads faster than one
        after the other; a row stands there for each mention.

        Args:
            above: no lower rows.
            last: no higher rows.
            sites: an expression that makes a number of the column ``sites``.
        """
        return self._connection.execute(
            "SELECT term, assertion, count(*), group_concat(row, ' '), "  # noqa: S608
            f"group_concat({sites}, ' ') FROM mentions INDEXED BY mentions_term "
            "WHERE row > ? AND row <= ? GROUP BY term, assertion",
            [above, last],
        )

    def read_lists(self, above: int, last: int) -> Iterator[tuple[int, int, str]]:
        """Each recogniser's number, and how many and which rows of a range it has read, as text."""
        return self._connection.execute(
            "SELECT recogniser, count(*), group_concat(row, ' ') FROM recognised NOT INDEXED "
            "WHERE row > ? AND row <= ? GROUP BY recogniser",
            [above, last],
        )

    def above(self, row: int, sites: str) -> tuple[Rows, Numbers, tuple[str, ...], Numbers]:
        """Mentions of a few higher rows: rows, terms, assertions and sites; see :meth:`lists`."""
        sql = f"SELECT row, term, assertion, {sites} FROM mentions WHERE row > ?"  # noqa: S608
        mentions = self._connection.execute(sql, [row]).fetchall()
        rows, terms, assertions, places = zip(*mentions, strict=True) if mentions else [()] * 4
        return _numbers(rows), _numbers(terms), assertions, _numbers(places)

    def reader(self, recogniser: str) -> int | None:
        """The number of a recogniser that has read something."""
        sql = "SELECT number FROM recognisers WHERE fingerprint = ?"
        stored = self._connection.execute(sql, [recogniser]).fetchone()
        return None if stored is None else int(stored[0])

    def unread(self, recogniser: str, after: int, size: int) -> list[tuple[int, str]]:
        """The next rows above ``after`` that this recogniser has not read, with their texts."""
        return [
            (row[0], row[1])
            for row in self._connection.execute(
                "SELECT row, text FROM texts WHERE row > ? AND row NOT IN (SELECT row FROM "
                "recognised JOIN recognisers ON number = recogniser WHERE fingerprint = ?) "
                "ORDER BY row LIMIT ?",
                [after, recogniser, size],
            )
        ]

    def problems(self) -> Iterator[str]:
        """Rows whose mentions fail their checksum, one line each."""
        after = 0
        while rows := self._connection.execute(
            "SELECT row, text FROM recognised JOIN texts USING (row) WHERE row > ? "
            "ORDER BY row LIMIT ?",
            [after, _ROWS],
        ).fetchall():
            for row, text in rows:
                try:
                    self.read({row: text})
                except CasebaseDamaged as damage:
                    yield damage.what
                after = row

    def forget_all(self) -> None:
        """Keep nothing of what was recognised, and nothing that damage has left of no report."""
        self._connection.execute("DELETE FROM recognised")
        self._connection.execute("DELETE FROM mentions")

    def forget_case(self, row: int) -> None:
        """Erase the mentions of a case, and terms and recognisers that no other refers to."""
        terms = self._connection.execute(
            "SELECT DISTINCT term FROM mentions WHERE row = ?", [row]
        ).fetchall()
        cursor = self._connection.execute("SELECT recogniser FROM recognised WHERE row = ?", [row])
        recognisers = cursor.fetchall()
        self._connection.execute("DELETE FROM recognised WHERE row = ?", [row])
        self._connection.executemany(
            "DELETE FROM terms WHERE number = ? AND NOT EXISTS "
            "(SELECT 1 FROM mentions WHERE mentions.term = terms.number)",
            terms,
        )
        self._connection.executemany(
            "DELETE FROM recognisers WHERE number = ? AND NOT EXISTS "
            "(SELECT 1 FROM recognised WHERE recogniser = recognisers.number)",
            recognisers,
        )

    def forget_unused(self) -> None:
        """Erase terms and recognisers that no case refers to any more."""
        self._connection.execute(
            "DELETE FROM terms WHERE NOT EXISTS "
            "(SELECT 1 FROM mentions WHERE mentions.term = terms.number)"
        )
        self._connection.execute(
            "DELETE FROM recognisers WHERE number NOT IN (SELECT recogniser FROM recognised)"
        )

    def _batch(
        self, rows: Sequence[int], texts: Mapping[int, str]
    ) -> Iterator[tuple[int, Recognition]]:
        for row, recogniser, stored in self._stored(rows):
            yield row, Recognition(recogniser, mentions_of(texts[row], stored))

    def _stored(self, rows: Sequence[int]) -> Iterator[tuple[int, str, list[StoredMention]]]:
        """Rows that somebody has recognised: by whom, and what is kept, as its checksum says."""
        placeholders = ", ".join("?" * len(rows))
        kept = self._connection.execute(
            "SELECT row, fingerprint, checksum FROM recognised "  # noqa: S608
            f"JOIN recognisers ON number = recogniser WHERE row IN ({placeholders})",
            rows,
        ).fetchall()
        if not kept:
            return
        stored: dict[int, list[StoredMention]] = {row[0]: [] for row in kept}
        for row in self._connection.execute(
            'SELECT row, start, "end", concept, terms.term, kind, assertion, sites FROM mentions '  # noqa: S608
            f"JOIN terms ON number = mentions.term WHERE row IN ({placeholders})",
            rows,
        ):
            stored[row[0]].append(row[1:])
        for row, recogniser, checksum in kept:
            stored[row].sort()
            if checksum_of(stored[row]) != checksum:
                raise CasebaseDamaged(
                    f"The mentions of row {row} fail their checksum",
                    "Derive them again: mmedrag rebuild.",
                )
            yield row, recogniser, stored[row]

    def _number(self, fingerprint: str) -> int:
        return self._numbered("recognisers", {"fingerprint": fingerprint})

    def _term(self, concept: str, term: str, kind: str) -> int:
        return self._numbered("terms", {"concept": concept, "term": term, "kind": kind})

    def _numbered(self, table: str, key: Mapping[str, str]) -> int:
        """The number of a row of ``table`` with this key, which is made where there is none."""
        test = " AND ".join(f"{column} = ?" for column in key)
        sql = f"SELECT number FROM {table} WHERE {test}"  # noqa: S608
        stored = self._connection.execute(sql, [*key.values()]).fetchone()
        if stored is not None:
            return int(stored[0])
        placeholders = ", ".join("?" * len(key))
        sql = f"INSERT INTO {table} ({', '.join(key)}) VALUES ({placeholders})"  # noqa: S608
        return int(self._connection.execute(sql, [*key.values()]).lastrowid or 0)


def _numbers(values: Sequence[int]) -> Numbers:
    return np.array(values, np.int64)


def stored_mention(mention: Mention) -> StoredMention:
    """What is kept of a mention."""
    m = mention
    sites = ",".join(m.sites)
    return m.start, m.end, m.concept, m.term, m.kind.value, m.assertion.value, sites


def mentions_of(text: str, stored: Sequence[StoredMention]) -> tuple[Mention, ...]:
    """The mentions of a text from what is kept of them."""
    return tuple(
        [  # a list is made in less time than a generator, and this is made for each case read
            _mention(
                text[start:end],
                start,
                end,
                concept,
                term,
                _ASSERTIONS[assertion],
                _KINDS[kind],
                tuple(sites.split(",")) if sites else (),
            )
            for start, end, concept, term, kind, assertion, sites in stored
        ]
    )


def checksum_of(stored: Sequence[StoredMention]) -> int:
    """Changes when anything stored of a text's mentions changes."""
    return crc32(repr(stored).encode("utf-8", "replace"))
