"""Like courses by dynamic time warping."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.courses.course import course_of
from mmedrag.courses.trajectories import distance, nearest, trajectory_of, warped

COSTS = st.integers(1, 5).flatmap(
    lambda n: st.integers(1, 5).flatmap(
        lambda m: st.lists(st.floats(0, 1), min_size=n * m, max_size=n * m).map(
            lambda v: np.array(v).reshape(n, m)
        )
    )
)


def cheapest(cost: np.ndarray, i: int, j: int) -> float:
    """The same by trying every path."""
    here = cost[i, j]
    if i == j == 0:
        return 2.0 * float(here)
    ways = []
    if i:
        ways.append(cheapest(cost, i - 1, j) + here)
    if j:
        ways.append(cheapest(cost, i, j - 1) + here)
    if i and j:
        ways.append(cheapest(cost, i - 1, j - 1) + 2.0 * here)
    return float(min(ways))


@given(COSTS)
def test_the_cheapest_path_is_found(cost):
    n, m = cost.shape
    assert warped(cost) == pytest.approx(cheapest(cost, n - 1, m - 1) / (n + m))
    assert warped(cost) == pytest.approx(warped(cost.T))
    assert 0.0 <= warped(cost) <= 1.0


def test_the_likest_course_comes_first_and_never_ones_own(patient, terms):
    def trajectory(name: str, *reports: tuple[float, str]):
        return trajectory_of(course_of(name, patient(*reports), terms.concepts))

    asked = trajectory("A", (0, "Consolidation."), (7, "No consolidation."))
    same = trajectory("B", (3, "Consolidation."), (10, "No consolidation."))
    other = trajectory("C", (0, "No consolidation."), (7, "Consolidation."))
    found = nearest(asked, [other, same, asked], 5)
    assert [t.patient_id for t, _ in found] == ["B", "C"]
    assert distance(asked, asked) == pytest.approx(0.0, abs=1e-6)
    assert len(asked.last().days) == 1
