"""Heads judged by what was left out of their learning."""

from __future__ import annotations

import numpy as np

from mmedrag.measures.cosines import unit_rows
from mmedrag.modality import NOT_MEDICAL
from mmedrag.training.head_calibration import (
    THRESHOLDS,
    calibrated_head,
    left_out,
    refusal_threshold,
)
from mmedrag.training.softmax import Examples


def test_a_class_of_one_group_does_not_spoil_the_temperature() -> None:
    """Left out, its rows would all be called wrong, which says nothing of the head."""
    random = np.random.default_rng(0)
    places = np.tile([0, 1], 40)
    centres = np.eye(8, dtype=np.float32)
    rows = unit_rows(centres[places] + random.normal(0, 0.05, (80, 8)).astype(np.float32))
    groups = tuple(f"set {i // 20}" for i in range(80))
    both = Examples(rows, places, groups)
    lone = unit_rows(centres[[3] * 20] + random.normal(0, 0.05, (20, 8)).astype(np.float32))
    more = Examples.joined([both, Examples(lone, np.full(20, 2), ("lone",) * 20)])
    classes = ("radiology", "pathology", NOT_MEDICAL)
    assert calibrated_head(classes, more).temperature < 1
    alone = Examples(lone, np.full(20, 2), ("lone",) * 20)
    assert calibrated_head(classes, alone).temperature == 1


def test_the_threshold_makes_the_fewest_mistakes_on_sources_left_out() -> None:
    """By source: a small one counts as much as a large one."""
    groups = ("a: x",) * 90 + ("b: x",) * 5 + ("b: y",) * 5 + ("pictures",) * 10
    rows = np.eye(110, 4, dtype=np.float32)
    examples = Examples(rows, np.array([0] * 100 + [3] * 10), groups)
    few = np.array([0.1] * 90 + [0.62] * 3 + [0.3] * 7 + [0.99] * 10, np.float32)
    assert refusal_threshold(few, examples, 3) == THRESHOLDS[-1]
    few[-1] = 0.7  # a picture in ten passes from here on, and no more images do
    assert refusal_threshold(few, examples, 3) == 0.65
    few[-3:] = 0.6  # three in ten: more than images of b, by halves, are refused
    assert refusal_threshold(few, examples, 3) == 0.55


def test_groups_of_one_source_are_left_out_together() -> None:
    """A head that knew the parts of a set would say more of its images than of a stranger's."""
    rows = np.eye(6, dtype=np.float32)
    classes_of = np.array([0, 0, 1, 1, 0, 1])
    names = ("pocus: images", "pocus: parts", "b", "b", "c", "d")
    logits, judged = left_out(2, Examples(rows, classes_of, names), folds=6)
    assert judged.groups == names
    assert abs(logits[0, 0] - logits[0, 1]) < 0.3  # nothing like its direction was learned
    apart = Examples(rows[[0, 0, 2, 3, 4, 5]], classes_of, ("p", "q", "b", "b", "c", "d"))
    assert left_out(2, apart, folds=6)[0][0, 0] > left_out(2, apart, folds=6)[0][0, 1] + 0.3
