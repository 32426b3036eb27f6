"""How good a probability is: does it rank, is it calibrated, what does trusting it risk?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Predictions by tenths: their mean, the share that came true, how many, ``(bins,)`` each."""

    predicted: Floats
    observed: Floats
    counts: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error: ``Σ n_b/n · |observed_b − predicted_b|`` (Guo 2017)."""
        shares = self.counts / max(1, int(self.counts.sum()))
        return float(np.sum(shares * np.abs(self.observed - self.predicted)))


def auroc(scores: Floats, right: Flags) -> float:
    """P(a right one scores above a wrong one), ties counted half (Hanley and McNeil 1982).

    ``scores`` is float ``(n,)``, ``right`` bool ``(n,)``.

    NaN where all or none are right.
    """
    good, bad = scores[right], np.sort(scores[~right])
    if not len(good) or not len(bad):
        return float("nan")
    below = np.searchsorted(bad, good, "left")
    not_above = np.searchsorted(bad, good, "right")
    return float((below + not_above).mean() / 2 / len(bad))


def calibration_bins(predicted: Floats, right: Flags, bins: int = 10) -> Bins:
    """Predictions in bins of equal width; an empty bin has zeros.

    ``predicted`` is float ``(n,)``, ``right`` bool ``(n,)``.
    """
    bin_of = np.clip((predicted * bins).astype(np.int64), 0, bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    size = np.maximum(counts, 1)
    return Bins(
        np.bincount(bin_of, predicted, bins) / size,
        np.bincount(bin_of, right.astype(np.float64), bins) / size,
        counts.astype(np.int64),
    )


def risk_coverage(scores: Floats, right: Flags) -> tuple[Floats, Floats]:
    """What share is wrong among the best-scored 1, 2, … (Geifman and El-Yaniv 2017).

    Returns:
        Coverage and risk, ``(n,)`` each. Among equal scores the order is that of their mean.
    """
    order = np.argsort(-scores, kind="stable")
    levels, level = np.unique(-scores[order], return_inverse=True)
    mean = np.bincount(level, ~right[order], len(levels)) / np.bincount(
        level, minlength=len(levels)
    )
    wrong = np.cumsum(mean[level])
    taken = np.arange(1, len(scores) + 1)
    return taken / max(1, len(scores)), wrong / taken
