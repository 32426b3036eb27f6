"""Graph-RAG reranking (section 3.5): the similarity graph of eq. 3 and the propagation of eq. 4.

Everything is dense numpy in float64: a context has tens of nodes, at most a few hundred.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmedrag.errors import QueryError
from mmedrag.measures.cosines import pairwise_cosines
from mmedrag.protocols import Reranker
from mmedrag.rounding import falling, rounded
from mmedrag.types import Case, Evidence, Matrix, Question

Weights: TypeAlias = NDArray[np.float64]
"""Edge weights w_ij, or transition shares, shape ``(n, n)``."""

Scores: TypeAlias = NDArray[np.float64]
"""One number a node, shape ``(n,)``."""

PAPER_ALPHA = 0.85
"""The paper's propagation coefficient (section 3.5.1)."""

ALPHA = 0.4
"""Ours, with :func:`sharp_graph` and :func:`best_cases`; chosen on training patients
(docs/notes/graph.md)."""

RESTART_WIDTH, EDGE_WIDTH = 0.7, 0.4
"""How far below the best, in standard deviations, relevance and cosines still count; chosen
with α."""

_FLAT = 1e-6  # a smaller standard deviation is float32's rounding: all are equal

TOLERANCE = 1e-9
"""How near the fixed point is near enough, as a share of the total relevance."""


def similarity_graph(vectors: Matrix) -> Weights:
    """Eq. 3: ``w_ij = e_i·e_j / (|e_i| |e_j|)``.

    Args:
        vectors: embeddings by row, shape ``(n, dim)``; they need not have norm 1.

    Returns:
        Cosines, shape ``(n, n)``. A row of zeros has cosine 0 to everything, itself included.
    """
    return pairwise_cosines(vectors)


def complete_graph(W: Weights) -> Weights:
    """Every node beside every other: eq. 4 sums over N(i), which the paper does not restrict.

    Two things the paper leaves open are settled here. Negative cosines become 0, since eq. 4
    divides by Σ_k w_jk and is a propagation only with weights that are not negative. A node is not
    its own neighbour, since a similarity of 1 to itself says nothing of mutual support.

    Args:
        W: cosines of eq. 3, shape ``(n, n)``.
    """
    weights = np.maximum(W, 0.0)
    np.fill_diagonal(weights, 0.0)
    return weights


def knn_graph(W: Weights, k: int = 10) -> Weights:
    """Keep an edge where either node is among the other's ``k`` nearest.

    Symmetric; no negative weight, no self-loop. Nodes that tie for place ``k`` all count, so that
    the graph does not depend on the order of the nodes.

    Args:
        W: cosines of eq. 3, shape ``(n, n)``.
        k: neighbours a node.

    Raises:
        QueryError: if ``k`` is below 1.
    """
    if k < 1:
        raise QueryError(f"A node cannot have {k} neighbours", "Give k of 1 or more.")
    weights = complete_graph(W)
    if len(weights) <= k:
        return weights
    near = rounded(weights) >= rounded(np.partition(weights, -k, axis=1)[:, -k, np.newaxis])
    return np.where(near | near.T, weights, 0.0)


def sharp_graph(W: Weights) -> Weights:
    """Directed edges that fall off steeply: w_ij ← exp((w_ij − max_k w_ik) / (0.4 · sd_k w_ik)).

    Measured in each node's own spread, an encoder whose cosines fill 0…1 gives the same edges as
    one whose cosines all lie above 0.85. There a complete graph passes every node almost equal
    shares, and eq. 4 measures how typical an item is, not what supports it. No edge where the
    cosine is not positive, and no self-loop.

    Args:
        W: cosines of eq. 3, shape ``(n, n)``.
    """
    weights = complete_graph(W)
    nearest = weights.max(axis=1, keepdims=True, initial=0.0)
    spread = np.maximum(weights.std(axis=1, keepdims=True), _FLAT)
    return np.where(weights > 0.0, np.exp((weights - nearest) / (EDGE_WIDTH * spread)), 0.0)


def relevance_itself(evidence: Sequence[Evidence]) -> Scores:
    """The q of eq. 4 as written: every item in proportion to its relevance, ``(n,)``."""
    return np.array([e.relevance for e in evidence], dtype=np.float64)


def best_cases(evidence: Sequence[Evidence]) -> Scores:
    """A q that is concentrated where the query is answered best, as shares of 1, ``(n,)``.

    Pseudo-relevance feedback (Rocchio 1971) as personalised PageRank (Haveliwala 2002): the walk
    returns to the few cases that stand out, so that a high score means near *them*. As it stands
    relevance differs too little for that (0.888 to 0.871 in section 4.4). The shares are the
    softmax of relevance in standard deviations, over 0.7: where no case stands out, many share.
    Definitions get what the cases pass to them: they were fetched by name, not found by
    similarity.
    """
    q = relevance_itself(evidence)
    is_case = np.array([isinstance(e.item, Case) for e in evidence], dtype=np.bool_)
    is_case |= not is_case.any()
    best, spread = q[is_case].max(), max(float(q[is_case].std()), _FLAT)
    shares = np.where(is_case, np.exp((np.minimum(q, best) - best) / (RESTART_WIDTH * spread)), 0.0)
    return np.asarray(shares / shares.sum())


def transition(W: Weights) -> Weights:
    """The shares of eq. 4: P_ij = w_ji / Σ_k w_jk, what node j passes on to node i.

    Every column sums to 1. A node without neighbours passes its score to itself, so that no score
    is lost.

    Args:
        W: weights that are not negative, shape ``(n, n)``.
    """
    degree = W.sum(axis=1)  # Σ_k w_jk
    alone = degree <= 0.0
    P = W.T / np.where(alone, 1.0, degree)
    P[alone, alone] = 1.0
    return P


def propagate(
    P: Weights,
    q: Scores,
    alpha: float = PAPER_ALPHA,
    tolerance: float = TOLERANCE,
    max_iterations: int = 1000,
) -> Scores:
    """Eq. 4, repeated until it stands still: s ← (1−α) q + α P s, from s = q.

    P is column-stochastic, so each step brings s nearer the only fixed point by the factor α in the
    1-norm (Banach), and Σs stays Σq.

    Args:
        P: :func:`transition` shares, shape ``(n, n)``.
        q: relevance to the query, shape ``(n,)``; negative entries count as 0, for an item cannot
            pass on less than nothing.
        alpha: propagation coefficient, 0 ≤ α < 1. At 0 the result is q.
        tolerance: largest 1-norm distance from the fixed point that is accepted, as a share of Σq.
        max_iterations: after t steps the distance is at most 2·αᵗ·Σq, whatever the tolerance.

    Returns:
        s, shape ``(n,)``, not negative.

    Raises:
        QueryError: if ``alpha`` is out of its range.
    """
    _check_alpha(alpha)
    q = np.maximum(q, 0.0)
    restart, shares, s = (1.0 - alpha) * q, alpha * P, q
    near = tolerance * (1.0 - alpha) * q.sum()
    for _ in range(max_iterations):
        previous, s = s, restart + shares @ s
        if alpha * np.abs(s - previous).sum() <= near:
            break
    return s


def solve(P: Weights, q: Scores, alpha: float = PAPER_ALPHA) -> Scores:
    """The fixed point of eq. 4 in one step: (1−α)(I − αP)⁻¹ q. The judge of :func:`propagate`.

    Arguments, range and errors as there.
    """
    _check_alpha(alpha)
    identity = np.eye(len(P))
    return np.asarray(np.linalg.solve(identity - alpha * P, (1.0 - alpha) * np.maximum(q, 0.0)))


@dataclass(frozen=True, slots=True)
class GraphReranker:
    """Section 3.5: sorts by the score of eq. 4 and fills :attr:`Evidence.centrality` with it.

    As it stands it is query-aware, which the paper's form (:func:`paper_graph`) hardly is:
    docs/notes/graph.md measures both. Scores are rounded (:mod:`mmedrag.rounding`), and ties keep
    the order they came in.

    Attributes:
        graph: makes edge weights of the cosines of eq. 3: :func:`sharp_graph`,
            :func:`complete_graph`, or :func:`knn_graph` (``partial`` sets its ``k``).
        alpha: of eq. 4.
        restart: makes the q of eq. 4: :func:`best_cases` or :func:`relevance_itself`.

    Raises:
        QueryError: if ``alpha`` is not in 0 ≤ α < 1.
    """

    graph: Callable[[Weights], Weights] = sharp_graph
    alpha: float = ALPHA
    restart: Callable[[Sequence[Evidence]], Scores] = best_cases

    def __post_init__(self) -> None:
        _check_alpha(self.alpha)

    def rerank(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The evidence by falling centrality."""
        if not evidence:
            return []
        W = similarity_graph(np.stack([e.vector for e in evidence]))  # eq. (3)
        s = propagate(transition(self.graph(W)), self.restart(evidence), self.alpha)  # eq. (4)
        s = rounded(s)
        return [replace(evidence[i], centrality=float(s[i])) for i in falling(s)]


def paper_graph() -> GraphReranker:
    """Section 3.5 as written: the complete graph, α = 0.85, every item in proportion to its q."""
    return GraphReranker(complete_graph, PAPER_ALPHA, relevance_itself)


@dataclass(frozen=True, slots=True)
class KeepOrder:
    """Standard RAG: the order of stage 1, and no centrality."""

    def rerank(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The evidence as it came."""
        return list(evidence)


@dataclass(frozen=True, slots=True)
class Chain:
    """Several rerankers, one after the other; an empty chain keeps the order."""

    rerankers: tuple[Reranker, ...]

    def rerank(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The order that the last reranker gives."""
        ranked = list(evidence)
        for reranker in self.rerankers:
            ranked = reranker.rerank(question, ranked)
        return ranked


def _check_alpha(alpha: float) -> None:
    if not 0.0 <= alpha < 1.0:
        raise QueryError(
            f"The propagation coefficient is {alpha}", "Give an alpha from 0 up to, not with, 1."
        )
