"""Standardised features for training, folded into the first layer of what is served."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedrag.checkpoint import Tensors
from mmedrag.types import Matrix, Vector


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Mean and deviation of one encoder's features, ``(width,)`` each."""

    mean: Vector
    deviation: Vector

    @classmethod
    def of(cls, rows: Matrix) -> Scaling:
        """Of features ``(n, width)``; a feature that never changes keeps its size."""
        deviation = rows.std(axis=0)
        return cls(rows.mean(axis=0), np.where(deviation > 1e-6, deviation, np.float32(1)))

    def __call__(self, rows: Matrix) -> Matrix:
        """Standardised rows."""
        return np.asarray((rows - self.mean) / self.deviation, np.float32)


def folded(tensors: Tensors, images: Scaling, texts: Scaling) -> dict[str, NDArray[np.float32]]:
    """A fusion's tensors for raw features, from those learned on standardised ones.

    ``W (x - m) / s + b`` is ``(W / s) x + (b - (W / s) m)``; a token that stands for absent
    features is scaled back.
    """
    served = dict(tensors)
    if "hidden.weight" in tensors:
        joined = Scaling(
            np.concatenate([images.mean, texts.mean]),
            np.concatenate([images.deviation, texts.deviation]),
        )
        served |= _folded(tensors, "hidden", joined)
        for name, scaling in (("missing.image", images), ("missing.text", texts)):
            served[name] = tensors[name] * scaling.deviation + scaling.mean
        return served
    return served | _folded(tensors, "image", images) | _folded(tensors, "text", texts)


def _folded(tensors: Tensors, name: str, scaling: Scaling) -> dict[str, NDArray[np.float32]]:
    weight = tensors[f"{name}.weight"].astype(np.float64) / scaling.deviation
    bias = tensors[f"{name}.bias"] - weight @ scaling.mean
    return {f"{name}.weight": weight.astype(np.float32), f"{name}.bias": bias.astype(np.float32)}
