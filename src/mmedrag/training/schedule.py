"""How long training takes, and how fast it learns when."""

from __future__ import annotations

import math
from dataclasses import dataclass

WARM_UP = 0.1
"""The share of the steps over which the rate rises; then it falls as a cosine."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long training takes; ``micro`` items are held in memory with their graph at a time."""

    epochs: int
    batch: int
    micro: int

    def steps(self, n: int) -> int:
        """Steps of one epoch over ``n`` items; the rest of less than two items is not a batch."""
        return max(1, n // self.batch + (n % self.batch > 1))

    def rate(self, step: int, n: int) -> float:
        """The share of the peak rate at a step (:func:`rate_share`)."""
        return rate_share(step, self.epochs * self.steps(n))


def rate_share(step: int, steps: int) -> float:
    """The share of the peak rate at one of ``steps``: linear warm-up, then a cosine to zero."""
    warm = (step + 1) / max(1.0, WARM_UP * steps)
    return min(1.0, warm) * 0.5 * (1 + math.cos(math.pi * min(step, steps) / max(1, steps)))
