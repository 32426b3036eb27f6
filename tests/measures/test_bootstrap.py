"""Intervals and the paired test, on values whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from mmedrag.measures.bootstrap import interval, paired_test


def test_the_interval_is_that_of_the_normal_law_for_independent_queries() -> None:
    rng = np.random.default_rng(0)
    values = (rng.random((1000, 1)) < 0.3).astype(float)
    mean = values.mean()
    low, high = interval(values, np.arange(1000))[0]
    half = 1.96 * np.sqrt(mean * (1 - mean) / 1000)
    assert low == pytest.approx(mean - half, abs=0.004)
    assert high == pytest.approx(mean + half, abs=0.004)


def test_queries_of_one_group_are_one_witness() -> None:
    values = np.repeat(np.tile([0.0, 1.0], 20), 10)[:, None]
    groups = np.repeat(np.arange(40), 10)
    low, high = interval(values, groups)[0]
    half = 1.96 * np.sqrt(0.5 * 0.5 / 40)  # 40 groups, not 400 queries
    assert low == pytest.approx(0.5 - half, abs=0.03)
    assert high == pytest.approx(0.5 + half, abs=0.03)


def test_large_groups_weigh_by_their_queries() -> None:
    values = np.array([1.0, 1.0, 1.0, 0.0])[:, None]
    low, high = interval(values, np.array([7, 7, 7, 9]))[0]
    assert (low, high) == (0.0, 1.0)  # a draw is all of group 7, all of group 9, or both


def test_one_interval_a_metric() -> None:
    values = np.column_stack([np.zeros(9), np.ones(9)])
    assert interval(values, np.arange(9)).tolist() == [[0.0, 0.0], [1.0, 1.0]]


def test_equal_rankers_do_not_differ() -> None:
    values = np.array([0.0, 1.0, 0.5, 1.0])
    told = paired_test(values, values, np.arange(4))
    assert told.difference == 0.0
    assert told.interval == (0.0, 0.0)
    assert told.p_value == 1.0


def test_of_one_patient_nothing_is_known() -> None:
    told = paired_test(np.ones(5), np.zeros(5), np.zeros(5, np.int64))
    assert told.difference == 1.0
    assert told.interval == (-np.inf, np.inf)
    assert told.p_value == 1.0


def test_a_ranker_that_is_always_better_is_found_better() -> None:
    rng = np.random.default_rng(1)
    second = rng.random(80)
    told = paired_test(second + 0.1, second, np.arange(80))
    assert told.difference == pytest.approx(0.1)
    assert told.p_value == 1 / 1001


def test_noise_is_rarely_called_a_difference() -> None:
    rng = np.random.default_rng(2)
    wrong = 0
    for seed in range(200):
        first, second = rng.random(60), rng.random(60)
        wrong += paired_test(first, second, np.arange(60), seed=seed, samples=200).p_value < 0.05
    assert wrong <= 22  # 5 % of 200, and 4 standard errors
