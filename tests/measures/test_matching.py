"""Matched against mismatched: by hand, and why a mean similarity says nothing."""

from __future__ import annotations

import numpy as np
import pytest

from mmedrag.measures.matching import matching


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_by_hand() -> None:
    queries = np.array([[1, 0], [0, 1]], np.float32)
    items = np.array([[0.6, 0.8], [0.8, 0.6]], np.float32)
    found = matching(queries, items, ["a", "b"])
    assert found["matched"] == pytest.approx(0.6)
    assert found["least"] == pytest.approx(0.6)
    assert found["mismatched"] == pytest.approx(0.8)
    assert found["AUROC"] == 0.0
    assert found["R@1"] == 0.0
    assert found["R@10"] == 1.0
    assert found["MRR"] == 0.5
    assert found["chance@1"] == 0.5


def test_pairs_of_one_group_are_no_mismatch() -> None:
    rows = np.eye(3, dtype=np.float32)
    found = matching(rows, rows[[1, 0, 2]], ["a", "a", "b"])
    assert found["mismatched"] == 0.0
    assert found["R@1"] == 1.0  # the item of the same group is as good


def test_a_narrow_cone_has_a_high_mean_and_tells_nothing_apart() -> None:
    random = np.random.default_rng(0)
    cone = np.ones(64)
    queries, items = (unit(cone + 0.3 * random.standard_normal((300, 64))) for _ in "qi")
    wide = unit(random.standard_normal((300, 64)))
    near = unit(wide + 2.0 * unit(random.standard_normal((300, 64))))
    names = [str(i) for i in range(300)]
    narrow, honest = matching(queries, items, names), matching(wide, near, names)
    assert narrow["matched"] > 0.85 > honest["matched"]
    assert narrow["AUROC"] == pytest.approx(0.5, abs=0.07)
    assert honest["AUROC"] > 0.9
