"""In which reports concepts occur, and with which assertion: what base rates are counted from.

The mentions are those that were stored when the reports were recognised, found by the index on
terms, so that a count costs what the mentions of its concepts cost and no report is read again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from mmedrag.casebase.access import Access
from mmedrag.casebase.exact import Rows
from mmedrag.casebase.records import DIAGNOSIS
from mmedrag.filters import parse
from mmedrag.types import Assertion, Domain, Kind

_BATCH = 10_000  # concepts a statement; SQLite takes 32,766 parameters
_OCCURS = (
    "SELECT DISTINCT mentions.row FROM terms JOIN mentions ON mentions.term = terms.number "
    "WHERE terms.concept IN ({placeholders}) AND mentions.assertion = ?"
)
_NOWHERE_NEGATED = (
    " AND NOT EXISTS (SELECT 1 FROM mentions AS other JOIN terms AS same "
    "ON same.number = other.term WHERE other.row = mentions.row "
    "AND other.assertion = 'negated' AND same.concept = terms.concept)"
)


class Occurrences:
    """A :class:`~mmedrag.protocols.OccurrenceStore` over the tables of a casebase.

    Args:
        access: to the casebase.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def state(self) -> int:
        """A number that every committed write changes."""
        with self._access.reading() as database:
            return database.state().epoch

    def read_by(self, recogniser: str, domain: Domain | None, where: str | None) -> Rows:
        """Rows, ascending, of the cases that a search could find and a recogniser has read.

        Raises:
            FilterError: ``where`` does not parse, or asks for what reports say and some are unread.
        """
        with self._access.reading() as database:
            if not database.derives:
                return np.empty(0, np.int64)
            rows = _read_by(database.connection, recogniser, domain)
            if where is None:
                return rows
            return np.intersect1d(rows, database.rows_where(parse(where)), assume_unique=True)

    def occurring(self, concepts: Collection[str], assertion: Assertion) -> Rows:
        """Rows of reports that say so of any of the concepts, ascending."""
        return self._matching(concepts, assertion, _OCCURS)

    def undisputed(self, concepts: Collection[str]) -> Rows:
        """Rows of reports that affirm one of the concepts and nowhere negate that same one."""
        return self._matching(concepts, Assertion.AFFIRMED, _OCCURS + _NOWHERE_NEGATED)

    def concepts_of(self, kinds: Sequence[Kind]) -> frozenset[str]:
        """The concepts of these kinds that reports mention."""
        sql = f"SELECT DISTINCT concept FROM terms WHERE kind IN ({_placeholders(kinds)})"  # noqa: S608
        with self._access.reading() as database:
            if not database.derives:
                return frozenset()
            cursor = database.connection.execute(sql, [kind.value for kind in kinds])
            return frozenset(concept for (concept,) in cursor)

    def names(self) -> list[tuple[str, tuple[str, ...], Rows]]:
        """Each distinct pair of diagnosis and labels, with the rows of the cases that have it."""
        with self._access.reading() as database:
            return list(_names(database.connection))

    def _matching(self, concepts: Collection[str], assertion: Assertion, sql: str) -> Rows:
        ordered = sorted(concepts)
        rows = [np.empty(0, np.int64)]
        with self._access.reading() as database:
            if not database.derives:
                return rows[0]
            for start in range(0, len(ordered), _BATCH):
                batch = ordered[start : start + _BATCH]
                statement = sql.format(placeholders=_placeholders(batch))
                rows.append(_rows(database.connection, statement, [*batch, assertion.value]))
        return np.unique(np.concatenate(rows))


def _names(connection: sqlite3.Connection) -> Iterator[tuple[str, tuple[str, ...], Rows]]:
    path = "$." + json.dumps(DIAGNOSIS)
    rows_of: dict[tuple[str, str], list[int]] = {}
    for row, diagnosis, labels in connection.execute(
        "SELECT row, meta -> ?, labels FROM cases WHERE labels != '[]' OR meta -> ? IS NOT NULL",
        [path, path],
    ):
        rows_of.setdefault((diagnosis or '""', labels), []).append(row)
    for (diagnosis, labels), rows in rows_of.items():
        yield str(json.loads(diagnosis) or ""), tuple(json.loads(labels)), np.array(rows, np.int64)


def _read_by(connection: sqlite3.Connection, recogniser: str, domain: Domain | None) -> Rows:
    sql = (
        "SELECT row FROM recognised JOIN recognisers ON number = recogniser JOIN cases USING (row) "
        "WHERE fingerprint = ? AND (? IS NULL OR domain = ?) ORDER BY row"
    )
    return _rows(connection, sql, [recogniser, domain, domain])


def _rows(connection: sqlite3.Connection, sql: str, values: Sequence[object]) -> Rows:
    return np.fromiter((row for (row,) in connection.execute(sql, [*values])), np.int64)


def _placeholders(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))
