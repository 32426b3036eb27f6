"""Exact search in numpy: the judge of the FAISS index, and the way new rows are found at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.hybrid import affirmed_by, evidence, relevance, together, weight_of
from mmedrag.entailment import Relations, fulfilment, identity
from mmedrag.filters import parse
from mmedrag.rounding import rounded
from mmedrag.types import Case, Criterion, Hit, Matrix, Mention, Question, Vector

Rows = NDArray[np.int64]
Positions = NDArray[np.int64]
"""Places of cases in a snapshot: first those of the generation, then those added since."""
Mask = NDArray[np.bool_]
_NEW = 0.01  # of the nearest, that twice the width of a search may bring
TIE = 1e-6
"""Similarities closer than this are told apart by exact arithmetic, never by the index."""


def similarities(vectors: Matrix, query: Vector) -> NDArray[np.float64]:
    """Inner products of eq. 2, rounded, ``(n,)``; equal rows give equal values."""
    return rounded(np.einsum("ij,j->i", vectors, query, dtype=np.float64))


def nearest(values: NDArray[np.floating], k: int, cap: int) -> NDArray[np.intp]:
    """Positions of the ``k`` largest values and of all that tie with the last of them.

    At most ``cap`` positions (``cap >= k``), in no particular order.
    """
    if len(values) <= k:
        return np.arange(len(values))
    floor = np.partition(values, -k)[-k] - TIE
    positions = np.flatnonzero(values >= floor)
    if len(positions) <= cap:
        return positions
    return positions[np.argsort(-values[positions], kind="stable")[:cap]]


def settled(before: Rows, now: Rows) -> bool:
    """Whether a wider search of a graph found hardly any of the nearest that was not there before.

    Args:
        before: what the search of half the width found nearest.
        now: what this one found nearest.
    """
    return bool(np.count_nonzero(~np.isin(now, before)) <= _NEW * len(now))


class ExactRows:
    """Rows of the store held in memory and searched one by one; grows cheaply at its end."""

    def __init__(self, dim: int) -> None:
        self._vectors: Matrix = np.empty((0, dim), np.float32)
        self._rows: Rows = np.empty(0, np.int64)
        self._n = 0

    def __len__(self) -> int:
        return self._n

    @property
    def rows(self) -> Rows:
        """Row numbers, ascending, ``(n,)``; deleted ones included."""
        return self._rows[: self._n]

    @property
    def vectors(self) -> Matrix:
        """Their vectors, ``(n, dim)``."""
        return self._vectors[: self._n]

    def append(self, rows: Rows, vectors: Matrix) -> None:
        """Add rows whose numbers are above all present ones."""
        end = self._n + len(rows)
        if end > len(self._rows):
            self._grow(max(end, 2 * self._n))
        self._rows[self._n : end] = rows
        self._vectors[self._n : end] = vectors
        self._n = end

    def search(self, query: Vector, k: int, cap: int, mask: Mask) -> Positions:
        """Positions of the ``k`` largest inner products, ties included up to ``cap``."""
        positions = np.flatnonzero(mask)
        everything = len(positions) == self._n
        vectors = self.vectors if everything else self._vectors[positions]
        return positions[nearest(vectors @ query, k, cap)]

    def _grow(self, size: int) -> None:
        for name in ("_vectors", "_rows"):
            old = getattr(self, name)
            new = np.empty((size, *old.shape[1:]), old.dtype)
            new[: self._n] = old[: self._n]
            setattr(self, name, new)


def locate(sorted_rows: Rows, wanted: Rows) -> tuple[NDArray[np.intp], Mask]:
    """Positions of ``wanted`` in ascending ``sorted_rows``, and which of them are there."""
    positions = np.searchsorted(sorted_rows, wanted)
    inside = positions < len(sorted_rows)
    positions[~inside] = 0
    present = inside if not len(sorted_rows) else inside & (sorted_rows[positions] == wanted)
    return positions, present


class ExactIndex:
    """A :class:`~mmedrag.protocols.CaseIndex` over cases in memory, without files or FAISS.

    Ranks by similarity and by the question's criteria, not by words; ties by id.

    Args:
        cases: what can be found; ids are unique.
        vectors: one row a case, ``(n, dim)``, norms at most 1.
        mentions: of each case's report; without them no filter can ask for them, and no case meets
            a criterion.
        relations: of the concepts; without them, no concept is a kind of another.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        vectors: Matrix,
        mentions: Sequence[Sequence[Mention]] | None = None,
        relations: Relations | None = None,
    ) -> None:
        self._cases = list(cases)
        self._vectors = np.ascontiguousarray(vectors, np.float32)
        self._mentions = mentions
        self._relations = relations

    def search(self, question: Question, k: int) -> list[Hit]:
        """The ``k`` most relevant cases; see :class:`~mmedrag.protocols.CaseIndex`.

        Raises:
            FilterError: the query's ``where`` does not parse, or asks for mentions in vain.
        """
        where, domain = question.query.where, question.routing.decision
        condition = parse(where) if where is not None else None
        values = similarities(self._vectors, question.vector)
        met = self._met(question.criteria)
        scores = relevance(
            values, np.zeros(len(values)), met if met.any() else None, weight_of(question.criteria)
        )
        chosen = [
            (-score, case.id, i)
            for i, (case, score) in enumerate(zip(self._cases, scores, strict=True))
            if domain in (None, case.domain)
            and (condition is None or condition.matches(case, self._stated(i), self._relations))
        ]
        return [
            Hit(self._cases[i], self._vectors[i], values[i], -negated)
            for negated, _, i in sorted(chosen)[: max(k, 0)]
        ]

    def _stated(self, i: int) -> Sequence[Mention] | None:
        return None if self._mentions is None else self._mentions[i]

    def _met(self, criteria: Sequence[Criterion]) -> NDArray[np.float64]:
        """How far each case meets the criteria, ``(n,)``."""
        is_a = identity if self._relations is None else self._relations.is_a
        met = np.zeros((len(criteria), len(self._cases)))
        for row, criterion in zip(met, criteria, strict=True):
            for i, mentions in enumerate(self._mentions or ()):
                row[i] = fulfilment(criterion, mentions, is_a)
        if all(criterion.required for criterion in criteria):
            return together(met, affirmed_by(criteria))
        return evidence(met, np.count_nonzero(met == 1.0, axis=1), len(self._cases))
