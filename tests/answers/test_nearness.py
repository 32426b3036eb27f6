"""Nearer cases weigh more, and all weights together are 1."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.answers.nearness import SPREAD, nearness
from mmedrag.types import Case, Evidence


def evidence(similarities: list[float]) -> list[Evidence]:
    vector = np.zeros(2, np.float32)
    return [Evidence(f"C{i}", Case(id=str(i)), vector, s, s) for i, s in enumerate(similarities, 1)]


@given(st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=20))
def test_weights_sum_to_one_and_follow_the_similarity(similarities):
    weights = nearness(evidence(similarities))
    assert math.isclose(sum(weights.values()), 1.0)
    ordered = [w for _, w in sorted(zip(similarities, weights.values(), strict=True))]
    assert ordered == sorted(ordered)


def test_one_spread_lower_weighs_one_eth():
    near, far = nearness(evidence([0.8, 0.8 - SPREAD])).values()
    assert math.isclose(near / far, math.e, rel_tol=1e-9)


def test_no_cases_have_no_weights():
    assert nearness([]) == {}
