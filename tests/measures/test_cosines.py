"""Unit rows and cosines: scale changes nothing, and a row of zeros stays one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.measures.cosines import pairwise_cosines, unit_rows


@given(st.integers(0, 100), st.floats(1e-3, 1e3))
def test_scale_changes_nothing(seed: int, scale: float) -> None:
    rows = np.random.default_rng(seed).normal(size=(5, 4)).astype(np.float32)
    rows[2] = 0
    unit = unit_rows(rows * np.float32(scale))
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), [1, 1, 0, 1, 1], atol=1e-6)
    np.testing.assert_allclose(unit, unit_rows(rows), atol=1e-6)
    cosines = pairwise_cosines(rows)
    np.testing.assert_allclose(cosines, unit.astype(float) @ unit.T.astype(float), atol=1e-6)
    assert not cosines[2].any()
    assert unit.dtype == np.float32
    assert cosines.dtype == np.float64
