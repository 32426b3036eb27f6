"""Rerankers on candidates with graded relevance, and the section that tells of them."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest

from mmedrag.paper.candidates import RerankQuery
from mmedrag.paper.rerank import (
    ALPHAS,
    METRICS,
    WALKS,
    best_alpha,
    measure,
    sweep,
)
from mmedrag.ranking.graph import KeepOrder, paper_graph
from mmedrag.testing.questions import question_of
from mmedrag.types import Case, Evidence, Query


def made(grades: list[int], said: list[list[int]], vectors: list[list[float]]) -> RerankQuery:
    """A query with these candidates, in this order, and nothing else in the gallery."""
    evidence = tuple(
        Evidence(f"C{i}", Case(id=str(i)), np.array(v, np.float32), 1 - i / 10, 1 - i / 10)
        for i, v in enumerate(vectors, 1)
    )
    keys = [e.key for e in evidence]
    return RerankQuery(
        mode="text",
        source="made",
        own_case=False,
        group=0,
        question=question_of(Query(text="q"), evidence[0].vector),
        evidence=evidence,
        grades=dict(zip(keys, grades, strict=True)),
        nuggets=dict(zip(keys, np.array(said, bool), strict=True)),
        ideal=-np.sort(-np.array(grades, float)),
        ideal_alpha_dcg=1.0,
    )


def test_metrics_by_hand():
    query = made(grades=[0, 2, 1], said=[[0, 0], [1, 0], [1, 1]], vectors=[[1, 0], [0, 1], [0, 1]])
    found = measure(KeepOrder(), [query]).means()
    ndcg = (2 / log2(3) + 1 / log2(4)) / (2 / log2(2) + 1 / log2(3))
    # the second says one thing; the third repeats it, for half, and says another
    alpha = 1 / log2(3) + 1.5 / log2(4)
    assert found == pytest.approx(
        {
            "nDCG@10": ndcg,
            "α-nDCG@10": alpha,
            "MRR": 1 / 2,
            "pairwise": 1 / 3,
            "repeated": 1 / 3,
            "similarity": 0.8,
        }
    )


def test_without_propagation_every_walk_is_the_order_of_stage_1(asked: list[RerankQuery]):
    standard = measure(KeepOrder(), asked).values[:, 0]
    swept = sweep(asked)
    for name in WALKS:
        ties = "complete" in name or "10-NN" in name
        assert ALPHAS[0] == 0.0
        assert swept[name][0] == pytest.approx(standard, abs=0.0 if ties else 1e-9)
    paper = measure(paper_graph(), asked).values[:, 0]
    assert swept["complete graph"][ALPHAS.index(0.85)] == pytest.approx(paper)


def test_a_new_order_of_image_candidates_cannot_raise_their_mean_similarity(
    asked: list[RerankQuery],
):
    """METHOD, contradiction 3 of the paper; text queries are ranked by words too."""
    mine = [query for query in asked if query.mode == "image"]
    column = METRICS.index("similarity")
    before, after = (measure(r, mine).values[:, column] for r in (KeepOrder(), paper_graph()))
    assert (after <= before + 1e-6).all()


def test_the_best_alpha_is_the_smallest_of_equals():
    swept = np.zeros((len(ALPHAS), 2))
    swept[[3, 5]] = 0.5
    assert best_alpha(swept) == ALPHAS[3]
