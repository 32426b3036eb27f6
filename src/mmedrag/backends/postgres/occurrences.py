"""In which reports concepts occur, by the tables of PostgreSQL: for base rates."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from mmedrag.backends.postgres.search import Search
from mmedrag.backends.postgres.sessions import Connection
from mmedrag.backends.postgres.statements import numbers
from mmedrag.casebase.exact import Rows
from mmedrag.casebase.records import DIAGNOSIS
from mmedrag.types import Assertion, Domain, Kind

_OCCURS = (
    "SELECT DISTINCT mentions.row FROM terms JOIN mentions ON mentions.term = terms.number "
    "WHERE terms.concept = ANY(%s) AND mentions.assertion = %s"
)
_NOWHERE_NEGATED = (
    " AND NOT EXISTS (SELECT 1 FROM mentions AS other JOIN terms AS same "
    "ON same.number = other.term WHERE other.row = mentions.row "
    "AND other.assertion = 'negated' AND same.concept = terms.concept)"
)
T = TypeVar("T")


class Read(Protocol):
    """Does something with one committed state."""

    def __call__(self, work: Callable[[Connection], T], doing: str = ...) -> T:
        """Returns what ``work`` returns."""
        ...


class ServerOccurrences:
    """A :class:`~mmedrag.protocols.OccurrenceStore`.

    Args:
        read: does something with one committed state.
        search: the searches of a state.
    """

    def __init__(self, read: Read, search: Callable[[Connection], Search]) -> None:
        self._read = read
        self._search = search

    def state(self) -> int:
        """A number that every committed write changes."""
        return int(self._read(lambda c: c.execute("SELECT epoch FROM state").fetchall())[0][0])

    def read_by(self, recogniser: str, domain: Domain | None, where: str | None) -> Rows:
        """Rows, ascending, of the cases that a search could find and a recogniser has read.

        Raises:
            FilterError: ``where`` does not parse, or asks for what reports say and some are unread.
        """

        def work(connection: Connection) -> Rows:
            filtered, values = ("true", list[Any]())
            if where is not None:
                filtered, values = self._search(connection).filtered(where)
            text = (
                "SELECT cases.row FROM recognised JOIN recognisers ON number = recogniser "  # noqa: S608
                "JOIN cases ON cases.row = recognised.row WHERE fingerprint = %s "
                f"AND (%s::text IS NULL OR domain = %s) AND {filtered} ORDER BY cases.row"
            )
            return numbers(connection, text, [recogniser, domain, domain, *values])

        return self._read(work)

    def occurring(self, concepts: Collection[str], assertion: Assertion) -> Rows:
        """Rows of reports that say so of any of the concepts, ascending."""
        return self._rows(_OCCURS, concepts, assertion)

    def undisputed(self, concepts: Collection[str]) -> Rows:
        """Rows of reports that affirm one of the concepts and nowhere negate that same one."""
        return self._rows(_OCCURS + _NOWHERE_NEGATED, concepts, Assertion.AFFIRMED)

    def concepts_of(self, kinds: Sequence[Kind]) -> frozenset[str]:
        """The concepts of these kinds that reports mention."""
        text = "SELECT DISTINCT concept FROM terms WHERE kind = ANY(%s)"
        wanted = [kind.value for kind in kinds]
        return frozenset(c for (c,) in self._read(lambda c: c.execute(text, [wanted]).fetchall()))

    def names(self) -> list[tuple[str, tuple[str, ...], Rows]]:
        """Each distinct pair of diagnosis and labels, with the rows of the cases that have it."""
        text = (
            "SELECT row, labels, meta FROM cases WHERE labels <> '[]' OR row IN "
            "(SELECT row FROM attributes WHERE field = 'diagnosis') ORDER BY row"
        )
        rows_of: dict[tuple[str, str], list[int]] = {}
        for row, labels, meta in self._read(lambda c: c.execute(text).fetchall()):
            diagnosis = "" if meta == "{}" else str(json.loads(meta).get(DIAGNOSIS) or "")
            rows_of.setdefault((diagnosis, labels), []).append(row)
        return [
            (diagnosis, tuple(json.loads(labels)), np.array(rows, np.int64))
            for (diagnosis, labels), rows in rows_of.items()
        ]

    def _rows(self, text: str, concepts: Collection[str], assertion: Assertion) -> Rows:
        values = [sorted(concepts), assertion.value]
        return self._read(lambda c: np.sort(numbers(c, text, values)))
