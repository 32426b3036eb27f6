"""The two halves of a dual encoder in training: frozen with cached features, or fine-tuned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from mmedrag.encoders.dual import decoded_chunks
from mmedrag.encoders.transformers import TransformersImageEncoder, TransformersTextEncoder
from mmedrag.training.augmentation import augmented
from mmedrag.types import Case, Matrix

Inputs: TypeAlias = Any
"""A batch as a tower takes it; a slice of it is a part of the batch."""

Rows: TypeAlias = Sequence[int]


class Tower(Protocol):
    """Cases to features, ``(n, dim)``, with a graph where something is learned."""

    @property
    def network(self) -> nn.Module | None:
        """What is learned; ``None`` where the tower is frozen."""
        ...

    def prepare(self, rows: Rows, epoch: int | None) -> Inputs:
        """Read a batch. ``epoch`` seeds the augmentation; ``None`` is as in use."""
        ...

    def features(self, inputs: Inputs) -> Tensor:
        """Encode a batch, or a slice of it. A tensor ``(batch, dim)``."""
        ...


class FrozenTower:
    """Features that were made once, ``(n, dim)``."""

    network = None

    def __init__(self, rows: Matrix, device: torch.device) -> None:
        self._rows = torch.from_numpy(rows).to(device)

    def prepare(self, rows: Rows, epoch: int | None) -> Tensor:
        """Their rows; nothing is augmented. Float32 ``(batch, dim)``."""
        return self._rows[torch.as_tensor(rows, device=self._rows.device)]

    def features(self, inputs: Tensor) -> Tensor:
        """As they are. A tensor ``(batch, dim)``."""
        return inputs


class ImageTower:
    """A network that learns; its images are read, and in training changed, anew each time.

    Args:
        encoder: whose weights are learned in place.
        cases: all with an image.
        seed: of the augmentation; a case looks the same in the same epoch of every run.
    """

    def __init__(self, encoder: TransformersImageEncoder, cases: Sequence[Case], seed: int) -> None:
        self._encoder, self._cases, self._seed = encoder, cases, seed
        self.network: nn.Module = encoder.network

    def prepare(self, rows: Rows, epoch: int | None) -> Tensor:
        """Pixels, float32 ``(len(rows), 3, h, w)``."""
        cases = [self._cases[row] for row in rows]
        pictures = [(case.image, case.frame) for case in cases if case.image is not None]
        images = [image for chunk in decoded_chunks(pictures, 16, 2) for image in chunk]
        if epoch is not None:
            draws = (np.random.default_rng((self._seed, epoch, row)) for row in rows)
            changed = zip(images, cases, draws, strict=True)
            images = [augmented(image, case, draw) for image, case, draw in changed]
        return torch.as_tensor(self._encoder.pixels(images))

    def features(self, inputs: Tensor) -> Tensor:
        """What the network makes of pixels. A tensor ``(batch, dim)``."""
        return torch.as_tensor(self._encoder.features(inputs))


class TextTower:
    """A network that learns; texts are not changed."""

    def __init__(self, encoder: TransformersTextEncoder, cases: Sequence[Case]) -> None:
        self._encoder, self._cases = encoder, cases
        self.network: nn.Module = encoder.network

    def prepare(self, rows: Rows, epoch: int | None) -> list[str]:
        """The texts of the cases in these rows."""
        return [self._cases[row].text for row in rows]

    def features(self, inputs: list[str]) -> Tensor:
        """What the network makes of texts. A tensor ``(batch, dim)``."""
        return torch.as_tensor(self._encoder.features(inputs))


def set_learning(network: nn.Module | None, learning: bool) -> None:
    """Dropout on or off; batch normalisation always keeps the statistics it came with.

    The statistics of one small part of a batch are noise, and items would depend on each other.
    """
    if network is None:
        return
    network.train(learning)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
