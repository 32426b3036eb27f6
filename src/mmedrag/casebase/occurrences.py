"""In which reports concepts occur, and with which assertion: what base rates are counted from.

The mentions are those that were stored when the reports were recognised, found by the index on
terms, so that a count costs what the mentions of its concepts cost and no report is read again.
Diagnoses and labels are read from the columns of the generation, and in the database from then on.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np

from mmedrag.casebase.connection import State
from mmedrag.casebase.criteria import listed
from mmedrag.casebase.database import Database
from mmedrag.casebase.exact import Rows, locate
from mmedrag.casebase.records import DIAGNOSIS
from mmedrag.casebase.snapshot import Snapshot
from mmedrag.casebase.vocabulary import label_values
from mmedrag.measures.row_sets import distinct, without
from mmedrag.types import Assertion, Changes, Domain, Kind

T = TypeVar("T")
_BATCH = 10_000  # concepts a statement; SQLite takes 32,766 parameters
_NONE: Rows = np.empty(0, np.int64)


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

        def occurs(database: Database, terms: Mapping[str, list[int]]) -> Rows:
            every = [number for numbers in terms.values() for number in numbers]
            return _stating(database.connection, every, assertion, above)

        return self._of_terms(concepts, occurs)

    def undisputed(self, concepts: Collection[str], above: int = 0) -> Rows:
        """Rows of reports that affirm one of the concepts and nowhere negate that same one."""

        def holds(database: Database, terms: Mapping[str, list[int]]) -> Rows:
            rows = [_NONE]
            for numbers in terms.values():
                yes, no = (
                    _stating(database.connection, numbers, said, above)
                    for said in (Assertion.AFFIRMED, Assertion.NEGATED)
                )
                rows.append(without(yes, no))
            return np.concatenate(rows)

        return self._of_terms(concepts, holds)

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

    def _of_terms(
        self, concepts: Collection[str], read: Callable[[Database, Mapping[str, list[int]]], Rows]
    ) -> Rows:
        """What is read by the stored terms of the concepts that have any."""

        def work(_: Snapshot, database: Database) -> Rows:
            database.require_sound()
            if not database.derives:
                return _NONE
            return distinct(read(database, _terms_of(database.connection, concepts)))

        return self._ask(work)


def _terms_of(connection: sqlite3.Connection, concepts: Collection[str]) -> dict[str, list[int]]:
    ordered = sorted(concepts)
    terms: dict[str, list[int]] = {}
    for start in range(0, len(ordered), _BATCH):
        batch = ordered[start : start + _BATCH]
        sql = f"SELECT concept, number FROM terms WHERE concept IN ({_placeholders(batch)})"  # noqa: S608
        for concept, number in connection.execute(sql, batch):
            terms.setdefault(concept, []).append(number)
    return terms


def _stating(
    connection: sqlite3.Connection, terms: Sequence[int], assertion: Assertion, above: int
) -> Rows:
    condition = f"assertion = ? AND term IN ({', '.join(map(str, terms))}) AND row > ?"
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
