"""A collection of points, on a cluster or in this process: rows with vectors and a payload.

A point's number is the row of its case; its payload has the case's id and domain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from mmedrag.types import Vector


class Point(NamedTuple):
    """What is kept of a case: row, id, domain (empty for none) and vector ``(dim,)``."""

    row: int
    case_id: str
    domain: str
    vector: Vector


class Points(Protocol):
    """A collection.

    Laws: what :meth:`upsert` or :meth:`forget` returned from is durable and seen by the next
    search; :meth:`search` gives at most ``limit`` rows of one domain, or of all, nearest first. The
    more candidates a search keeps of the graph, ``width``, the fewer of the nearest it misses.
    """

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points; those of the same rows are replaced."""
        ...

    def forget(self, ids: Sequence[str]) -> None:
        """Erase the points of some cases."""
        ...

    def search(self, vector: Vector, limit: int, domain: str | None, width: int) -> list[int]:
        """The rows with the largest inner products, nearly."""
        ...

    def count(self) -> int:
        """How many points there are."""
        ...

    def clear(self) -> None:
        """Make the collection anew, empty."""
        ...

    def optimise(self) -> None:
        """Make the index of what was written."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...
