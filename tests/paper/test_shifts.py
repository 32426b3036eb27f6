"""Shifts, ratios and their intervals, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.paper.shifts import cosine_shifts, mean, ratio, shifts


def test_a_right_angle_shifts_by_one_and_length_does_not_matter() -> None:
    first = np.array([[1.0, 0], [2, 0], [3, 0]])
    second = np.array([[0.0, 5], [7, 0], [-1, 0]])
    np.testing.assert_allclose(cosine_shifts(first, second), [1, 0, 2])


@given(st.floats(1e-9, 1e-4))
def test_small_shifts_keep_their_digits(angle: float) -> None:
    first, second = np.array([[1.0, 0]]), np.array([[np.cos(angle), np.sin(angle)]])
    expected = 2 * np.sin(angle / 2) ** 2
    assert cosine_shifts(first, second)[0] == pytest.approx(expected, rel=1e-5)


def test_shifts_are_from_each_seed_s_own_base() -> None:
    def levels(images: list) -> np.ndarray:
        return np.array([[np.cos(a), np.sin(a)] for a in (np.asarray(i).mean() for i in images)])

    def flat(level: int) -> np.ndarray:
        return np.full((2, 2), level, dtype=np.uint8)

    sets = [{"base": flat(1), "up": flat(2)}, {"base": flat(4), "up": flat(4)}]
    found = shifts(levels, sets)
    assert list(found) == ["up"]
    np.testing.assert_allclose(found["up"], [1 - np.cos(1), 0], atol=1e-12)


def test_ratio_is_of_means_and_its_interval_holds_it() -> None:
    finding, control = np.array([2.0, 4, 6]), np.array([1.0, 1, 2])
    found = ratio(finding, control)
    assert found.value == pytest.approx(3)
    assert found.n == 3
    assert 2 <= found.low < found.value < found.high <= 4
    assert mean(finding).value == pytest.approx(4)
    steady = ratio(3 * control, control)
    assert steady.low == pytest.approx(3)
    assert steady.high == pytest.approx(3)
