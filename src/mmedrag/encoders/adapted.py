"""A preset's fusion beside heads that were fitted to one's own reports (``mmedrag adapt``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmedrag.checkpoint import Checkpoint, read_checkpoint
from mmedrag.encoders.fusion import Fusion, LearnedFusion, fusion_layout
from mmedrag.encoders.strategies import Mask
from mmedrag.types import Matrix

KIND = "adapted"
"""Of the checkpoint that holds the heads and their share."""


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """The direct sum of two fusions: ``f = [sqrt(1 - s) base ; sqrt(s) own]``.

    The dot product of two items is ``(1 - s)`` times what the preset alone says and ``s`` times
    what the heads say that were fitted to the user's own pairs, so that a few hundred reports
    correct a preset and need not replace it. Implements
    :class:`~mmedrag.encoders.fusion.Fusion`.

    Attributes:
        base: the preset's own.
        own: linear heads, the strategy ``contrastive``.
        share: of ``own``, chosen on patients that neither was fitted to.
    """

    base: Fusion
    own: LearnedFusion
    share: float

    @property
    def dim(self) -> int:
        """The sum of both widths."""
        return self.base.dim + self.own.dim

    @property
    def fingerprint(self) -> str:
        """Share and both fusions."""
        return f"adapted:{self.share:g}:{self.base.fingerprint}+{self.own.fingerprint}"

    def fuse(
        self, images: Matrix | None, texts: Matrix | None, has_image: Mask, has_text: Mask
    ) -> Matrix:
        """Fused vectors, ``(n, dim)``."""
        shares = np.sqrt(np.array([1 - self.share, self.share], np.float32))
        fused = [f.fuse(images, texts, has_image, has_text) for f in (self.base, self.own)]
        return np.concatenate([s * f for s, f in zip(shares, fused, strict=True)], axis=1)


def own_heads(checkpoint: Checkpoint) -> LearnedFusion:
    """The heads that a checkpoint of kind ``adapted`` holds.

    Raises:
        CheckpointError: where a tensor is missing or of the wrong shape.
    """
    checkpoint.require_settings(
        {"share": (int, float), "dim": int, "image_dim": int, "text_dim": int}
    )
    settings = checkpoint.settings
    dim, image_dim, text_dim = (int(settings[k]) for k in ("dim", "image_dim", "text_dim"))
    checkpoint.require(fusion_layout("contrastive", image_dim, text_dim, dim))
    return LearnedFusion(
        "contrastive", image_dim, text_dim, dim, checkpoint.tensors, checkpoint.fingerprint
    )


def load_adapted(folder: Path, base: Fusion, *, image_encoder: str, text_encoder: str) -> Adapted:
    """The preset's fusion with the heads of ``folder`` beside it.

    Raises:
        UntrainedError: where there are none.
        CheckpointError: where they are damaged, or fitted beside another fusion or other encoders.
    """
    checkpoint = read_checkpoint(folder, KIND)
    checkpoint.require_encoder("image", image_encoder)
    checkpoint.require_encoder("text", text_encoder)
    checkpoint.require_encoder("fusion", base.fingerprint)
    return Adapted(base, own_heads(checkpoint), float(checkpoint.settings["share"]))
