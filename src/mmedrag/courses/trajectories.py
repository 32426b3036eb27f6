"""Cases with a like course: trajectories of studies aligned by dynamic time warping.

A trajectory is a patient's studies in time, each with its vector (section 3.3) and the state of its
findings. Two are compared by dynamic time warping (Sakoe and Chiba 1978), whose cost of holding one
study against another is the mean of three parts that lie in [0, 1]: how unlike the vectors are, how
unlike the findings, and how far apart the days since the first study. The parts weigh the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedrag.courses.course import Course
from mmedrag.types import Assertion, Matrix

HALF_TIME = 7.0
"""Days by which two studies that differ count as half as unlike as they can."""

_NOTHING_IN_COMMON = 0.5
_VALUE = {Assertion.AFFIRMED: 1.0, Assertion.UNCERTAIN: 0.5, Assertion.NEGATED: 0.0}

Costs = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """Days since the first study ``(n,)``, vectors of norm at most 1 ``(n, dim)``, and findings."""

    patient_id: str
    days: NDArray[np.float64]
    vectors: Matrix
    states: tuple[Mapping[str, Assertion], ...]

    def last(self) -> Trajectory:
        """Its last study alone."""
        return Trajectory(
            self.patient_id, np.zeros(1, np.float64), self.vectors[-1:], self.states[-1:]
        )


def trajectory_of(course: Course) -> Trajectory:
    """The trajectory of a course, over the studies whose time is known (all, where none is)."""
    studies = course.timed or course.studies
    times = np.array([s.time or 0.0 for s in studies])
    means = np.stack([np.mean([e.vector for e in s.evidence], axis=0) for s in studies])
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    vectors = np.divide(means, norms, out=np.zeros_like(means), where=norms > 0)
    return Trajectory(
        course.patient_id, times - times[0], vectors.astype(np.float32),
        tuple(s.states for s in studies),
    )  # fmt: skip


def distance(one: Trajectory, other: Trajectory) -> float:
    """How unlike two courses are, from 0 to 1: the mean cost along the best alignment."""
    return warped(costs(one, other))


def costs(one: Trajectory, other: Trajectory) -> Costs:
    """What it costs to hold each study of one against each of the other, ``(n, m)``, in [0, 1]."""
    unlike = (1.0 - np.clip(one.vectors @ other.vectors.T, -1.0, 1.0)) / 2.0
    findings = np.array([[_unlike(a, b) for b in other.states] for a in one.states])
    gaps = np.abs(one.days[:, None] - other.days[None, :])
    total: Costs = (unlike + findings + gaps / (gaps + HALF_TIME)) / 3.0
    return total


def warped(cost: Costs) -> float:
    """The mean cost along the cheapest path from the first pair to the last, ``cost`` ``(n, m)``.

    A path steps on in one sequence or in both. Its length is counted by the weights 1, 1 and 2 of
    the symmetric form, whose sum is ``n + m`` for every path, so that long ones are not favoured.
    """
    n, m = cost.shape
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            here = cost[i - 1, j - 1]
            total[i, j] = min(
                total[i - 1, j] + here, total[i, j - 1] + here, total[i - 1, j - 1] + 2.0 * here
            )
    return float(total[n, m] / (n + m))


def nearest(
    one: Trajectory, others: Sequence[Trajectory], k: int
) -> list[tuple[Trajectory, float]]:
    """The ``k`` likest courses of other patients with their distance, the likest first."""
    strangers = [o for o in others if o.patient_id != one.patient_id]
    measured = [(o, distance(one, o)) for o in strangers]
    return sorted(measured, key=lambda pair: (pair[1], pair[0].patient_id))[:k]


def _unlike(one: Mapping[str, Assertion], other: Mapping[str, Assertion]) -> float:
    """The mean difference over all findings that either names; half where one is silent."""
    concepts = one.keys() | other.keys()
    if not concepts:
        return _NOTHING_IN_COMMON
    gaps = [
        abs(_VALUE[one[c]] - _VALUE[other[c]]) if c in one and c in other else _NOTHING_IN_COMMON
        for c in concepts
    ]
    return sum(gaps) / len(gaps)
