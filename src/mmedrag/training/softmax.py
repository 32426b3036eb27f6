"""Softmax regression on unit features, in numpy: small enough to need no library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedrag.types import Matrix

Logits = NDArray[np.float32]
_RATE, _DECAY, _SMOOTHING = 0.05, 0.02, 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Unit features ``(n, d)``, the index of each row's class ``(n,)``, and where it comes from."""

    rows: Matrix
    classes: NDArray[np.int64]
    groups: tuple[str, ...]

    def only(self, chosen: NDArray[np.bool_]) -> Examples:
        """The chosen rows; ``chosen`` is ``(n,)``."""
        groups = tuple(g for g, keep in zip(self.groups, chosen, strict=True) if keep)
        return Examples(self.rows[chosen], self.classes[chosen], groups)

    @classmethod
    def joined(cls, examples: Sequence[Examples]) -> Examples:
        """All rows of several."""
        return cls(
            np.concatenate([p.rows for p in examples]),
            np.concatenate([p.classes for p in examples]),
            tuple(group for p in examples for group in p.groups),
        )


def fit_head(examples: Examples, classes: int, steps: int = 400) -> tuple[Matrix, Matrix]:
    """Balanced softmax regression: every class weighs the same, and in a class every group.

    So neither a large set nor a numerous family decides. Adam with decoupled weight decay
    (Loshchilov and Hutter 2019) on all rows at once, labels smoothed by 0.02.

    Returns:
        Weight ``(classes, d)`` and bias ``(classes,)``.
    """
    rows = np.hstack([examples.rows, np.ones((len(examples.rows), 1), np.float32)])
    share = row_shares(examples, classes)[:, None]
    targets = np.full((len(rows), classes), _SMOOTHING / classes, np.float32)
    targets[np.arange(len(rows)), examples.classes] += 1 - _SMOOTHING
    weight = np.zeros((classes, rows.shape[1]), np.float32)
    first, second = np.zeros_like(weight), np.zeros_like(weight)
    for step in range(1, steps + 1):
        gradient = (share * (softmax(rows @ weight.T) - targets)).T @ rows
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        move = (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        weight -= _RATE * (1 - step / steps) * (move + _DECAY * weight)
    return np.ascontiguousarray(weight[:, :-1]), np.ascontiguousarray(weight[:, -1])


def row_shares(examples: Examples, classes: int) -> NDArray[np.float32]:
    """What each row weighs, ``(n,)``: 1 in all, equal for classes, in a class by group.

    A group weighs as the square root of its size, between equal rows and equal groups.
    """
    keys = [f"{c} {g}" for c, g in zip(examples.classes, examples.groups, strict=True)]
    _, group, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(sizes[group])
    totals = np.bincount(examples.classes, weights, classes)
    present = np.count_nonzero(totals)
    shares: NDArray[np.float32] = (weights / totals[examples.classes] / present).astype(np.float32)
    return shares


def best_temperature(logits: Logits, examples: Examples) -> float:
    """The temperature with the least weighted log loss (Guo et al. 2017), to 2 %.

    ``logits`` is float32 ``(n, classes)``.
    """
    candidates = np.geomspace(0.2, 5.0, 160)
    share = row_shares(examples, logits.shape[1])
    losses = [
        -float(share @ np.log(softmax(logits / t)[np.arange(len(logits)), examples.classes] + 1e-9))
        for t in candidates
    ]
    return float(candidates[int(np.argmin(losses))])


def softmax(logits: NDArray[np.floating]) -> Logits:
    """Probabilities by row. Float32, of the shape of ``logits``, ``(n, classes)``."""
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Logits = (exponents / exponents.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities
