"""Stage 1 expanded over an offline graph (sections 6.3 and 7 of the paper).

A database may know the nearest cases of each case beforehand. The candidates of a question pass
their relevance on to their neighbours (eq. 4, as a walk that returns to the best of them), so that
cases come in which are near the best ones and not near the question itself.
docs/notes/graph.md says what that brings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedrag.errors import QueryError
from mmedrag.protocols import CaseIndex, NeighbourIndex
from mmedrag.rounding import rounded
from mmedrag.types import Hit, Question

Floats = NDArray[np.float64]
Nodes = NDArray[np.int64]

ALPHA = 0.4
"""Of eq. 4."""

_BEST, _WIDTH = 10, 0.7  # where the walk restarts, and how far below the best relevance counts
_SHARPNESS = 8  # the power of the inner products: a case passes its score to its nearest few
_STEPS = 10  # after which the walk is within 2·ALPHA^10 of where it stands still


@dataclass(frozen=True, slots=True)
class NearQuestion:
    """Stage 1 as it is: cases near the question itself."""

    def search(self, cases: CaseIndex, question: Question, k: int) -> list[Hit]:
        """The ``k`` most relevant cases."""
        return cases.search(question, k)


@dataclass(frozen=True, slots=True)
class OverNeighbours:
    """Stage 1, and the neighbours of what it finds.

    The relevance of a case is ``(1 - share)`` of its own and ``share`` of what reaches it of the
    walk. A case that comes in by the walk alone has :attr:`~mmedrag.types.Hit.proximity`.

    Attributes:
        share: of the walk in the relevance of a case, from 0 to 1; chosen on training patients.
        candidates: of stage 1, with which the walk begins.

    Raises:
        QueryError: the share is not from 0 to 1.
    """

    share: float = 0.7
    candidates: int = 200

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise QueryError(f"The share of the walk is {self.share}", "Give one from 0 to 1.")

    def search(self, cases: CaseIndex, question: Question, k: int) -> list[Hit]:
        """The ``k`` most relevant cases.

        Raises:
            QueryError: these cases have no graph, or the casebase keeps no neighbours.
        """
        if not isinstance(cases, NeighbourIndex):
            raise QueryError(
                "Only a casebase in a folder keeps the neighbours of its cases",
                "Copy it into one (mmedrag copy URL FOLDER) and make them there (mmedrag rebuild "
                "FOLDER --neighbours), or search without --expansion.",
            )
        return cases.search_onward(question, k, self)

    def reached(
        self, start: Nodes, relevance: Floats, near: Nodes, nearness: Floats, count: int
    ) -> Floats:
        """See :func:`walk`."""
        return walk(start, relevance, near, nearness, count)

    def blended(self, relevance: Floats, reached: Floats) -> Floats:
        """What cases are ranked by, ``(n,)``, of their relevance and what reached them."""
        return rounded((1.0 - self.share) * relevance + self.share * reached)


def walk(
    start: Nodes,
    relevance: Floats,
    near: Nodes,
    nearness: Floats,
    count: int,
    alpha: float = ALPHA,
) -> Floats:
    """Eq. 4 over candidates and their neighbours: s ← (1−α) q + α P s, restarting at the best.

    Only candidates pass their score on, each to its own neighbours and mostly to the nearest; what
    is not a candidate keeps what reaches it. So a walk costs the same whatever the corpus has.

    Args:
        start: the candidates' nodes, ``(c,)``.
        relevance: theirs, ``(c,)``.
        near: the nodes of their neighbours, ``(c, 20)``.
        nearness: inner products with these, ``(c, 20)``; where they are not positive, nothing is
            passed on.
        count: of nodes, each at least a candidate or a neighbour.
        alpha: of eq. 4, below 1.

    Returns:
        What reached each node, ``(count,)``, as a share of the most that reached any.
    """
    q = np.zeros(count)
    if not len(start):
        return q
    order = np.argsort(-relevance, kind="stable")
    best = order[:_BEST]
    spread = max(float(relevance.std()), 1e-6)
    q[start[best]] = np.exp((relevance[best] - relevance[order[0]]) / (_WIDTH * spread))
    q /= q.sum()
    weights = np.maximum(nearness, 0.0) ** _SHARPNESS
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    targets, s = near.ravel(), q
    for _ in range(_STEPS):
        passed = np.bincount(targets, (weights * s[start, None]).ravel(), count)
        s = (1.0 - alpha) * q + alpha * passed
    return np.asarray(s / s.max())
