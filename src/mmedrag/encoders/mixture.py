"""Heads by domain: one shared image-text space for each domain corpus, and a gate between them.

Radiographs, stained tissue and fundus photographs have little in common, and one pair of linear
heads for all of them is worse at each than its own (docs/notes/encoders.md). A mixture of
experts (Jacobs
et al. 1991) keeps them apart: the gate tells of the features which domain they are of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmedrag.checkpoint import Checkpoint, Layout, Tensors, read_checkpoint
from mmedrag.domains import BUILT_IN
from mmedrag.encoders.projection import Projection
from mmedrag.encoders.strategies import Mask, dense
from mmedrag.errors import CheckpointError
from mmedrag.measures.cosines import unit_rows
from mmedrag.types import Matrix

KIND = "mixture"
"""Of the checkpoint that holds one."""


@dataclass(frozen=True, slots=True, eq=False)
class DomainMixture:
    """A trained fusion: ``f = ^(p(x) + q(y))``, each ``p = [sqrt(g_1) ^P_1 x ; ... ]`` by domain.

    ``P_d`` is the image head of domain ``d``, ``Q_d`` its text head, and ``g`` the gate, a softmax
    over the domains; it is computed of the image for ``p`` and of the text for ``q``. One modality
    alone has norm 1, and the dot product of an image and a text is their cosine in each domain's
    space, weighted by how much both belong there. Implements
    :class:`mmedrag.encoders.fusion.Fusion`.
    """

    tensors: Tensors
    fingerprint: str
    domains: tuple[str, ...] = BUILT_IN

    @classmethod
    def load(cls, folder: Path, *, image_encoder: str, text_encoder: str) -> DomainMixture:
        """Read a checkpoint of kind ``mixture``, trained on these encoders.

        Raises:
            UntrainedError: where there is none.
            CheckpointError: where it is damaged, or was trained on other encoders.
        """
        checkpoint = read_checkpoint(folder, KIND)
        checkpoint.require_encoder("image", image_encoder)
        checkpoint.require_encoder("text", text_encoder)
        return cls.from_checkpoint(checkpoint)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> DomainMixture:
        """The mixture that a checkpoint holds.

        Raises:
            CheckpointError: where a tensor is missing or of the wrong shape.
        """
        tensors, domains = checkpoint.tensors, tuple(checkpoint.settings.get("domains", BUILT_IN))
        first = [f"{domain}.{side}.weight" for domain in domains[:1] for side in ("image", "text")]
        widths = [
            tensors[name].shape for name in first if name in tensors and tensors[name].ndim == 2
        ]
        if len(widths) != 2:
            raise CheckpointError("The mixture lacks a head", "Train it again.")
        checkpoint.require(mixture_layout(widths[0][1], widths[1][1], widths[0][0], domains))
        return cls(tensors, checkpoint.fingerprint, domains)

    @property
    def dim(self) -> int:
        """As many times the width of a domain's space as there are domains."""
        return len(self.domains) * int(self.tensors[f"{self.domains[0]}.image.weight"].shape[0])

    def fuse(
        self, images: Matrix | None, texts: Matrix | None, has_image: Mask, has_text: Mask
    ) -> Matrix:
        """Fused unit vectors, ``(n, dim)``."""
        image = self._block("image", images, has_image)
        return unit_rows(image + self._block("text", texts, has_text))

    def _block(self, modality: str, features: Matrix | None, present: Mask) -> Matrix:
        block = np.zeros((len(present), self.dim), np.float32)
        if features is not None and present.any():
            block[present] = self._projected(modality, features[present])
        return block

    def _projected(self, modality: str, features: Matrix) -> Matrix:
        w = self.tensors
        if features.shape[1] != w[f"gate.{modality}.weight"].shape[1]:
            raise CheckpointError(
                f"The mixture was not made for {modality} features {features.shape[1]} wide",
                "Use the encoders that it was made for.",
            )
        gates = _softmax(
            unit_rows(features) @ w[f"gate.{modality}.weight"].T + w[f"gate.{modality}.bias"]
        )
        heads = [
            Projection(w[f"{d}.{modality}.weight"], w[f"{d}.{modality}.bias"])(features)
            for d in self.domains
        ]
        return np.hstack([np.sqrt(g)[:, None] * h for g, h in zip(gates.T, heads, strict=True)])


def mixture_layout(
    image_dim: int, text_dim: int, dim: int, domains: Sequence[str] = BUILT_IN
) -> Layout:
    """Names and shapes of the tensors, for features of these widths and spaces of ``dim``."""
    layout: dict[str, tuple[int, ...]] = {}
    for modality, width in (("image", image_dim), ("text", text_dim)):
        layout |= dense(f"gate.{modality}", width, len(domains))
        for domain in domains:
            layout |= dense(f"{domain}.{modality}", width, dim)
    return layout


def _softmax(logits: Matrix) -> Matrix:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
