"""A collection of points as the vector index of a database whose truth is in PostgreSQL.

Points are written when the index is published, row by row in the order of adding; the last row is
kept with the truth. A search joins what Qdrant proposes, held against the truth, with the exact
neighbours among the rows after that one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

import numpy as np

from mmedrag.backends.postgres.nearest import Scope, exactly
from mmedrag.backends.postgres.rows import vector_of
from mmedrag.backends.postgres.sessions import Connection
from mmedrag.backends.postgres.statements import numbers
from mmedrag.backends.qdrant.points import Point, Points
from mmedrag.casebase.exact import Rows, settled
from mmedrag.errors import CasebaseError
from mmedrag.types import Vector

SETTING = "points"
"""Its value is the last row that has a point, and where the points are."""

_PAGE = 1_000
_MORE = 1.5  # than are wanted, because some are deleted or filtered out
_MOST = 50_000  # that are asked for at once
T = TypeVar("T")


class Read(Protocol):
    """Does something with one committed state of the truth."""

    def __call__(self, work: Callable[[Connection], T], doing: str = ...) -> T:
        """Returns what ``work`` returns."""
        ...


class PointIndex:
    """The points of a database.

    Args:
        points: the collection.
        location: of the collection, as the database keeps it.
    """

    def __init__(self, points: Points, location: str) -> None:
        self._points = points
        self._location = location

    def candidates(
        self, connection: Connection, vector: Vector, wanted: int, scope: Scope, thinning: float
    ) -> Rows:
        """Rows among which the most similar of a scope are, nearly; fewer where filters hide them.

        Args:
            connection: to the truth.
            vector: the query, ``(dim,)``.
            wanted: how many.
            scope: what may be found.
            thinning: how many cases there are to each that the scope lets in.
        """
        domain = None if scope.domain is None else str(scope.domain)
        limit = min(round(_MORE * wanted * thinning), _MOST)
        proposed = self._proposed(vector, limit, domain)
        text, values = scope.condition("cases.row = ANY(%s)", (proposed,))
        seen = numbers(connection, f"SELECT cases.row FROM cases WHERE {text}", values)  # noqa: S608
        after = scope.condition("cases.row > %s", (self.last_row(connection),))
        fresh = exactly(connection, vector, wanted, Scope(scope.domain, after))
        return np.union1d(seen, fresh)

    def _proposed(self, vector: Vector, limit: int, domain: str | None) -> list[int]:
        """What Qdrant proposes, searched so widely that twice the width would change little.

        How far its graph must be searched depends on the question; see
        :func:`mmedrag.backends.postgres.nearest.by_hnsw`. It is searched anew each time, until the
        nearer third stays: half of what is wanted, where a filter lets in cases at random.
        """
        width, sure = limit, max(1, limit // 3)
        proposed = self._points.search(vector, limit, domain, width)
        while width < _MOST:
            before, width = proposed, 2 * width
            proposed = self._points.search(vector, limit, domain, width)
            if settled(np.array(before[:sure]), np.array(proposed[:sure])):
                break
        return proposed

    def last_row(self, connection: Connection) -> int:
        """The last row that has a point; 0 where the points are another database's."""
        text = "SELECT value FROM settings WHERE key = %s"
        setting = connection.execute(text, [SETTING]).fetchone()
        row, _, location = str(setting[0]).partition(" ") if setting else ("0", "", "")
        return int(row) if location == self._location else 0

    def distrust(self, keep: Callable[[str, str], None]) -> None:
        """Let the next :meth:`publish` make all points again."""
        keep(SETTING, f"0 {self._location}")

    def publish(self, read: Read, keep: Callable[[str, str], None]) -> None:
        """Write the points of rows that have none.

        Args:
            read: reads the truth.
            keep: keeps a setting with the truth.
        """
        last = read(self.last_row)
        if not last:
            self._points.clear()
        while page := read(partial(_page, last)):
            self._points.upsert(page)
            last = page[-1].row
            keep(SETTING, f"{last} {self._location}")
        self._points.optimise()

    def forget(self, ids: Sequence[str]) -> str:
        """Erase the points of cases that were deleted or replaced; what is to be noticed, if any.

        A search does not give them out in any case.
        """
        try:
            self._points.forget(ids)
        except CasebaseError as fault:
            return f"{len(ids)} deleted cases may have left points: {fault}; see 'mmedrag rebuild'"
        return ""

    def problem(self, connection: Connection, *, leftovers: bool = True) -> str:
        """What is wrong with the points; empty where nothing.

        Args:
            connection: to the truth.
            leftovers: whether points of deleted cases are wrong too, which no search gives out.
        """
        text = "SELECT count(*) FROM cases WHERE row <= %s"
        count = connection.execute(text, [self.last_row(connection)]).fetchall()[0][0]
        held = self._points.count() if count else 0
        if held == count or (held > count and not leftovers):
            return ""
        return f"Qdrant holds {held} points of {count} cases; 'mmedrag rebuild' makes them again"

    def close(self) -> None:
        """Let go of the collection."""
        self._points.close()


def _page(after: int, connection: Connection) -> list[Point]:
    rows = connection.execute(
        "SELECT vectors.row, cases.id, vectors.domain, vector_send(vectors.embedding) FROM vectors "
        "JOIN cases ON cases.row = vectors.row WHERE vectors.row > %s "
        "ORDER BY vectors.row LIMIT %s",
        [after, _PAGE],
    )
    return [Point(row, case_id, domain, vector_of(sent)) for row, case_id, domain, sent in rows]
