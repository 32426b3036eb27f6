"""How much each similar case counts: nearer ones more, by exp((s - s_max) / :data:`SPREAD`)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmedrag.types import Evidence

SPREAD = 0.05
"""A case whose similarity (eq. 2) is lower by this much weighs 1/e of the nearest."""


def nearness(cases: Sequence[Evidence]) -> dict[str, float]:
    """The weight of each case by its key; they sum to 1."""
    nearest = max((c.similarity for c in cases), default=0.0)
    raw = {c.key: math.exp((c.similarity - nearest) / SPREAD) for c in cases}
    return {key: weight / sum(raw.values()) for key, weight in raw.items()}
