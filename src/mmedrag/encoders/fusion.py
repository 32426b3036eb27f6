"""Fusion of image and text features (section 4.5, Table C): one vector an item.

Three fusions learn nothing: :class:`Concat`, :class:`SharedSpace`, :class:`Early`. The other eight
rows of Table C are :class:`LearnedFusion` with a formula of :mod:`mmedrag.encoders.strategies`;
:class:`SharedAndOwn` adds to one of them what each modality has of its own. Every fusion gives a
vector for an image alone, a text alone, and both; an item that has neither gets zeros. An optional
output head brings a learned strategy to the 256 dimensions of section 3.3, so that one index serves
all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from mmedrag.checkpoint import Checkpoint, Layout, Tensors, random_tensors, read_checkpoint
from mmedrag.encoders.projection import Reduction
from mmedrag.encoders.strategies import HEADS, STRATEGIES, Mask, Projected, dense, linear
from mmedrag.errors import CheckpointError
from mmedrag.measures.cosines import unit_rows
from mmedrag.types import Matrix


@runtime_checkable
class Fusion(Protocol):
    """Image and text features to one vector an item.

    Laws: ``(len(has_image), dim)``, float32, finite; rows of norm at most 1, and of norm 1 where
    both modalities are there; rows do not depend on one another; what stands in the row of an
    absent modality does not matter. ``images`` may be ``None`` where no row has one, and ``texts``
    likewise.
    """

    @property
    def dim(self) -> int:
        """The width of a fused vector."""
        ...

    @property
    def fingerprint(self) -> str:
        """Strategy, weights and settings, in a line."""
        ...

    def fuse(
        self, images: Matrix | None, texts: Matrix | None, has_image: Mask, has_text: Mask
    ) -> Matrix:
        """Fused vectors, ``(n, dim)``."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Concat:
    """The direct sum of both spaces (section 4.7): ``f = [sqrt(a) ^x ; sqrt(1 - a) ^y]``.

    The dot product of two items is then ``a cos(x, x') + (1 - a) cos(y, y')``: nothing is learned
    and each modality is compared with its own kind. An absent part is zero and the rest is **not**
    scaled up, so the norm falls to ``sqrt(a)`` or ``sqrt(1 - a)``: absent evidence counts as
    nothing, and a case with both parts is not outranked for having them.

    Here ``x`` and ``y`` are image and text features, ``^`` is L2 normalisation, and ``a`` is
    ``image_share``. The reductions, where given, centre and whiten the parts first.
    """

    image_dim: int
    text_dim: int
    image_share: float = 0.5
    image_reduction: Reduction | None = None
    text_reduction: Reduction | None = None

    @property
    def dim(self) -> int:
        """The sum of both widths, after reduction."""
        return _reduced(self.image_dim, self.image_reduction) + _reduced(
            self.text_dim, self.text_reduction
        )

    @property
    def fingerprint(self) -> str:
        """The share of the image and the reductions, in a line."""
        used = [r.fingerprint for r in (self.image_reduction, self.text_reduction) if r is not None]
        return "+".join([f"concat:{self.image_share:g}", *used])

    def fuse(
        self, images: Matrix | None, texts: Matrix | None, has_image: Mask, has_text: Mask
    ) -> Matrix:
        """Fused vectors, ``(n, image_dim + text_dim)`` after reduction."""
        features = gather_features(
            images, texts, has_image, has_text, self.image_dim, self.text_dim
        )
        image_rows = (self.image_reduction or unit_rows)(features.images) * has_image[:, None]
        text_rows = (self.text_reduction or unit_rows)(features.texts) * has_text[:, None]
        scaled = (
            image_rows * np.float32(np.sqrt(self.image_share)),
            text_rows * np.float32(np.sqrt(1 - self.image_share)),
        )
        return np.concatenate(scaled, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class SharedAndOwn:
    """A shared space beside each modality's own: ``f = [sqrt(a) ^z ; sqrt(b) ^x ; sqrt(c) ^y]``.

    ``z`` is a trained fusion in which an image and a text can be compared, so images find texts and
    texts images; ``x`` are image features after ``image_reduction`` and ``y`` the first
    ``text_own`` columns of the text features, so that each modality is also compared with its own
    kind, which a shared space alone does less well (docs/notes/encoders.md). As in
    :class:`Concat` an
    absent part is zero and the rest is not scaled up.

    ``shares`` are ``(a, b, c)``, which sum to 1.
    """

    shared: Fusion
    image_reduction: Reduction
    text_own: int
    shares: tuple[float, float, float]

    @property
    def dim(self) -> int:
        """The sum of the three widths."""
        return self.shared.dim + self.image_reduction.dim + self.text_own

    @property
    def fingerprint(self) -> str:
        """The shares and the fingerprints of both halves, in a line."""
        shares = "/".join(f"{share:g}" for share in self.shares)
        fingerprints = (
            f"{self.shared.fingerprint}+{self.image_reduction.fingerprint}+{self.text_own}"
        )
        return f"shared-and-own:{shares}:{fingerprints}"

    def fuse(
        self, images: Matrix | None, texts: Matrix | None, has_image: Mask, has_text: Mask
    ) -> Matrix:
        """Fused vectors, ``(n, dim)``."""
        shared, image_own, text_own = np.sqrt(np.array(self.shares, np.float32))
        blocks = (
            shared * self.shared.fuse(images, texts, has_image, has_text),
            image_own * _own(images, has_image, self.image_reduction, self.image_reduction.dim),
            text_own * _own(texts, has_text, self._sentences, self.text_own),
        )
        return np.concatenate(blocks, axis=1)

    def _sentences(self, texts: Matrix) -> Matrix:
        return unit_rows(texts[:, : self.text_own])


@dataclass(frozen=True, slots=True)
class SharedSpace:
    """For models whose towers share a space (CLIP, SigLIP): ``f = ^(a ^x + (1 - a) ^y)``.

    Nothing is learned here. One modality alone is its own unit vector.
    """

    dim: int
    image_share: float = 0.5

    @property
    def fingerprint(self) -> str:
        """The share."""
        return f"shared:{self.image_share:g}"

    def fuse(
        self, images: Matrix | None, texts: Matrix | None, has_image: Mask, has_text: Mask
    ) -> Matrix:
        """Fused unit vectors, ``(n, dim)``."""
        features = gather_features(images, texts, has_image, has_text, self.dim, self.dim)
        a = np.float32(self.image_share)
        return unit_rows(a * unit_rows(features.images) + (1 - a) * unit_rows(features.texts))


@dataclass(frozen=True, slots=True)
class Early:
    """Early fusion: ``f = ^[x ; y]``, the raw features (2048 + 768 = 2816-d in Table C).

    Nothing is learned; an absent part is zero.
    """

    image_dim: int
    text_dim: int
    fingerprint: str = "early"

    @property
    def dim(self) -> int:
        """The sum of both widths."""
        return self.image_dim + self.text_dim

    def fuse(
        self, images: Matrix | None, texts: Matrix | None, has_image: Mask, has_text: Mask
    ) -> Matrix:
        """Fused unit vectors, ``(n, image_dim + text_dim)``."""
        features = gather_features(
            images, texts, has_image, has_text, self.image_dim, self.text_dim
        )
        return unit_rows(np.concatenate([features.images, features.texts], axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class LearnedFusion:
    """One of :data:`STRATEGIES` with its weights; made by :func:`load_fusion`."""

    strategy: str
    image_dim: int
    text_dim: int
    dim: int
    tensors: Tensors
    fingerprint: str

    def fuse(
        self, images: Matrix | None, texts: Matrix | None, has_image: Mask, has_text: Mask
    ) -> Matrix:
        """Fused vectors, ``(n, dim)``."""
        features = gather_features(
            images, texts, has_image, has_text, self.image_dim, self.text_dim
        )
        fused = STRATEGIES[self.strategy].formula(self.tensors, features)
        if "output.weight" in self.tensors:
            fused = unit_rows(linear(self.tensors, "output", fused))
        return fused * (has_image | has_text)[:, None]


def gather_features(
    images: Matrix | None,
    texts: Matrix | None,
    has_image: Mask,
    has_text: Mask,
    image_dim: int,
    text_dim: int,
) -> Projected:
    """Check shapes and put zeros where a modality is absent.

    Raises:
        CheckpointError: where features are not of the width that the fusion was made for.
    """
    return Projected(
        _present(images, has_image, image_dim, "image"),
        _present(texts, has_text, text_dim, "text"),
        has_image,
        has_text,
    )


def fusion_layout(
    strategy: str, image_dim: int, text_dim: int, dim: int = 512, output_dim: int | None = None
) -> Layout:
    """Names and shapes of a strategy's tensors, which a checkpoint must have exactly.

    ``output_dim`` adds the output head ``output.weight``, ``output.bias``.

    Raises:
        CheckpointError: for an unknown strategy, or a width that is no multiple of 8.
    """
    if strategy not in STRATEGIES:
        raise CheckpointError(
            f"{strategy!r} is not a learned fusion strategy", f"Choose of {', '.join(STRATEGIES)}."
        )
    if dim % HEADS:
        raise CheckpointError(
            f"A fused width of {dim} cannot be split", f"Take a multiple of {HEADS}."
        )
    layout = STRATEGIES[strategy].layout(image_dim, text_dim, dim)
    return layout if output_dim is None else {**layout, **dense("output", dim, output_dim)}


def load_fusion(
    folder: Path, *, image_encoder: str | None = None, text_encoder: str | None = None
) -> LearnedFusion:
    """Read a trained fusion (kind ``fusion``; settings strategy, image_dim, text_dim, dim).

    Args:
        folder: with ``weights.safetensors`` and ``config.json``.
        image_encoder: the fingerprint of the image encoder that will feed it.
        text_encoder: likewise.

    Raises:
        UntrainedError: where there is none.
        CheckpointError: where it is damaged, of the wrong shape, or made for other encoders.
    """
    checkpoint = read_checkpoint(folder, "fusion")
    for role, fingerprint in (("image", image_encoder), ("text", text_encoder)):
        if fingerprint is not None:
            checkpoint.require_encoder(role, fingerprint)
    return fusion_from_checkpoint(checkpoint)


def random_fusion(
    strategy: str,
    image_dim: int,
    text_dim: int,
    seed: int,
    *,
    dim: int = 512,
    output_dim: int | None = None,
) -> Fusion:
    """A strategy with random weights, for Table C's untrained rows and for tests.

    Its fingerprint says ``untrained``; no preset serves it. ``early`` has no weights to draw.

    Raises:
        CheckpointError: for an unknown strategy.
    """
    if strategy == "early":
        return Early(image_dim, text_dim)
    layout = fusion_layout(strategy, image_dim, text_dim, dim, output_dim)
    settings = {"strategy": strategy, "image_dim": image_dim, "text_dim": text_dim, "dim": dim}
    tensors = random_tensors(layout, seed)
    return fusion_from_checkpoint(
        Checkpoint(kind="fusion", tensors=tensors, settings=settings, trained=False)
    )


def fusion_from_checkpoint(checkpoint: Checkpoint) -> LearnedFusion:
    """The fusion that a checkpoint holds.

    Raises:
        CheckpointError: where a setting is missing or a tensor of the wrong shape.
    """
    settings, tensors = checkpoint.settings, checkpoint.tensors
    try:
        strategy = str(settings["strategy"])
        image_dim, text_dim, dim = (int(settings[k]) for k in ("image_dim", "text_dim", "dim"))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"The fusion lacks the setting {error}", "Train it again.") from None
    output = int(tensors["output.weight"].shape[0]) if "output.weight" in tensors else None
    checkpoint.require(fusion_layout(strategy, image_dim, text_dim, dim, output))
    fingerprint = f"{strategy}-{checkpoint.fingerprint}"
    return LearnedFusion(strategy, image_dim, text_dim, output or dim, tensors, fingerprint)


def _present(features: Matrix | None, mask: Mask, width: int, modality: str) -> Matrix:
    if features is None:
        return np.zeros((len(mask), width), dtype=np.float32)
    if features.shape != (len(mask), width):
        raise CheckpointError(
            f"The fusion takes {modality} features {(len(mask), width)}, not {features.shape}",
            "Use the encoders that it was made for.",
        )
    return np.where(mask[:, None], features, np.float32(0))


def _own(
    features: Matrix | None, mask: Mask, head: Callable[[Matrix], Matrix], width: int
) -> Matrix:
    """A modality's own part, ``(n, width)``, zeros where it is absent."""
    block = np.zeros((len(mask), width), np.float32)
    if features is not None and mask.any():
        block[mask] = head(features[mask])
    return block


def _reduced(width: int, reduction: Reduction | None) -> int:
    return width if reduction is None else reduction.dim
