"""Table C's columns, AUROC pairs, alignment, uniformity, rank correlation: by hand and by law."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.measures.alignment import (
    alignment,
    matched_scores,
    pair_similarity,
    rank_correlation,
    spread,
    uniformity,
)
from mmedrag.measures.cosines import unit_rows

AXES = np.eye(3, dtype=np.float32)


def rows(seed: int, n: int = 12, dim: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def test_orthogonal_vectors_are_wholly_separate() -> None:
    found = spread(7 * AXES)
    assert found.self_similarity == pytest.approx(1)
    assert found.random_pair == 0
    assert found.separation == 1
    assert found.mean_pairwise == found.std_pairwise == 0


def test_equal_vectors_are_not_separate() -> None:
    found = spread(np.ones((4, 3), np.float32))
    assert found.separation == pytest.approx(0, abs=1e-6)
    assert found.mean_pairwise == pytest.approx(1, abs=1e-6)


def test_columns_by_hand() -> None:
    # cosines of the three pairs: 0, and cos 45° twice
    found = spread(np.array([[1, 0], [0, 2], [1, 1]], np.float32))
    half = math.sqrt(0.5)
    assert found.mean_pairwise == pytest.approx(2 * half / 3, abs=1e-6)
    assert found.std_pairwise == pytest.approx(half * math.sqrt(2) / 3, abs=1e-6)
    assert found.random_pair == pytest.approx(2 * half / 3, abs=0.02)


@given(st.integers(0, 2**31))
def test_separation_has_the_sign_of_the_eight_rows(seed: int) -> None:
    found = spread(rows(seed))
    assert found.separation == pytest.approx(1 - found.random_pair)
    assert 0 <= found.separation <= 2
    assert spread(rows(seed)) == found
    assert abs(found.random_pair - found.mean_pairwise) < 6 * found.std_pairwise / math.sqrt(66)


def test_pairs_within_and_between_cases() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    groups, captions = np.array([0, 0, 1, 2]), np.array([0, 1, 2, 2])
    found = pair_similarity(vectors, groups, captions)
    assert found.intra == pytest.approx(1)  # rows 0 and 1
    assert found.cross == 0  # rows 2 and 3 share a caption: not counted
    alone = pair_similarity(vectors, np.arange(4), np.arange(4))
    assert math.isnan(alone.intra)


def test_matched_and_mismatched_pairs() -> None:
    groups, captions = np.array([0, 0, 1, 2]), np.array([0, 1, 2, 0])
    scores, matched = matched_scores(rows(1, 4), rows(2, 4), groups, captions)
    # of 16 pairs, 4 + 2 are of one case; (0, 3) and (3, 0) share a caption only
    assert len(scores) == 14
    assert matched.sum() == 6
    similarity = unit_rows(rows(1, 4)) @ unit_rows(rows(2, 4)).T
    assert scores[0] == pytest.approx(float(similarity[0, 0]), abs=1e-6)


def test_alignment_by_hand() -> None:
    assert alignment(AXES, 5 * AXES) == pytest.approx(0)
    assert alignment(AXES, -AXES) == pytest.approx(4)
    assert alignment(AXES, np.roll(AXES, 1, axis=0)) == pytest.approx(2)


def test_uniformity_by_hand() -> None:
    assert uniformity(np.ones((3, 2), np.float32)) == pytest.approx(0, abs=1e-6)
    assert uniformity(AXES) == pytest.approx(-4)  # every squared distance is 2
    assert uniformity(np.array([[1, 0], [-1, 0]], np.float32)) == pytest.approx(-8)


@given(st.integers(0, 2**31), st.floats(0.1, 10))
def test_scale_and_rotation_change_nothing(seed: int, scale: float) -> None:
    vectors = rows(seed)
    turned, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))
    moved = (scale * vectors @ turned).astype(np.float32)
    assert uniformity(moved) == pytest.approx(uniformity(vectors), abs=1e-4)
    assert spread(moved).random_pair == pytest.approx(spread(vectors).random_pair, abs=1e-4)
    assert alignment(moved, moved[::-1]) == pytest.approx(
        alignment(vectors, vectors[::-1]), abs=1e-4
    )


def test_rank_correlation_by_hand() -> None:
    x = np.array([1.0, 2, 3, 4, 5])
    assert rank_correlation(x, x**3).rho == pytest.approx(1)
    assert rank_correlation(x, -x).rho == pytest.approx(-1)
    # 1 - 6 Σd² / (n (n² - 1)) with d = (0, 1, 1, 1, 1)
    assert rank_correlation(x, np.array([1.0, 3, 2, 5, 4])).rho == pytest.approx(1 - 24 / 120)
    assert math.isnan(rank_correlation(x, np.ones(5)).rho)


def test_ties_share_their_rank() -> None:
    assert rank_correlation(np.array([1.0, 1, 2]), np.array([3.0, 3, 9])).rho == pytest.approx(1)


def test_chance_of_a_rank_correlation() -> None:
    x = np.arange(8.0)
    assert rank_correlation(x, x).p_value < 0.001
    assert rank_correlation(np.arange(3.0), np.arange(3.0)).p_value == pytest.approx(
        1 / 3, abs=0.03
    )
