"""Rerankers tried beside :class:`~mmedrag.ranking.graph.GraphReranker`, which stay measured.

None of them is used by a preset: docs/notes/graph.md says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log

import numpy as np
from numpy.typing import NDArray

from mmedrag.ranking.graph import (
    ALPHA,
    Scores,
    Weights,
    best_cases,
    propagate,
    relevance_itself,
    sharp_graph,
    similarity_graph,
    transition,
)
from mmedrag.types import Assertion, Evidence, Mention, Question


@dataclass(frozen=True, slots=True)
class FindingGraph:
    """The query-aware walk with edges between items that affirm the same findings.

    A share of each step goes along them: the cosine of the items' affirmed concepts, weighted by
    their rarity (as entity edges in HippoRAG, Gutiérrez et al. 2024).
    """

    rarity: Mapping[str, float]
    share: float = 0.3

    def rerank(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The evidence by falling centrality."""
        if not evidence:
            return []
        near = transition(sharp_graph(_cosines(evidence)))
        alike = transition(self._edges([affirmed(e.mentions) for e in evidence]))
        P = (1.0 - self.share) * near + self.share * alike
        return _sorted(evidence, propagate(P, best_cases(evidence), ALPHA))

    def _edges(self, concepts_by_item: Sequence[frozenset[str]]) -> Weights:
        names = {name: i for i, name in enumerate(sorted(frozenset().union(*concepts_by_item)))}
        weights = np.zeros((len(concepts_by_item), len(names) + 1))
        for row, concepts in enumerate(concepts_by_item):
            for name in concepts:
                weights[row, names[name]] = self.rarity.get(name, 0.0)
        edges = similarity_graph(weights.astype(np.float32))
        np.fill_diagonal(edges, 0.0)
        return np.maximum(edges, 0.0)


@dataclass(frozen=True, slots=True)
class Rocchio:
    """Pseudo-relevance feedback (Rocchio 1971): the query moves towards the first results.

    Score: relevance + ``weight`` · mean cosine to the ``top`` most relevant items.
    """

    top: int = 3
    weight: float = 0.5

    def rerank(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The evidence by its similarity to the moved query."""
        if not evidence:
            return []
        q = relevance_itself(evidence)
        first = np.argsort(-q, kind="stable")[: self.top]
        return _sorted(evidence, q + self.weight * _cosines(evidence)[:, first].mean(axis=1))


@dataclass(frozen=True, slots=True)
class ReciprocalNeighbours:
    """Items whose neighbours are those of the query come first (Zhong et al. 2017, simplified).

    Score: relevance, stretched to 0…1, + ``weight`` · Jaccard overlap of the item's ``k`` nearest
    candidates with the query's.
    """

    k: int = 10
    weight: float = 1.0

    def rerank(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The evidence by relevance and common neighbours."""
        if not evidence:
            return []
        q = relevance_itself(evidence)
        mine = _nearest(q[np.newaxis], self.k)
        theirs = _nearest(_cosines(evidence), self.k)
        overlap = (theirs & mine).sum(axis=1) / (theirs | mine).sum(axis=1)
        stretched = (q - q.min()) / max(float(np.ptp(q)), 1e-12)
        return _sorted(evidence, stretched + self.weight * overlap)


def affirmed(mentions: Iterable[Mention]) -> frozenset[str]:
    """The concepts that a text says are there."""
    return frozenset(m.concept for m in mentions if m.assertion is Assertion.AFFIRMED)


def rarities(corpus: Sequence[Sequence[Mention]]) -> dict[str, float]:
    """Inverse document frequency of every concept that some text affirms."""
    counts = Counter(concept for mentions in corpus for concept in affirmed(mentions))
    return {concept: log(len(corpus) / n) for concept, n in counts.items()}


def _cosines(evidence: Sequence[Evidence]) -> Weights:
    return similarity_graph(np.stack([e.vector for e in evidence]))


def _nearest(values: Weights, k: int) -> NDArray[np.bool_]:
    k = min(k, values.shape[1])
    return values >= np.partition(values, -k, axis=1)[:, -k, np.newaxis]


def _sorted(evidence: Sequence[Evidence], scores: Scores) -> list[Evidence]:
    order = np.argsort(-np.round(scores, 9), kind="stable")
    return [replace(evidence[i], centrality=float(scores[i])) for i in order]
