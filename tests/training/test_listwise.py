"""A linear order fitted to graded lists."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
from mmedrag.training.listwise import fit_order

FREE = np.zeros(3, int)


def graded(n: int, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Lists whose best items have a large first and a small second column; the third is noise."""
    random = np.random.default_rng(seed)
    lists = [
        (random.standard_normal((size, 3)) * [1, 10, 1]).astype(np.float32)
        for size in random.integers(5, 12, n)
    ]
    scores = [x @ np.array([1, -0.1, 0]) for x in lists]
    return lists, [(s > np.quantile(s, 0.6)).astype(int) + (s == s.max()) for s in scores]


def test_new_lists_are_sorted_as_the_grades_of_others_were() -> None:
    weights = fit_order(*graded(60, 0), np.ones(60), FREE, ridge=0.01)
    lists, grades = graded(30, 1)
    good = [g[np.argmax(x @ weights)] > 0 for x, g in zip(lists, grades, strict=True)]
    assert np.mean(good) > 0.9
    assert weights[0] > 0 > weights[1]
    assert weights[1] / weights[0] == pytest.approx(-0.1, rel=0.4)  # of columns as they come
    assert abs(weights[2]) < 0.2 * weights[0]


def test_what_is_the_same_all_over_a_list_has_no_say() -> None:
    lists, grades = graded(20, 0)
    constant = [np.full((len(x), 1), i % 2, np.float32) for i, x in enumerate(lists)]
    wide = [np.hstack(pair) for pair in zip(lists, constant, strict=True)]
    assert fit_order(wide, grades, np.ones(20), np.zeros(4, int))[3] == pytest.approx(0, abs=1e-5)


def test_a_column_is_not_learned_against_its_meaning() -> None:
    weights = fit_order(*graded(20, 0), np.ones(20), np.array([-1, 0, 1]))
    assert weights[0] <= 0 <= weights[2]
    assert weights[1] < 0


def test_lists_of_equal_grades_teach_nothing() -> None:
    lists, _ = graded(3, 0)
    equal = [np.full(len(x), 2) for x in lists]
    assert not fit_order(lists, equal, np.ones(3), FREE).any()
