"""The reward model on sets that it has never seen: leave one set out (section 3.6).

Held-out patients of a set whose other patients were learned from say little of a corpus that is
new. Here all contexts of a set, asked by it or drawn from it, are left out of the fit and of the
calibration, and the questions of its held-out patients are judged.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmedrag.protocols import Ontology
from mmedrag.training.bradley_terry import fit_pair, preferences, rewards_of, right_of
from mmedrag.training.contexts import Example
from mmedrag.training.preference import Mined, measure
from mmedrag.types import Case

EPOCHS = 200
"""Of each fit; there is one a set."""

LEAST = 20
"""Contexts of a set below which it is not judged."""


def leave_one_set_out(
    mined: Mined, ontology: Ontology, *, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Pairwise accuracy, AUROC and ECE by set, of a model that has not seen the set."""
    by_set: dict[str, dict[str, float]] = {}
    for name in sorted({_asker(e) for e in mined.test}):
        test = [e for e in mined.test if _asker(e) == name]
        right = right_of(test)
        if len(test) < LEAST or right.all() or not right.any() or not len(preferences(test)):
            continue
        train, calibration = (
            [e for e in subset if name not in _sets(e)]
            for subset in (mined.train, mined.calibration)
        )
        if not len(preferences(train)) or not right_of(calibration).any():
            continue
        fitted = fit_pair(train, calibration, ontology, epochs=EPOCHS, seed=seed)
        by_set[name] = measure(rewards_of(fitted.scorer, test), test)
    return by_set


def mean_over_sets(by_set: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Every set counts alike."""
    names = ("pairwise accuracy", "AUROC", "ECE")
    return {n: round(float(np.mean([f[n] for f in by_set.values()])), 4) for n in names if by_set}


def _asker(example: Example) -> str:
    return _set(example.anchor)


def _sets(example: Example) -> set[str]:
    item = example.evidence.item
    return {_asker(example)} | ({_set(item)} if isinstance(item, Case) else set())


def _set(case: Case) -> str:
    """The set's name, which :func:`~mmedrag.datasets.ties.read_sets` puts before the id."""
    return case.id.partition("/")[0]
