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
from mmedrag.protocols import Reranker
from mmedrag.types import Evidence, Matrix

Weights: TypeAlias = NDArray[np.float64]
"""Edge weights w_ij, or transition shares, shape ``(n, n)``."""

Scores: TypeAlias = NDArray[np.float64]
"""One number a node, shape ``(n,)``."""

PAPER_ALPHA = 0.85
"""The paper's propagation coefficient (section 3.5.1)."""

ALPHA = 0.6
"""Ours, with :func:`rank_graph` and :func:`first_ranks`; chosen on training patients
(docs/graph.md)."""

RESTART_POWER, EDGE_POWER = 3.0, 2.0
"""How fast :func:`first_ranks` and :func:`rank_graph` fall with the rank; chosen with α."""

TOLERANCE = 1e-9
"""How near the fixed point is near enough, as a share of the total relevance."""


def similarity_graph(vectors: Matrix) -> Weights:
    """Eq. 3: w_ij = e_i·e_j / (|e_i| |e_j|).

    Args:
        vectors: embeddings by row, shape ``(n, dim)``; they need not have norm 1.

    Returns:
        Cosines, shape ``(n, n)``. A row of zeros has cosine 0 to everything, itself included.
    """
    e = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(e, axis=1, keepdims=True)
    unit = np.divide(e, norms, out=np.zeros_like(e), where=norms > 0)
    return np.asarray(unit @ unit.T)


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
    kth = np.partition(weights, -k, axis=1)[:, -k, np.newaxis]
    near = weights >= kth
    return np.where(near | near.T, weights, 0.0)


def rank_graph(W: Weights) -> Weights:
    """Directed edges: 1 to a node's nearest neighbour, 1/4 to the second, 1/9 to the third.

    Ranks in place of cosines say the same for an encoder whose cosines fill 0…1 as for one whose
    all lie above 0.85, where a complete graph passes every node almost equal shares and eq. 4
    measures how typical an item is, not what supports it. Equal cosines share the better rank; no
    edge where the cosine is not positive, and no self-loop.

    Args:
        W: cosines of eq. 3, shape ``(n, n)``.
    """
    weights = complete_graph(W)
    return np.where(weights > 0.0, _reciprocal_ranks(weights, EDGE_POWER), 0.0)


def first_ranks(q: Scores) -> Scores:
    """Where the walk of eq. 4 starts anew: 1, 1/8, 1/27 by falling relevance, as shares of 1.

    Pseudo-relevance feedback (Rocchio 1971) as a personalised PageRank (Haveliwala 2002): the walk
    returns to the few items that answer the query best, so that a high score means near *them*.
    The cosines of the candidates themselves differ too little for that (0.888 to 0.871 in section
    4.4). Equal relevance shares the better rank.

    Args:
        q: relevance to the query, shape ``(n,)``.
    """
    shares = _reciprocal_ranks(q, RESTART_POWER)
    return np.asarray(shares / shares.sum())


def relevance_itself(q: Scores) -> Scores:
    """Eq. 4 as written: the walk returns to every item in proportion to its relevance."""
    return q


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
    docs/graph.md measures both. Scores that differ by less than the tolerance are a tie, and ties
    keep the order they came in.

    Attributes:
        graph: makes edge weights of the cosines of eq. 3: :func:`rank_graph`,
            :func:`complete_graph`, or :func:`knn_graph` (``partial`` sets its ``k``).
        alpha: of eq. 4.
        restart: makes the q of eq. 4 of :attr:`Evidence.relevance`: :func:`first_ranks` or
            :func:`relevance_itself`.

    Raises:
        QueryError: if ``alpha`` is not in 0 ≤ α < 1.
    """

    graph: Callable[[Weights], Weights] = rank_graph
    alpha: float = ALPHA
    restart: Callable[[Scores], Scores] = first_ranks

    def __post_init__(self) -> None:
        _check_alpha(self.alpha)

    def rerank(self, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The evidence by falling centrality."""
        if not evidence:
            return []
        W = similarity_graph(np.stack([e.vector for e in evidence]))  # eq. (3)
        q = self.restart(np.array([e.relevance for e in evidence], dtype=np.float64))
        s = propagate(transition(self.graph(W)), q, self.alpha)  # eq. (4)
        order = np.argsort(-np.round(s, 9), kind="stable")
        return [replace(evidence[i], centrality=float(s[i])) for i in order]


def paper_graph() -> GraphReranker:
    """Section 3.5 as written: the complete graph, α = 0.85, every item in proportion to its q."""
    return GraphReranker(complete_graph, PAPER_ALPHA, relevance_itself)


@dataclass(frozen=True, slots=True)
class KeepOrder:
    """Standard RAG: the order of stage 1, and no centrality."""

    def rerank(self, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The evidence as it came."""
        return list(evidence)


@dataclass(frozen=True, slots=True)
class Chain:
    """Several rerankers, one after the other; an empty chain keeps the order."""

    rerankers: tuple[Reranker, ...]

    def rerank(self, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The order that the last reranker gives."""
        ranked = list(evidence)
        for reranker in self.rerankers:
            ranked = reranker.rerank(ranked)
        return ranked


def _reciprocal_ranks(values: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """1 / rankᵖ along the last axis, the largest value first; equal values share the better rank.

    Nine decimals count: equal vectors have equal cosines wherever they stand.
    """
    rounded = -np.round(values, 9)
    order = np.argsort(rounded, axis=-1)
    ordered = np.take_along_axis(rounded, order, axis=-1)
    places = np.broadcast_to(np.arange(1.0, values.shape[-1] + 1.0), values.shape).copy()
    places[..., 1:][ordered[..., 1:] == ordered[..., :-1]] = 0.0
    ranks = np.empty_like(places)
    np.put_along_axis(ranks, order, np.maximum.accumulate(places, axis=-1), axis=-1)
    return np.asarray(ranks**-power)


def _check_alpha(alpha: float) -> None:
    if not 0.0 <= alpha < 1.0:
        raise QueryError(
            f"The propagation coefficient is {alpha}", "Give an alpha from 0 up to, not with, 1."
        )
