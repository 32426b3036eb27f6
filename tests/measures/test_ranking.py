"""Every metric by hand, and its laws."""

from __future__ import annotations

from itertools import permutations
from math import comb, log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedrag.measures.ranking import (
    chance_at_1,
    ndcg_at_k,
    precision_at_k,
    reciprocal_rank,
    success_at_k,
)

SCORES = np.array([0.9, 0.7, 0.5, 0.3])


def relevant(*places: int, n: int = 4) -> np.ndarray:
    return np.isin(np.arange(n), places)


def test_success_asks_whether_any_relevant_item_is_in_reach() -> None:
    assert success_at_k(SCORES, relevant(2), 1) == 0.0
    assert success_at_k(SCORES, relevant(2), 2) == 0.0
    assert success_at_k(SCORES, relevant(2), 3) == 1.0
    assert success_at_k(SCORES, relevant(1, 2), 2) == 1.0
    assert success_at_k(SCORES, relevant(), 4) == 0.0


def test_reciprocal_rank_is_that_of_the_first() -> None:
    assert reciprocal_rank(SCORES, relevant(0)) == 1 / 1
    assert reciprocal_rank(SCORES, relevant(2, 3)) == 1 / 3
    assert reciprocal_rank(SCORES, relevant()) == 0.0


def test_precision_divides_by_k() -> None:
    assert precision_at_k(SCORES, relevant(0, 2), 2) == 1 / 2
    assert precision_at_k(SCORES, relevant(0, 2), 3) == 2 / 3
    assert precision_at_k(SCORES, relevant(0, 2), 10) == 2 / 10


def test_ndcg_by_hand() -> None:
    grades = np.array([1, 3, 0, 2])
    gained = 1 / log2(2) + 3 / log2(3) + 0 / log2(4)
    ideal = 3 / log2(2) + 2 / log2(3) + 1 / log2(4)
    assert ndcg_at_k(SCORES, grades, 3) == pytest.approx(gained / ideal)
    assert ndcg_at_k(SCORES, np.array([3, 2, 1, 0]), 3) == 1.0
    assert ndcg_at_k(SCORES, np.zeros(4, int), 3) == 0.0


def test_ties_count_by_their_chance() -> None:
    tied = np.array([0.9, 0.5, 0.5, 0.5])
    one = relevant(2)
    assert success_at_k(tied, one, 1) == 0.0
    assert success_at_k(tied, one, 2) == pytest.approx(1 / 3)
    assert success_at_k(tied, one, 3) == pytest.approx(2 / 3)
    assert success_at_k(tied, one, 4) == 1.0
    assert reciprocal_rank(tied, one) == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 3)
    assert precision_at_k(tied, one, 2) == pytest.approx((0 + 1 / 3) / 2)
    gain = 3 / 3
    expected = gain / log2(3) + gain / log2(4)
    assert ndcg_at_k(tied, np.array([0, 3, 0, 0]), 3) == pytest.approx(expected / (3 / log2(2)))


def test_a_scorer_without_opinion_measures_chance() -> None:
    same = np.zeros(50)
    some = relevant(3, 20, 21, n=50)
    assert success_at_k(same, some, 1) == pytest.approx(chance_at_1(some)) == 3 / 50
    assert success_at_k(same, some, 5) == pytest.approx(1 - comb(47, 5) / comb(50, 5))
    assert precision_at_k(same, some, 10) == pytest.approx(3 / 50)


def test_an_empty_gallery_scores_nothing() -> None:
    nothing, none = np.zeros(0), np.zeros(0, bool)
    assert success_at_k(nothing, none, 1) == 0.0
    assert reciprocal_rank(nothing, none) == 0.0
    assert precision_at_k(nothing, none, 10) == 0.0
    assert ndcg_at_k(nothing, np.zeros(0, int), 10) == 0.0
    assert chance_at_1(none) == 0.0


def test_random_scores_are_at_chance() -> None:
    rng = np.random.default_rng(5)
    some = relevant(*range(6), n=60)
    found = [success_at_k(rng.random(60), some, 1) for _ in range(4000)]
    error = np.sqrt(0.1 * 0.9 / 4000)
    assert abs(np.mean(found) - 6 / 60) < 4 * error


ranked = st.integers(1, 5).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 2), min_size=n, max_size=n),
        st.lists(st.integers(0, 3), min_size=n, max_size=n),
        st.integers(1, n + 1),
    )
)


@settings(max_examples=40, deadline=None)
@given(ranked)
def test_each_is_the_mean_over_all_ways_to_break_ties(
    case: tuple[list[int], list[int], int],
) -> None:
    scores, grades, k = np.array(case[0], float), np.array(case[1]), case[2]
    found = []
    for order in permutations(range(len(scores))):
        broken = scores + np.array(order) / 100
        found.append(
            (
                success_at_k(broken, grades == 3, k),
                reciprocal_rank(broken, grades == 3),
                precision_at_k(broken, grades == 3, k),
                ndcg_at_k(broken, grades, k),
            )
        )
    expected = (
        success_at_k(scores, grades == 3, k),
        reciprocal_rank(scores, grades == 3),
        precision_at_k(scores, grades == 3, k),
        ndcg_at_k(scores, grades, k),
    )
    assert np.mean(found, axis=0) == pytest.approx(expected)


@given(ranked, st.integers(0, 5), st.floats(0.1, 3))
def test_raising_a_relevant_item_never_lowers(
    case: tuple[list[int], list[int], int], place: int, by: float
) -> None:
    scores, grades, k = np.array(case[0], float), np.array(case[1]), case[2]
    place %= len(scores)
    grades[place] = 3
    raised = scores.copy()
    raised[place] += by
    some = grades == 3
    assert success_at_k(raised, some, k) >= success_at_k(scores, some, k) - 1e-12
    assert reciprocal_rank(raised, some) >= reciprocal_rank(scores, some) - 1e-12
    assert precision_at_k(raised, some, k) >= precision_at_k(scores, some, k) - 1e-12
    assert ndcg_at_k(raised, grades, k) >= ndcg_at_k(scores, grades, k) - 1e-12


@given(ranked, st.randoms(use_true_random=False))
def test_the_order_of_the_items_does_not_matter(
    case: tuple[list[int], list[int], int], random: object
) -> None:
    scores, grades, k = np.array(case[0], float), np.array(case[1]), case[2]
    order = list(range(len(scores)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert ndcg_at_k(scores[order], grades[order], k) == pytest.approx(ndcg_at_k(scores, grades, k))
    assert reciprocal_rank(scores[order], grades[order] > 0) == pytest.approx(
        reciprocal_rank(scores, grades > 0)
    )


@given(ranked)
def test_more_ranks_never_find_less(case: tuple[list[int], list[int], int]) -> None:
    scores, some, k = np.array(case[0], float), np.array(case[1]) > 1, case[2]
    assert success_at_k(scores, some, k + 1) >= success_at_k(scores, some, k) - 1e-12
    assert 0.0 <= success_at_k(scores, some, k) <= 1.0
