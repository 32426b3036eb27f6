"""In which reports concepts occur, and with which assertion: what base rates are counted from.

The mentions are those that were stored when the reports were recognised, found by the index on
terms, so that a count costs what the mentions of its concepts cost and no report is read again.
Diagnoses and labels are read from the columns of the generation, and in the database from then on.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np

from mmedrag.casebase.connection import State
from mmedrag.casebase.criteria import listed
from mmedrag.casebase.database import Database
from mmedrag.casebase.exact import Rows, distinct, locate
from mmedrag.casebase.records import DIAGNOSIS
from mmedrag.casebase.snapshot import Snapshot
from mmedrag.casebase.vocabulary import label_values
from mmedrag.types import Assertion, Changes, Domain, Kind

T = TypeVar("T")
_BATCH = 10_000  # concepts a statement; SQLite takes 32,766 parameters
_NONE: Rows = np.empty(0, np.int64)
_TERMS = "SELECT number FROM terms WHERE concept IN ({placeholders})"
_NOWHERE_NEGATED = (
    "SELECT DISTINCT mentions.row FROM mentions JOIN terms ON terms.number = mentions.term "
    "WHERE terms.concept IN ({placeholders}) AND mentions.assertion = 'affirmed' "
    "AND mentions.row IN (SELECT value FROM json_each(?)) "
    "AND NOT EXISTS (SELECT 1 FROM mentions AS other JOIN terms AS same "
    "ON same.number = other.term WHERE other.row = mentions.row "
    "AND other.assertion = 'negated' AND same.concept = terms.concept)"
)


class Ask(Protocol):
    """Does something with the newest state of a casebase."""

    def __call__(self, work: Callable[[Snapshot, Database], T]) -> T:
        """Returns what ``work`` returns."""
        ...


class Occurrences:
    """A :class:`~mmedrag.protocols.OccurrenceStore` over a casebase.

    Args:
        ask: does something with its newest state.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def changes(self, since: Hashable) -> Changes:
        """What has changed since a state that was named before; since ``None``, all has."""
        earlier = since if isinstance(since, State) else None

        def work(snapshot: Snapshot, database: Database) -> Changes:
            state = database.state()
            return Changes(state, snapshot.last, database.gone_since(earlier, state))

        return self._ask(work)

    def read_by(
        self, recogniser: str, domain: Domain | None, where: str | None, above: int = 0
    ) -> Rows:
        """Rows, ascending, of the cases that a search could find and a recogniser has read.

        Raises:
            FilterError: ``where`` does not parse, or asks for what reports say and some are unread.
        """

        def work(snapshot: Snapshot, database: Database) -> Rows:
            database.require_sound()
            if not database.derives:
                return _NONE
            rows = snapshot.found(database, domain, where, above)
            every = rows
            if domain is not None or where is not None:
                every = snapshot.found(database, None, None, above)
            read = "recogniser = (SELECT number FROM recognisers WHERE fingerprint = ?) AND row > ?"
            counted = f"SELECT count(*) FROM recognised WHERE {read}"  # noqa: S608
            (count,) = database.connection.execute(counted, [recogniser, above]).fetchone()
            if count == len(every):
                return rows
            known = listed(database.connection, "recognised", read, [recogniser, above])
            return rows[locate(known, rows)[1]]

        return self._ask(work)

    def occurring(self, concepts: Collection[str], assertion: Assertion, above: int = 0) -> Rows:
        """Rows of reports that say so of any of the concepts, ascending."""

        def occurs(database: Database, batch: Sequence[str]) -> Rows:
            return _occurring(database.connection, batch, assertion, above)

        return self._of_batches(concepts, occurs)

    def undisputed(self, concepts: Collection[str], above: int = 0) -> Rows:
        """Rows of reports that affirm one of the concepts and nowhere negate that same one."""

        def holds(database: Database, batch: Sequence[str]) -> Rows:
            affirmed, negated = (
                _occurring(database.connection, batch, assertion, above)
                for assertion in (Assertion.AFFIRMED, Assertion.NEGATED)
            )
            both = locate(negated, affirmed)[1]
            if not both.any():
                return affirmed
            sql = _NOWHERE_NEGATED.format(placeholders=_placeholders(batch))
            values = [*batch, json.dumps(affirmed[both].tolist())]
            cursor = database.connection.execute(sql, values)
            certain = np.fromiter((row for (row,) in cursor), np.int64)
            return np.concatenate([affirmed[~both], certain])

        return self._of_batches(concepts, holds)

    def concepts_of(self, kinds: Sequence[Kind], above: int = 0) -> frozenset[str]:
        """The concepts of these kinds that reports mention."""
        sql = f"SELECT DISTINCT concept FROM terms WHERE kind IN ({_placeholders(kinds)})"  # noqa: S608
        values: list[object] = [kind.value for kind in kinds]
        if above:
            sql += " AND number IN (SELECT term FROM mentions WHERE row > ?)"
            values.append(above)

        def work(_: Snapshot, database: Database) -> frozenset[str]:
            database.require_sound()
            if not database.derives:
                return frozenset()
            cursor = database.connection.execute(sql, values)
            return frozenset(concept for (concept,) in cursor)

        return self._ask(work)

    def names(self, above: int = 0) -> list[tuple[str, str, Rows]]:
        """Each diagnosis and label of a case, as field and value, with its rows, ascending."""

        def work(snapshot: Snapshot, database: Database) -> list[tuple[str, str, Rows]]:
            named: list[tuple[str, str, Rows]] = []
            for field, stored in _STORED.items():
                columns = {}
                begin = above
                if not above and snapshot.generation is not None and snapshot.columnar(field):
                    columns = snapshot.stored_as(database, field)
                    begin = snapshot.generation.row
                if begin < snapshot.last:
                    database.require_sound()
                    for value, rows in stored(database.connection, begin):
                        columns[value] = np.concatenate([columns.get(value, _NONE), rows])
                named += [(field, value, rows) for value, rows in columns.items()]
            return named

        return self._ask(work)

    def _of_batches(
        self, concepts: Collection[str], read: Callable[[Database, Sequence[str]], Rows]
    ) -> Rows:
        ordered = sorted(concepts)

        def work(_: Snapshot, database: Database) -> Rows:
            database.require_sound()
            if not database.derives:
                return _NONE
            batches = [ordered[i : i + _BATCH] for i in range(0, len(ordered), _BATCH)]
            return distinct(np.concatenate([_NONE, *(read(database, b) for b in batches)]))

        return self._ask(work)


def _occurring(
    connection: sqlite3.Connection, concepts: Sequence[str], assertion: Assertion, above: int
) -> Rows:
    sql = _TERMS.format(placeholders=_placeholders(concepts))
    terms = ", ".join(str(number) for (number,) in connection.execute(sql, [*concepts]))
    condition = f"assertion = ? AND term IN ({terms}) AND row > ?"
    return listed(connection, "mentions", condition, [assertion.value, above])


def _diagnoses(connection: sqlite3.Connection, above: int) -> Iterator[tuple[str, Rows]]:
    path = "$." + json.dumps(DIAGNOSIS)
    sql = "SELECT row, meta -> ? FROM cases WHERE row > ? AND meta -> ? IS NOT NULL ORDER BY row"
    rows_of: dict[str, list[int]] = {}
    for row, diagnosis in connection.execute(sql, [path, above, path]):
        rows_of.setdefault(diagnosis, []).append(row)
    for diagnosis, rows in rows_of.items():
        if value := json.loads(diagnosis):
            yield str(value), np.array(rows, np.int64)


def _labels(connection: sqlite3.Connection, above: int) -> Iterator[tuple[str, Rows]]:
    sql = "SELECT row, labels FROM cases WHERE row > ? AND labels != '[]' ORDER BY row"
    rows_of: dict[str, list[int]] = {}
    for row, labels in connection.execute(sql, [above]):
        for label in label_values(labels):
            rows_of.setdefault(label, []).append(row)
    for label, rows in rows_of.items():
        yield label, np.array(rows, np.int64)


_STORED = {"diagnosis": _diagnoses, "labels": _labels}


def _placeholders(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))
