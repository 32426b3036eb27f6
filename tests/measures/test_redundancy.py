"""How much a ranking repeats itself, against values worked out by hand."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmedrag.measures.ranking import ndcg_at_k
from mmedrag.measures.redundancy import (
    alpha_ndcg_at_k,
    ideal_alpha_dcg_at_k,
    intra_list_similarity,
    repeated_share,
)

# Items by what they say of three nuggets.
A, B, C, NOTHING = [1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]


def nuggets(*rows: list[int]) -> np.ndarray:
    return np.array(rows, dtype=bool)


def test_alpha_ndcg_by_hand():
    # ranked A, B, C: gains 2, 1 (both said before, each counts half), 1
    found = 2 / log2(2) + 1 / log2(3) + 1 / log2(4)
    # ideal: A (2), then B and C add 1 each, in whichever order
    ideal = 2 / log2(2) + 1 / log2(3) + 1 / log2(4)
    best = ideal_alpha_dcg_at_k(nuggets(A, B, C))
    assert alpha_ndcg_at_k(nuggets(A, B, C), best) == pytest.approx(found / ideal)
    # ranked C, A, B: gains 1, 2, 1
    late = 1 / log2(2) + 2 / log2(3) + 1 / log2(4)
    assert alpha_ndcg_at_k(nuggets(C, A, B), best) == pytest.approx(late / ideal)


def test_alpha_decides_what_a_repetition_is_worth():
    pool = nuggets(A, B, C)
    # α = 0.9: A 2, B 2 · 0.1, C 1; the ideal is A, C, B
    found = 2 / log2(2) + 0.2 / log2(3) + 1 / log2(4)
    ideal = 2 / log2(2) + 1 / log2(3) + 0.2 / log2(4)
    best = ideal_alpha_dcg_at_k(pool, alpha=0.9)
    assert alpha_ndcg_at_k(nuggets(A, B, C), best, alpha=0.9) == pytest.approx(found / ideal)


def test_only_the_first_k_count():
    pool = nuggets(A, B, C, NOTHING)
    # NOTHING, A of an ideal A, then 1
    found, ideal = 2 / log2(3), 2 / log2(2) + 1 / log2(3)
    ranked = nuggets(NOTHING, A, C, B)
    assert alpha_ndcg_at_k(ranked, ideal_alpha_dcg_at_k(pool, k=2), k=2) == pytest.approx(
        found / ideal
    )


def test_nothing_to_find_is_zero():
    assert ideal_alpha_dcg_at_k(nuggets(NOTHING, NOTHING)) == 0.0
    assert alpha_ndcg_at_k(nuggets(NOTHING), 0.0) == 0.0


@given(arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 4))))
def test_without_alpha_it_is_ndcg_with_the_nuggets_as_gain(items):
    falling = -np.arange(len(items), dtype=float)
    expected = ndcg_at_k(falling, items.sum(axis=1), 5)
    best = ideal_alpha_dcg_at_k(items, k=5, alpha=0.0)
    assert alpha_ndcg_at_k(items, best, k=5, alpha=0.0) == pytest.approx(expected)


@given(arrays(np.bool_, st.tuples(st.integers(1, 9), st.just(1))))
def test_with_one_nugget_greed_is_ideal_and_nothing_exceeds_one(items):
    assert 0.0 <= alpha_ndcg_at_k(items, ideal_alpha_dcg_at_k(items)) <= 1.0 + 1e-12


def test_intra_list_similarity_by_hand():
    vectors = np.array([[1, 0], [0, 2], [1, 1]], np.float32)  # cosines 0, √½, √½
    assert intra_list_similarity(vectors) == pytest.approx(2 * 0.5**0.5 / 3)
    assert intra_list_similarity(vectors[:1]) == 0.0


def test_repeated_share_counts_items_that_come_again():
    names = [["study 1", "text a"], ["study 2"], ["study 1"], [], ["text a", "study 3"], []]
    assert repeated_share(names) == pytest.approx(2 / 6)
    assert repeated_share([]) == 0.0
