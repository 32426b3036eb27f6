"""Scores are compared as rounded numbers, so that no order depends on their last digits.

A sum in another order, on another machine or with another number of threads differs at about the
sixteenth digit. Two scores that are equal but for this are a tie, and ties are broken by what does
not vary: a key, or the order in which the items came.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

DECIMALS = 9
"""Far coarser than the rounding of float64, far finer than any difference that means something."""


def rounded(scores: ArrayLike) -> NDArray[np.float64]:
    """Scores to :data:`DECIMALS` decimals, same shape; zero has no sign."""
    values: NDArray[np.float64] = np.asarray(scores, dtype=np.float64).round(DECIMALS)
    return values + 0.0


def falling(scores: ArrayLike) -> NDArray[np.intp]:
    """Positions by falling score, shape ``(n,)``; ties keep the order they came in."""
    return np.argsort(-rounded(scores), kind="stable")
