"""How sure a mean over queries is, where queries of one group (a patient) are not independent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SAMPLES = 1000
_CHUNK = 100  # samples drawn at a time, which bounds the memory


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Mean of ``first - second`` over queries, its 95 % interval, and the two-sided p-value."""

    difference: float
    interval: tuple[float, float]
    p_value: float


def interval(
    values: Floats,
    groups: NDArray[np.integer],
    *,
    seed: int = 0,
    samples: int = SAMPLES,
    level: float = 0.95,
) -> Floats:
    """Percentile intervals of means by the cluster bootstrap: whole groups are drawn.

    (Efron and Tibshirani 1993, chapters 8 and 13; Field and Welsh 2007 for clusters.)

    Args:
        values: one row a query, one column a metric, ``(n, metrics)``, n > 0.
        groups: each query's group, ``(n,)``.
        seed: of the draws.
        samples: how many are drawn.
        level: of the intervals.

    Returns:
        ``(metrics, 2)``: lower and upper ends.
    """
    means = _resampled_means(values, groups, seed, samples)
    tail = (1.0 - level) / 2.0
    ends: Floats = np.quantile(means, [tail, 1.0 - tail], axis=0).T
    return ends


def paired_test(
    first: Floats,
    second: Floats,
    groups: NDArray[np.integer],
    *,
    seed: int = 0,
    samples: int = SAMPLES,
) -> PairedTest:
    """Is one ranker better than another on the same queries? Groups are drawn in pairs.

    ``p = (1 + #{|d* - d| >= |d|}) / (1 + samples)``, where ``d`` is the mean difference and ``d*``
    that of a draw: the draws are shifted to the null hypothesis of no difference (Efron and
    Tibshirani 1993, section 16.4; Sakai 2006 for retrieval). Of one group every draw is the group:
    nothing is known then, the interval has no ends and ``p`` is 1.

    Args:
        first: one metric by query, ``(n,)``, n > 0.
        second: the same of the other ranker, in the same order.
        groups: each query's group, ``(n,)``.
        seed: of the draws.
        samples: how many are drawn.
    """
    differences = (first - second)[:, None]
    observed = float(differences.mean())
    if len(np.unique(groups)) < 2:
        return PairedTest(observed, (-math.inf, math.inf), 1.0)
    resampled = _resampled_means(differences, groups, seed, samples)[:, 0]
    extreme = int(np.count_nonzero(np.abs(resampled - observed) >= abs(observed) - 1e-12))
    low, high = np.quantile(resampled, [0.025, 0.975])
    return PairedTest(observed, (float(low), float(high)), (1 + extreme) / (1 + samples))


def _resampled_means(
    values: Floats, groups: NDArray[np.integer], seed: int, samples: int
) -> Floats:
    """Means over the queries of as many groups as there are, drawn with replacement."""
    _, group = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group).astype(np.float64)
    sums = np.zeros((len(sizes), values.shape[1]))
    np.add.at(sums, group, values)
    rng = np.random.default_rng(seed)
    even = np.full(len(sizes), 1.0 / len(sizes))
    means = []
    for start in range(0, samples, _CHUNK):
        times = rng.multinomial(len(sizes), even, min(_CHUNK, samples - start))
        means.append((times @ sums) / (times @ sizes)[:, None])
    return np.concatenate(means)
