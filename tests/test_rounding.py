"""No order depends on the last digits of a score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.ranking.diversity import MaximalMarginalRelevance
from mmedrag.ranking.graph import GraphReranker, KeepOrder, complete_graph, knn_graph, paper_graph
from mmedrag.rounding import falling, rounded
from mmedrag.types import Case, Evidence, Query, Question, Routing

NOISE = 4e-16
QUESTION = Question(Query("x"), Routing({}, None), np.zeros(4, np.float32))
SCORES = st.lists(st.integers(0, 5), min_size=1, max_size=12)
SEEDS = st.integers(0, 2**32 - 1)


def disturbed(values: np.ndarray, seed: int) -> np.ndarray:
    return values + np.random.default_rng(seed).uniform(-NOISE, NOISE, values.shape)


@given(SCORES, SEEDS)
def test_noise_of_the_last_digit_moves_nothing(steps, seed):
    scores = np.array(steps) / 7
    assert falling(disturbed(scores, seed)).tolist() == falling(scores).tolist()
    assert (rounded(disturbed(scores, seed)) == rounded(scores)).all()


def test_zero_has_no_sign():
    assert str(rounded([-1e-17])[0]) == "0.0"


def evidence(relevances: np.ndarray, seed: int) -> list[Evidence]:
    """Cases of which many are equal, so that ties are the rule."""
    draw = np.random.default_rng(seed)
    vectors = np.eye(3, 4, dtype=np.float32)[draw.integers(0, 3, len(relevances))] + 0.1
    return [
        Evidence(f"C{i}", Case(id=f"c{i}"), vector / np.linalg.norm(vector), float(r), float(r))
        for i, (r, vector) in enumerate(zip(relevances, vectors, strict=True), 1)
    ]


@given(SCORES, SEEDS)
def test_rerankers_give_the_same_order_with_and_without_noise(steps, seed):
    exact = evidence(np.array(steps) / 7, seed)
    noisy = [
        replace(e, relevance=float(r))
        for e, r in zip(exact, disturbed(np.array(steps) / 7, seed), strict=True)
    ]
    knn = GraphReranker(lambda W: knn_graph(W, 2))
    for reranker in (paper_graph(), knn, MaximalMarginalRelevance(0.5), KeepOrder()):
        assert [e.key for e in reranker.rerank(QUESTION, noisy)] == [
            e.key for e in reranker.rerank(QUESTION, exact)
        ]


@given(SCORES, SEEDS)
def test_reported_centralities_fall(steps, seed):
    ranked = paper_graph().rerank(QUESTION, evidence(np.array(steps) / 7, seed))
    values = [e.centrality for e in ranked]
    assert values == sorted(values, reverse=True)


@given(SEEDS)
def test_neighbours_that_tie_for_the_last_place_all_count(seed):
    W = np.full((6, 6), 0.5)
    assert (knn_graph(disturbed(W, seed), 2) > 0).sum() == (complete_graph(W) > 0).sum()
