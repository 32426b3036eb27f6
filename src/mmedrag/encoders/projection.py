"""Linear maps on features: projection heads (section 3.3) and reductions (centre, whiten)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmedrag.checkpoint import Checkpoint, read_checkpoint
from mmedrag.errors import CheckpointError
from mmedrag.measures.cosines import unit_rows
from mmedrag.types import Matrix


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """A projection head of section 3.3: ``Proj(x) = (W x + b) / ||W x + b||``.

    ``weight`` is ``(dim, width)`` as in PyTorch, ``bias`` ``(dim,)``.
    """

    weight: Matrix
    bias: NDArray[np.float32]

    @property
    def dim(self) -> int:
        """The width of what comes out (256 in the paper)."""
        return int(self.weight.shape[0])

    def __call__(self, features: Matrix) -> Matrix:
        """Unit vectors ``(n, dim)`` for features ``(n, width)``."""
        return unit_rows(features @ self.weight.T + self.bias)


@dataclass(frozen=True, slots=True, eq=False)
class Reduction:
    """A fixed linear reduction, such as PCA whitening: ``u = x/||x||``, ``W (u - mean)``, norm 1.

    Features of one network share a large common part (cosines of unrelated images of 0.6 and
    more); taking it out is what makes cosines tell images apart (Mu and Viswanath 2018).

    ``mean`` is ``(width,)``; ``weight`` ``(dim, width)``, or ``None`` to centre only.
    """

    mean: NDArray[np.float32]
    weight: Matrix | None
    fingerprint: str

    @classmethod
    def load(cls, folder: Path, encoder: str | None = None) -> Reduction:
        """Read a checkpoint of kind ``reduction`` (tensors ``mean`` and, if any, ``weight``).

        Args:
            folder: with ``weights.safetensors`` and ``config.json``.
            encoder: the fingerprint of the encoder whose features will be reduced.

        Raises:
            UntrainedError: where there is none.
            CheckpointError: where it is damaged, or was fitted to another encoder.
        """
        checkpoint = read_checkpoint(folder, "reduction")
        if encoder is not None:
            checkpoint.require_encoder("features", encoder)
        return cls.from_checkpoint(checkpoint)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> Reduction:
        """The reduction that a checkpoint holds.

        Raises:
            CheckpointError: where a tensor is missing or of the wrong shape.
        """
        mean, weight = checkpoint.tensors.get("mean"), checkpoint.tensors.get("weight")
        if mean is None or mean.ndim != 1:
            raise CheckpointError("The reduction has no mean of shape (width,)", "Fit it again.")
        layout = {"mean": mean.shape}
        if weight is not None:
            layout["weight"] = (weight.shape[0], mean.shape[0])
        checkpoint.require(layout)
        return cls(mean, weight, checkpoint.fingerprint)

    @property
    def width(self) -> int:
        """The width of what goes in."""
        return int(self.mean.shape[0])

    @property
    def dim(self) -> int:
        """The width of what comes out."""
        return self.width if self.weight is None else int(self.weight.shape[0])

    def __call__(self, features: Matrix) -> Matrix:
        """Unit vectors ``(n, dim)`` for features ``(n, width)``."""
        centred = unit_rows(features) - self.mean
        return unit_rows(centred if self.weight is None else centred @ self.weight.T)
