"""One direction of retrieval: its queries, its gallery, and what is measured over them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.hybrid import relevance
from mmedrag.datasets.corpus import SAME_GROUP, Codes, Relevance
from mmedrag.evaluation.lexical import bm25
from mmedrag.measures.bootstrap import interval
from mmedrag.measures.ranking import chance_at_1, ndcg_at_k, reciprocal_rank, success_at_k
from mmedrag.types import Matrix

METRICS = ("R@1", "R@5", "R@10", "MRR", "nDCG@10")
CHUNK = 256
"""Queries scored at a time; bounds the memory."""

Floats: TypeAlias = NDArray[np.float64]
Duplicates: TypeAlias = tuple[Codes, Codes]
"""Codes of the queries and of the gallery; equal ones (from 0) are the same thing."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Queries or gallery items: the record of each, and its vector, ``(n, dim)``."""

    records: Codes
    vectors: Matrix
    texts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.records)

    def taken(self, rows: NDArray[np.intp]) -> Side:
        """The records of these rows alone."""
        texts = tuple(self.texts[i] for i in rows) if self.texts else ()
        return Side(self.records[rows], self.vectors[rows], texts)


@dataclass(frozen=True, eq=False)
class Direction:
    """What is asked and what is searched.

    Scores are inner products (eq. 2). Where both sides have ``texts``, cosine and BM25 are blended
    as stage 1 of a casebase does; its concept channel, which needs a dictionary and not an encoder,
    is measured by itself (benchmarks/concept_channel.py). ``duplicates`` are never shown to the
    query that they equal.
    """

    name: str
    queries: Side
    gallery: Side
    duplicates: tuple[Duplicates, ...] = ()

    def restricted(self, records: NDArray[np.bool_]) -> Direction:
        """The same among some of the records, ``(all records,)``."""
        queries = np.flatnonzero(records[self.queries.records])
        shown = np.flatnonzero(records[self.gallery.records])
        return replace(
            self,
            queries=self.queries.taken(queries),
            gallery=self.gallery.taken(shown),
            duplicates=tuple((mine[queries], theirs[shown]) for mine, theirs in self.duplicates),
        )

    def scored(self) -> Iterator[tuple[slice, Floats, NDArray[np.bool_]]]:
        """Chunks of queries: which, their scores, and which gallery items each may see.

        Scores are rounded to nine decimals, so that equal vectors tie wherever they stand.
        """
        theirs = self.gallery.vectors.astype(np.float64).T
        for start in range(0, len(self.queries), CHUNK):
            chunk = slice(start, min(start + CHUNK, len(self.queries)))
            scores = self.queries.vectors[chunk].astype(np.float64) @ theirs
            if self.gallery.texts:
                pairs = zip(scores, self._bm25[chunk], strict=True)
                scores = np.stack([relevance(cosines, words) for cosines, words in pairs])
            yield chunk, np.round(scores, 9), self._visible(chunk)

    def _visible(self, chunk: slice) -> NDArray[np.bool_]:
        seen = np.ones((chunk.stop - chunk.start, len(self.gallery)), np.bool_)
        for mine, theirs in self.duplicates:
            queries = mine[chunk][:, None]
            seen &= (queries != theirs) | (queries < 0)
        return seen

    @cached_property
    def _bm25(self) -> Floats:
        return bm25(self.queries.texts, self.gallery.texts)


@dataclass(frozen=True, slots=True, eq=False)
class DirectionFigures:
    """What a direction gave, by query: two rankers are compared with ``bootstrap.paired_test``.

    ``values`` is ``(queries, len(METRICS))``; ``groups`` the queries' groups; ``chance`` R@1 of a
    random order; ``answerable`` whether anything relevant was there; ``silent`` that every score
    was exactly zero.
    """

    values: Floats
    groups: Codes
    chance: Floats
    answerable: NDArray[np.bool_]
    gallery: int
    gallery_groups: int
    silent: bool

    def means(self) -> dict[str, float]:
        """Every metric, averaged over the queries."""
        return {name: rounded(v) for name, v in zip(METRICS, self.values.mean(0), strict=True)}

    def figures(self) -> dict[str, object]:
        """The figures of the report (docs/guide/evaluation.md)."""
        ends = interval(self.values, self.groups)
        return {
            **self.means(),
            "n": self.gallery,
            "queries": len(self.values),
            "groups": self.gallery_groups,
            "chance@1": rounded(self.chance.mean()),
            "ceiling@1": rounded(self.answerable.mean()),
            "ci95": {
                name: [rounded(low), rounded(high)]
                for name, (low, high) in zip(METRICS, ends, strict=True)
            },
        }


def measure(direction: Direction, truth: Relevance) -> DirectionFigures | None:
    """Rank the gallery for every query; ``None`` without a query or a gallery."""
    n = len(direction.queries)
    if n == 0 or len(direction.gallery) == 0:
        return None
    values, chance = np.zeros((n, len(METRICS))), np.zeros(n)
    answerable, silent = np.zeros(n, np.bool_), True
    for chunk, scores, visible in direction.scored():
        grades = truth.grades(direction.queries.records[chunk], direction.gallery.records)
        silent = silent and not scores.any()
        for i, row in enumerate(range(chunk.start, chunk.stop)):
            seen, graded = scores[i][visible[i]], grades[i][visible[i]]
            relevant = graded == SAME_GROUP
            values[row] = _metrics(seen, relevant, graded)
            chance[row] = chance_at_1(relevant)
            answerable[row] = relevant.any()
    groups = truth.groups
    return DirectionFigures(
        values=values,
        groups=groups[direction.queries.records],
        chance=chance,
        answerable=answerable,
        gallery=len(direction.gallery),
        gallery_groups=len(np.unique(groups[direction.gallery.records])),
        silent=silent,
    )


def rounded(value: float) -> float:
    """Six decimals: enough for any gallery, and short in JSON."""
    return round(float(value), 6)


def _metrics(scores: Floats, relevant: NDArray[np.bool_], grades: NDArray[np.int8]) -> list[float]:
    return [
        success_at_k(scores, relevant, 1),
        success_at_k(scores, relevant, 5),
        success_at_k(scores, relevant, 10),
        reciprocal_rank(scores, relevant),
        ndcg_at_k(scores, grades, 10),
    ]


def arrow(direction: str) -> str:
    """``image_to_text`` as a reader says it."""
    return direction.replace("both", "image + text").replace("_to_", " → ")
