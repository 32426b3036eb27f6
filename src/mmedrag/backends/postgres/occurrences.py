"""In which reports concepts occur, by the tables of PostgreSQL: for base rates."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from mmedrag.backends.postgres.search import Search
from mmedrag.backends.postgres.sessions import Connection
from mmedrag.backends.postgres.statements import numbers
from mmedrag.casebase.exact import Rows
from mmedrag.casebase.records import DIAGNOSIS
from mmedrag.casebase.vocabulary import label_values
from mmedrag.types import Assertion, Changes, Domain, Kind

_OCCURS = (
    "SELECT DISTINCT mentions.row FROM terms JOIN mentions ON mentions.term = terms.number "
    "WHERE terms.concept = ANY(%s) AND mentions.assertion = %s AND mentions.row > %s"
)
_NOWHERE_NEGATED = (
    " AND NOT EXISTS (SELECT 1 FROM mentions AS other JOIN terms AS same "
    "ON same.number = other.term WHERE other.row = mentions.row "
    "AND other.assertion = 'negated' AND same.concept = terms.concept)"
)
T = TypeVar("T")
_NONE: Rows = np.empty(0, np.int64)


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

    def changes(self, since: Hashable) -> Changes:
        """What has changed since a state that was named before; after a write, all has.

        The server keeps no list of the rows that were deleted.
        """
        text = "SELECT epoch, last_row FROM state"
        ((epoch, last),) = self._read(lambda c: c.execute(text).fetchall())
        return Changes(epoch, last, _NONE if since == epoch else None)

    def read_by(
        self, recogniser: str, domain: Domain | None, where: str | None, above: int = 0
    ) -> Rows:
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
                "AND cases.row > %s AND (%s::text IS NULL OR domain = %s) "
                f"AND {filtered} ORDER BY cases.row"
            )
            return numbers(connection, text, [recogniser, above, domain, domain, *values])

        return self._read(work)

    def occurring(self, concepts: Collection[str], assertion: Assertion, above: int = 0) -> Rows:
        """Rows of reports that say so of any of the concepts, ascending."""
        return self._rows(_OCCURS, concepts, assertion, above)

    def undisputed(self, concepts: Collection[str], above: int = 0) -> Rows:
        """Rows of reports that affirm one of the concepts and nowhere negate that same one."""
        return self._rows(_OCCURS + _NOWHERE_NEGATED, concepts, Assertion.AFFIRMED, above)

    def concepts_of(self, kinds: Sequence[Kind], above: int = 0) -> frozenset[str]:
        """The concepts of these kinds that reports mention, whatever their rows."""
        text = "SELECT DISTINCT concept FROM terms WHERE kind = ANY(%s)"
        wanted = [kind.value for kind in kinds]
        return frozenset(c for (c,) in self._read(lambda c: c.execute(text, [wanted]).fetchall()))

    def names(self, above: int = 0) -> list[tuple[str, str, Rows]]:
        """Each diagnosis and label of a case, as field and value, with its rows, ascending."""
        text = (
            "SELECT row, labels, meta FROM cases WHERE row > %s AND (labels <> '[]' OR row IN "
            "(SELECT row FROM attributes WHERE field = 'diagnosis')) ORDER BY row"
        )
        rows_of: dict[tuple[str, str], list[int]] = {}
        for row, labels, meta in self._read(lambda c: c.execute(text, [above]).fetchall()):
            diagnosis = "" if meta == "{}" else str(json.loads(meta).get(DIAGNOSIS) or "")
            if diagnosis:
                rows_of.setdefault(("diagnosis", diagnosis), []).append(row)
            for label in label_values(labels):
                rows_of.setdefault(("labels", label), []).append(row)
        return [(*name, np.array(rows, np.int64)) for name, rows in rows_of.items()]

    def _rows(self, text: str, concepts: Collection[str], assertion: Assertion, above: int) -> Rows:
        values = [sorted(concepts), assertion.value, above]
        return self._read(lambda c: np.sort(numbers(c, text, values)))
