"""Section 4.4 measured: rerankers of section 3.5 on real candidates with graded relevance.

Choices (α) are made on patients carved from the training part, everything is reported on the
patients who are asked about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedrag.datasets.corpus import SAME_LABELS
from mmedrag.measures.bootstrap import PairedTest, interval, paired_test
from mmedrag.measures.redundancy import alpha_ndcg_at_k, intra_list_similarity, repeated_share
from mmedrag.paper.alternatives import FindingGraph, ReciprocalNeighbours, Rocchio, rarities
from mmedrag.paper.candidates import SHOWN, RerankQuery
from mmedrag.paper.gallery import Gallery
from mmedrag.presets import default_reranker
from mmedrag.protocols import Reranker
from mmedrag.ranking.diversity import DuplicatesLast, MaximalMarginalRelevance, identities
from mmedrag.ranking.graph import (
    PAPER_ALPHA,
    Chain,
    GraphReranker,
    KeepOrder,
    Scores,
    Weights,
    best_cases,
    complete_graph,
    knn_graph,
    paper_graph,
    relevance_itself,
    sharp_graph,
    similarity_graph,
    solve,
    transition,
)
from mmedrag.rounding import falling
from mmedrag.types import Case, Evidence

METRICS = ("nDCG@10", "α-nDCG@10", "MRR", "pairwise", "repeated", "similarity")
"""``pairwise``: mean cosine within the top ten. ``repeated``: share of the ten that repeat an
earlier one. ``similarity``: mean cosine to the query."""

STANDARD, PAPER, OURS, DEFAULT = (
    "Standard RAG (cosine)",
    "paper: complete graph, α = 0.85",
    "ours: query-aware walk",
    "agreement on findings, duplicates last (default)",
)

NEW, SAME_PATIENT = "new patient", "other records of the patient in the gallery"
"""What a query's patient is to the gallery."""

ALPHAS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)

Walk = tuple[Callable[[Weights], Weights], Callable[[Sequence[Evidence]], Scores]]
WALKS: Mapping[str, Walk] = {
    "complete graph": (complete_graph, relevance_itself),
    "10-NN graph": (knn_graph, relevance_itself),
    "sharp graph, from the best cases": (sharp_graph, best_cases),
}
"""Graph and restart of eq. 4 whose α is swept."""

SAME = 0.98
"""Cosine from which a case repeats another, as in :mod:`mmedrag.ranking.diversity`."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RerankFigures:
    """One reranker on some queries: ``values`` is ``(queries, len(METRICS))``."""

    values: Floats
    groups: NDArray[np.int64]

    def means(self) -> dict[str, float]:
        """Every metric, averaged over the queries."""
        return dict(zip(METRICS, self.values.mean(axis=0).tolist(), strict=True))

    def intervals(self) -> dict[str, list[float]]:
        """95 % bootstrap intervals of the means, patients drawn whole."""
        return dict(zip(METRICS, interval(self.values, self.groups).tolist(), strict=True))

    def against(self, other: RerankFigures, metric: str) -> PairedTest:
        """Paired bootstrap of one metric against another reranker on the same queries."""
        column = METRICS.index(metric)
        return paired_test(self.values[:, column], other.values[:, column], self.groups)


def rerankers(gallery: Gallery) -> dict[str, Reranker]:
    """What is compared, by name; the first is the baseline."""
    last, mmr = DuplicatesLast(), MaximalMarginalRelevance()
    flat = GraphReranker(complete_graph, 0.2, relevance_itself)
    return {
        STANDARD: KeepOrder(),
        PAPER: paper_graph(),
        "10-NN graph, α = 0.85": GraphReranker(knn_graph, PAPER_ALPHA, relevance_itself),
        "complete graph, α = 0.2": flat,
        "duplicates last": last,
        "MMR": mmr,
        "MMR, duplicates last": Chain((mmr, last)),
        "paper, MMR, duplicates last": Chain((paper_graph(), mmr, last)),
        "complete α = 0.2, MMR, duplicates last": Chain((flat, mmr, last)),
        "Rocchio feedback": Rocchio(),
        "reciprocal neighbours": ReciprocalNeighbours(),
        "ours with finding edges": FindingGraph(rarities(gallery.mentions)),
        OURS: GraphReranker(),
        "ours, duplicates last": Chain((GraphReranker(), last)),
        DEFAULT: default_reranker(),
    }


def measure(reranker: Reranker, queries: Sequence[RerankQuery]) -> RerankFigures:
    """Rerank every query's candidates and look at the first ten cases."""
    values = [
        _values(query, cases_of(reranker.rerank(query.question, query.evidence)))
        for query in queries
    ]
    return RerankFigures(np.array(values), np.array([query.group for query in queries]))


def cases_of(ranked: Sequence[Evidence]) -> list[Evidence]:
    """The cases that the context has room for."""
    return [e for e in ranked if isinstance(e.item, Case)][:SHOWN]


def sweep(queries: Sequence[RerankQuery]) -> dict[str, Floats]:
    """nDCG@10 of each walk, by α and query: ``(len(ALPHAS), queries)``."""
    values = {name: np.zeros((len(ALPHAS), len(queries))) for name in WALKS}
    for column, query in enumerate(queries):
        W = similarity_graph(np.stack([e.vector for e in query.evidence]))
        for name, (graph, restart) in WALKS.items():
            P, start = transition(graph(W)), restart(query.evidence)
            for row, alpha in enumerate(ALPHAS):
                s = np.round(solve(P, start, alpha), 9)
                order = falling(s)
                ranked = cases_of([query.evidence[i] for i in order])
                values[name][row, column] = _ndcg(query, ranked)
    return values


def best_alpha(swept: Floats) -> float:
    """The α of the highest mean nDCG@10, the smallest of equals.

    ``swept`` is float64 ``(alphas, queries)``.
    """
    return ALPHAS[int(np.argmax(np.round(swept.mean(axis=1), 9)))]


def _values(query: RerankQuery, top: Sequence[Evidence]) -> list[float]:
    nuggets = np.stack([query.nuggets[e.key] for e in top])
    vectors = np.stack([e.vector for e in top])
    return [
        _ndcg(query, top),
        alpha_ndcg_at_k(nuggets, query.ideal_alpha_dcg, SHOWN),
        _reciprocal_rank(query, top),
        intra_list_similarity(vectors),
        repeated_share(_names(top, similarity_graph(vectors))),
        float(np.mean([e.similarity for e in top])),
    ]


def _ndcg(query: RerankQuery, top: Sequence[Evidence]) -> float:
    grades = np.array([query.grades[e.key] for e in top])
    discounts = 1.0 / np.log2(np.arange(2, SHOWN + 2))
    ideal = float(query.ideal @ discounts[: len(query.ideal)])
    return float(grades @ discounts[: len(grades)]) / ideal


def _reciprocal_rank(query: RerankQuery, top: Sequence[Evidence]) -> float:
    """Of the first case of the same patient or with the same finding set, among those shown."""
    ranks = (i for i, e in enumerate(top, 1) if query.grades[e.key] >= SAME_LABELS)
    return 1.0 / next(ranks, np.inf)


def _names(top: Sequence[Evidence], W: Weights) -> list[set[tuple[object, ...]]]:
    """What a case can be recognised by: its marks, itself, and earlier cases that it is near to."""
    near = np.tril(W >= SAME) | np.eye(len(top), dtype=np.bool_)
    return [
        {*identities(e), *_study(e), *(("near", int(j)) for j in np.flatnonzero(row))}
        for e, row in zip(top, near, strict=True)
    ]


def _study(e: Evidence) -> set[tuple[object, ...]]:
    """The study of a case, where it names one: two images of it are counted as a repetition."""
    study = e.item.study_id if isinstance(e.item, Case) else ""
    return {("study", study)} if study else set()
