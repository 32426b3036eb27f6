"""When a run has learned enough."""

from __future__ import annotations

from mmedrag.training.journal import Epoch, best_of, is_over


def test_when_to_stop():
    recalls = [0.1, 0.3, 0.3, 0.2, 0.1]
    epochs = [Epoch(i, 1.0, 0.1, r, {}, 0.0) for i, r in enumerate(recalls)]
    assert best_of(epochs) is epochs[2]
    assert not is_over([], 1)
    assert not is_over(epochs, 3)
    assert is_over(epochs, 2)
