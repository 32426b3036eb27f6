"""A few of many, spread over all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from mmedrag.datasets.corpus import patient_of
from mmedrag.types import Case

Item = TypeVar("Item")


def evenly_spaced(items: Sequence[Item], most: int) -> list[Item]:
    """Every so many-th of the items, from the first on; at most ``most``, which is at least 1."""
    return list(items[:: max(1, -(-len(items) // most))])


def whole_patients(cases: Sequence[Case], most: int, seed: int = 0) -> list[Case]:
    """At most so many cases, of whole patients in random order."""
    patients: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        patients[patient_of(case)].append(case)
    groups, taken = list(patients.values()), list[Case]()
    for i in np.random.default_rng(seed).permutation(len(groups)):
        if len(taken) + len(groups[i]) <= most:
            taken += groups[i]
    return taken
