"""AUROC, calibration error, risk by coverage: by hand, and their laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.measures.probabilities import auroc, calibration_bins, risk_coverage


def flags(*values):
    return np.array(values, dtype=np.bool_)


def test_auroc_by_hand():
    # right 0.9 beats both wrong ones, right 0.4 beats 0.1 and ties with 0.4
    scores = np.array([0.9, 0.4, 0.4, 0.1])
    assert auroc(scores, flags(1, 1, 0, 0)) == pytest.approx((2 + 1.5) / 4)
    assert math.isnan(auroc(scores, flags(1, 1, 1, 1)))


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_auroc_of_the_opposite_is_its_complement(pairs):
    scores = np.array([float(score) for score, _ in pairs])
    right = np.array([is_right for _, is_right in pairs])
    found = auroc(scores, right)
    if right.all() or not right.any():
        assert math.isnan(found)
    else:
        assert found + auroc(-scores, right) == pytest.approx(1.0)


def test_calibration_error_by_hand():
    bins = calibration_bins(np.array([0.05, 0.15, 0.95, 0.95]), flags(0, 1, 1, 0))
    # bins 0: |0 - 0.05|, 1: |1 - 0.15|, 9: twice |0.5 - 0.95|
    assert bins.error == pytest.approx((0.05 + 0.85 + 2 * 0.45) / 4)
    assert bins.counts.tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0, 2]


def test_one_is_in_the_last_bin():
    assert calibration_bins(np.ones(3), flags(1, 1, 1)).error == 0.0


def test_risk_by_coverage_by_hand():
    coverage, risk = risk_coverage(np.array([0.2, 0.9, 0.5]), flags(0, 1, 0))
    assert coverage.tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert risk.tolist() == pytest.approx([0, 1 / 2, 2 / 3])


def test_risk_of_equal_scores_does_not_depend_on_their_order():
    scores = np.zeros(4)
    one = risk_coverage(scores, flags(1, 1, 0, 0))[1]
    assert one.tolist() == risk_coverage(scores, flags(0, 0, 1, 1))[1].tolist() == [0.5] * 4
