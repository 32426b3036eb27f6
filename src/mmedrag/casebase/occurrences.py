"""In which reports concepts occur, and with which assertion: what base rates are counted from.

The mentions are those that were stored when the reports were recognised, found by the lists of
their terms (:mod:`~mmedrag.casebase.statements`), so that a count costs what the mentions of its
concepts cost and no report is read again. Diagnoses and labels are read from the columns of the
generation, and in the database from then on.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np

from mmedrag.casebase.connection import State
from mmedrag.casebase.database import Database
from mmedrag.casebase.exact import Positions, Rows, locate
from mmedrag.casebase.records import DIAGNOSIS
from mmedrag.casebase.snapshot import Snapshot
from mmedrag.casebase.statements import PositionStatements
from mmedrag.casebase.vocabulary import label_values
from mmedrag.measures.row_sets import without
from mmedrag.types import Assertion, Changes, Domain, Kind

T = TypeVar("T")
_OPPOSITES = Assertion.AFFIRMED, Assertion.NEGATED
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
            rows = snapshot.found(database, domain, where, above)
            reader = database.mention_table.reader(recogniser) if database.recognises else None
            if reader is None:
                return _NONE
            read = snapshot.readers(database) == reader
            if read.all():
                return rows
            known = snapshot.members.rows_above(np.flatnonzero(read), above)
            return rows[locate(known, rows)[1]]

        return self._ask(work)

    def occurring(self, concepts: Collection[str], assertion: Assertion, above: int = 0) -> Rows:
        """Rows of reports that say so of any of the concepts, ascending."""

        def occurs(statements: PositionStatements) -> Positions:
            return statements.stating(assertion, statements.terms(concepts))

        return self._said(occurs, above)

    def undisputed(self, concepts: Collection[str], above: int = 0) -> Rows:
        """Rows of reports that affirm one of the concepts and nowhere negate that same one."""

        def holds(statements: PositionStatements) -> Positions:
            positions = [_NONE]
            for concept in concepts:
                if terms := statements.terms([concept]):
                    yes, no = (statements.stating(said, terms) for said in _OPPOSITES)
                    positions.append(without(yes, no))
            return np.concatenate(positions)

        return self._said(holds, above)

    def concepts_of(self, kinds: Sequence[Kind], above: int = 0) -> frozenset[str]:
        """The concepts of these kinds that reports mention."""

        def work(snapshot: Snapshot, database: Database) -> frozenset[str]:
            if not database.recognises:
                return frozenset()
            terms = database.mention_table.terms_of(kinds)
            if not above:
                return frozenset(concept for _, concept, *_ in terms)
            said = snapshot.statements(database, fresh=_is_fresh(snapshot, above))
            stated = said.mentioned(snapshot.members.above(above))
            return frozenset(concept for number, concept, *_ in terms if number in stated)

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

    def _said(self, find: Callable[[PositionStatements], Positions], above: int) -> Rows:
        """Rows of the positions that are found by what reports say."""

        def work(snapshot: Snapshot, database: Database) -> Rows:
            if not database.recognises:
                return _NONE
            said = snapshot.statements(database, fresh=_is_fresh(snapshot, above))
            return snapshot.members.rows_above(find(said), above)

        return self._ask(work)


def _is_fresh(snapshot: Snapshot, above: int) -> bool:
    """Whether no generation has rows above one."""
    return snapshot.generation is None or above >= snapshot.generation.row


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
