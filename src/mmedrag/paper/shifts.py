"""Embedding shifts, ``1 - cos(f(base), f(changed))``, over many seeds (section 5.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float64]
Pictures = Mapping[str, NDArray[np.uint8]]
"""The images of one seed by name; ``base`` is the one that the others are changes of."""
Encode = Callable[[Sequence[Image.Image]], NDArray[np.floating]]

SAMPLES = 2000
BASE = "base"
CONTROL = "noise"


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure over seeds, with its 95 % interval by the bootstrap over seeds."""

    value: float
    low: float
    high: float
    n: int

    @property
    def figures(self) -> dict[str, object]:
        """The value, its interval and ``n`` as JSON values."""
        return {"value": self.value, "ci95": [self.low, self.high], "n": self.n}


@dataclass(frozen=True, slots=True)
class ShiftRow:
    """One encoder or pooling: where its weights come from, and its figures by name."""

    name: str
    weights: str
    figures: Mapping[str, Interval]


def shifts(encode: Encode, sets: Sequence[Pictures]) -> dict[str, Floats]:
    """How far each change moves the embedding, by its name, ``(seeds,)`` each, in float64.

    Args:
        encode: images to features ``(n, d)``.
        sets: images by name, of one seed each; all have the same names.
    """
    features = {name: features_of(encode, sets, name) for name in sets[0]}
    return {
        name: cosine_shifts(features[BASE], changed)
        for name, changed in features.items()
        if name != BASE
    }


def features_of(encode: Encode, sets: Sequence[Pictures], name: str) -> Floats:
    """Features of the images of that name, float64 ``(seeds, d)``."""
    features = encode([Image.fromarray(images[name]) for images in sets])
    return np.asarray(features, dtype=np.float64)


def cosine_shifts(first: Floats, second: Floats) -> Floats:
    """``1 - cos`` of rows, ``(n,)``, as ``||u - v||^2 / 2`` of unit rows: no digits cancel."""
    return np.asarray(((_unit(first) - _unit(second)) ** 2).sum(axis=1) / 2)


def mean(values: Floats) -> Interval:
    """The mean over seeds. ``values`` is float64 ``(seeds,)``."""
    return ratio(values, np.ones_like(values))


def ratio(finding: Floats, control: Floats) -> Interval:
    """Signal to noise: mean shift by a finding over mean shift by a control, seeds in pairs.

    Shifts are float64 ``(seeds,)`` each.
    """
    resampled = np.random.default_rng(0).integers(0, len(finding), (SAMPLES, len(finding)))
    resampled_ratios = finding[resampled].mean(axis=1) / control[resampled].mean(axis=1)
    low, high = np.quantile(resampled_ratios, [0.025, 0.975])
    value = finding.mean() / control.mean()
    return Interval(float(value), float(low), float(high), len(finding))


def ratios(
    by_finding: Mapping[str, Floats], controls: Sequence[str] = (CONTROL,)
) -> dict[str, Interval]:
    """Mean shifts by change, and of each finding its ratio to each control: ``finding/control``.

    Shifts are float64 ``(seeds,)`` by change.
    """
    figures = {name: mean(values) for name, values in by_finding.items()}
    for control in controls:
        for name in (name for name in by_finding if name not in controls):
            figures[f"{name}/{control}"] = ratio(by_finding[name], by_finding[control])
    return figures


def _unit(rows: Floats) -> Floats:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1))
