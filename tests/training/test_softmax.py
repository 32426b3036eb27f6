"""Softmax regression, its weights and its temperature."""

from __future__ import annotations

import numpy as np
import pytest

from mmedrag.training.head_calibration import calibrated_head
from mmedrag.training.softmax import Examples, best_temperature, fit_head, row_shares, softmax


def examples(n: int, seed: int = 0, noise: float = 0.3) -> Examples:
    """Three classes on three axes of eight, in four groups each."""
    random = np.random.default_rng(seed)
    classes = np.arange(n) % 3
    rows = np.eye(8)[classes] + noise * random.standard_normal((n, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    groups = tuple(f"{c} {i % 4}" for i, c in enumerate(classes))
    return Examples(rows.astype(np.float32), classes, groups)


def test_a_head_learns_what_can_be_told_apart() -> None:
    weight, bias = fit_head(examples(300), 3, steps=150)
    new = examples(150, seed=1)
    assert np.mean((new.rows @ weight.T + bias).argmax(axis=1) == new.classes) > 0.9


def test_classes_and_groups_weigh_as_said() -> None:
    one = Examples(
        np.eye(5, 4, dtype=np.float32), np.array([0, 0, 0, 0, 1]), ("a", "a", "a", "a", "b")
    )
    shares = row_shares(one, 3)
    assert shares.sum() == pytest.approx(1.0)
    assert shares[4] == pytest.approx(0.5)
    two = Examples(np.eye(5, 4, dtype=np.float32), np.zeros(5, np.int64), ("a", "a", "a", "a", "b"))
    assert row_shares(two, 3)[4] / row_shares(two, 3)[0] == pytest.approx(2.0)  # sqrt(4)


def test_the_temperature_undoes_what_scaled_the_logits() -> None:
    known = examples(400, noise=0.6)
    weight, bias = fit_head(known, 3, steps=150)
    logits = known.rows @ weight.T + bias
    fitted = best_temperature(logits, known)
    assert best_temperature(3 * logits / fitted, known) == pytest.approx(3.0, rel=0.05)


def test_softmax_is_a_probability_and_does_not_overflow() -> None:
    assert softmax(np.array([[1000.0, 0.0]])).tolist() == [[1.0, 0.0]]


def test_a_head_is_less_sure_where_new_groups_differ() -> None:
    alike = examples(240, noise=0.4)
    shifted = examples(240, noise=0.4)
    far = np.array([group.endswith("3") for group in shifted.groups])
    rows = shifted.rows.copy()
    rows[far] = rows[far][:, ::-1]  # one group in four lies elsewhere
    shifted = Examples(rows, shifted.classes, shifted.groups)
    names = ("a", "b", "c")
    assert calibrated_head(names, shifted).temperature > calibrated_head(names, alike).temperature
