"""The controlled experiment of section 4.4: one query, five sentences, "score compression"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmedrag.measures.cosines import unit_rows
from mmedrag.measures.redundancy import intra_list_similarity
from mmedrag.protocols import Embedder
from mmedrag.ranking.graph import (
    PAPER_ALPHA,
    GraphReranker,
    Scores,
    complete_graph,
    paper_graph,
    propagate,
    transition,
)
from mmedrag.types import Case, Evidence, Matrix, Query, Question, Routing

QUERY = "chest x-ray showing consolidation in right lower lobe with fever"

PAPER_SCORES = {
    "right lower lobe consolidation consistent with bacterial pneumonia": (0.8881, 0.8539),
    "left upper lobe mass suspicious for malignancy": (0.8798, 0.8529),
    "pleural effusion noted on lateral chest view": (0.8745, 0.8521),
    "interstitial prominence consistent with viral infection": (0.8740, 0.8521),
    "cardiomegaly with vascular congestion": (0.8707, 0.8517),
}
"""The paper's five results by Standard RAG's rank, with the scores of both rankings."""

OFF_TOPIC = "left upper lobe mass suspicious for malignancy"


@dataclass(frozen=True, slots=True)
class Coherence:
    """What eq. 4 does to the five sentences, embedded by one encoder.

    ``similarity``, ``paper`` and ``ours`` are scores by sentence: cosine to the query, eq. 4 as in
    the paper, and the query-aware walk. ``shrinkage`` is the spread (largest less smallest) of the
    paper's scores over that of the cosines, ``even`` the same with all edges equal, ``predicted``
    what arithmetic gives there (:func:`predicted_shrinkage`). ``pairwise`` is the mean cosine
    between the sentences.
    """

    similarity: dict[str, float]
    paper: dict[str, float]
    ours: dict[str, float]
    shrinkage: float
    even: float
    predicted: float
    pairwise: float

    def rank(self, sentence: str, scores: dict[str, float]) -> int:
        """The rank of a sentence by its score, from 1."""
        return 1 + sum(score > scores[sentence] for score in scores.values())


def controlled(embedder: Embedder) -> Coherence:
    """Rank the paper's sentences with another encoder, as section 4.4 does."""
    sentences = list(PAPER_SCORES)
    vectors = embedder.embed([Case(id=s, text=s) for s in sentences])
    query = Query(text=QUERY)
    question = Question(query, Routing({}, None), embedder.embed([query])[0])
    cosines = unit_rows(vectors) @ question.vector  # a text alone may have a norm below 1
    evidence = _evidence(sentences, vectors, cosines.tolist())
    similarity = {e.name: e.relevance for e in evidence}
    paper = _scores(paper_graph(), question, evidence)
    return Coherence(
        similarity=similarity,
        paper=paper,
        ours=_scores(GraphReranker(), question, evidence),
        shrinkage=spread(paper) / spread(similarity),
        even=_even_shrinkage(np.array(list(similarity.values()))),
        predicted=predicted_shrinkage(len(sentences)),
        pairwise=intra_list_similarity(vectors),
    )


def predicted_shrinkage(n: int, alpha: float = PAPER_ALPHA) -> float:
    """``(1 − α) / (1 + α / (n − 1))``: how eq. 4 shrinks any spread where all edges are equal.

    With ``P = (1 − I) / (n − 1)`` the fixed point is ``s_i − s̄ = that · (q_i − q̄)``; the meaning
    of the items does not occur in it.
    """
    return (1.0 - alpha) / (1.0 + alpha / (n - 1))


def spread(scores: dict[str, float]) -> float:
    """Largest less smallest score."""
    return max(scores.values()) - min(scores.values())


def paper_spreads() -> tuple[float, float]:
    """The spreads of the scores that the paper prints: Standard RAG, Graph-RAG."""
    before, after = zip(*PAPER_SCORES.values(), strict=True)
    return max(before) - min(before), max(after) - min(after)


def _even_shrinkage(q: Scores) -> float:
    """What eq. 4 leaves of the spread of q on a complete graph with equal edges."""
    s = propagate(transition(complete_graph(np.ones((len(q), len(q))))), q - q.min())
    return float(np.ptp(s) / np.ptp(q))


def _evidence(
    sentences: list[str], vectors: Matrix, similarities: list[float]
) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(f"C{i}", Case(id=sentence, text=sentence), vector, score, score)
        for i, (sentence, vector, score) in enumerate(
            zip(sentences, vectors, similarities, strict=True), 1
        )
    )


def _scores(
    reranker: GraphReranker, question: Question, evidence: tuple[Evidence, ...]
) -> dict[str, float]:
    return {e.name: float(e.centrality or 0.0) for e in reranker.rerank(question, evidence)}
