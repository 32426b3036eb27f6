"""Section 5.6: four ways from a CNN's feature maps to one vector (GAP, MSPP, LPA, HFFE), in numpy.

Feature maps are float32 ``(n, channels, h, w)``, 7 x 7 for 224 px. GAP and HFFE learn nothing.
MSPP's projection and LPA's 1 x 1 convolution are learned: they come from a checkpoint, or from
:func:`random_pooling`, whose fingerprint says ``untrained``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from PIL import Image

from mmedrag.checkpoint import Checkpoint, Layout, random_tensors, read_checkpoint
from mmedrag.encoders.image import FeatureMaps, ImageEncoder, MapEncoder
from mmedrag.encoders.projection import Projection
from mmedrag.errors import CheckpointError
from mmedrag.types import Matrix, Vector

GRIDS = (1, 2, 4)
"""The granularities of MSPP: 1 x 1 (global), 2 x 2 and 4 x 4."""


@runtime_checkable
class Pooling(Protocol):
    """Feature maps to features."""

    @property
    def fingerprint(self) -> str:
        """The kind of pooling and its weights, in a line."""
        ...

    def width(self, channels: int) -> int:
        """The width of a pooled row for maps of so many channels."""
        ...

    def pool(self, maps: FeatureMaps) -> Matrix:
        """Pooled features, ``(n, width)``."""
        ...


@dataclass(frozen=True, slots=True)
class Gap:
    """Global average pooling: ``f_c = mean_{ij} m_cij``."""

    fingerprint: str = "gap"

    def width(self, channels: int) -> int:
        """The number of channels."""
        return channels

    def pool(self, maps: FeatureMaps) -> Matrix:
        """``(n, channels, h, w)`` to ``(n, channels)``."""
        return np.asarray(maps.mean(axis=(2, 3), dtype=np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Mspp:
    """Multi-scale pyramid pooling: means over 1 x 1, 2 x 2 and 4 x 4 cells, projected to 256-d.

    ``f = ^(W [m_1x1 ; m_2x2 ; m_4x4] + b)``, 21 cells of all channels; cells by row, then column,
    each cell's channels together.
    """

    projection: Projection
    fingerprint: str

    def width(self, channels: int) -> int:
        """The width of the projection (256 in the paper).

        Raises:
            CheckpointError: where the projection was made for other feature maps.
        """
        _require_width("MSPP", self.projection.weight.shape[1], channels * cells())
        return self.projection.dim

    def pool(self, maps: FeatureMaps) -> Matrix:
        """``(n, channels, h, w)`` to unit vectors ``(n, 256)``."""
        return self.projection(pyramid(maps))


@dataclass(frozen=True, slots=True, eq=False)
class Lpa:
    """Local patch attention: ``a = softmax_{ij}(w . m_ij + b)``, ``f = sum_{ij} a_ij m_ij``.

    ``weight`` ``(channels,)`` is the 1 x 1 convolution; its bias cancels in the softmax, and is not
    kept.
    """

    weight: Vector
    fingerprint: str

    def width(self, channels: int) -> int:
        """The number of channels.

        Raises:
            CheckpointError: where the convolution was made for other feature maps.
        """
        _require_width("LPA", self.weight.shape[0], channels)
        return channels

    def attention(self, maps: FeatureMaps) -> FeatureMaps:
        """Where it looks: ``(n, h, w)``, each map summing to 1."""
        scores = np.einsum("nchw,c->nhw", maps, self.weight)
        powers = np.exp(scores - scores.max(axis=(1, 2), keepdims=True))
        return np.asarray(powers / powers.sum(axis=(1, 2), keepdims=True), dtype=np.float32)

    def pool(self, maps: FeatureMaps) -> Matrix:
        """``(n, channels, h, w)`` to ``(n, channels)``."""
        return np.asarray(np.einsum("nchw,nhw->nc", maps, self.attention(maps)), dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class PooledImageEncoder:
    """A CNN's feature maps under another pooling; implements :class:`ImageEncoder`."""

    encoder: MapEncoder
    pooling: Pooling

    @property
    def dim(self) -> int:
        """The width of a pooled row."""
        return self.pooling.width(self.encoder.channels)

    @property
    def fingerprint(self) -> str:
        """The encoder's and the pooling's."""
        return f"{self.encoder.fingerprint}|{self.pooling.fingerprint}"

    def encode(self, images: Sequence[Image.Image]) -> Matrix:
        """Features, float32 ``(len(images), dim)``."""
        if not images:
            return np.zeros((0, self.dim), dtype=np.float32)
        return self.pooling.pool(self.encoder.encode_maps(images))


@dataclass(frozen=True, slots=True, eq=False)
class EdgeEmphasis:
    """High-frequency feature emphasis (HFFE): any encoder on images with emphasised edges."""

    encoder: ImageEncoder

    @property
    def dim(self) -> int:
        """The encoder's."""
        return self.encoder.dim

    @property
    def fingerprint(self) -> str:
        """The encoder's, and the filter."""
        return f"{self.encoder.fingerprint}|hffe"

    def encode(self, images: Sequence[Image.Image]) -> Matrix:
        """Features, float32 ``(len(images), dim)``."""
        return self.encoder.encode([emphasise_edges(image) for image in images])


LearnedPooling: TypeAlias = Mspp | Lpa
"""The poolings that need weights."""


def emphasise_edges(image: Image.Image, share: float = 0.3) -> Image.Image:
    """``0.7 x + 0.3 (x - Laplace x)``, clipped to 0-255: HFFE's filter on the input image.

    ``Laplace`` is the 4-neighbour Laplacian; at the border the nearest pixel is repeated.
    """
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32)
    around = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    neighbours = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]
    sharpened = pixels - (neighbours - 4 * pixels)
    blended = (1 - share) * pixels + share * sharpened
    return Image.fromarray(np.clip(np.rint(blended), 0, 255).astype(np.uint8), "RGB")


def pyramid(maps: FeatureMaps, grids: Sequence[int] = GRIDS) -> Matrix:
    """Means over the cells of each grid, ``(n, cells * channels)``.

    Cell ``i`` of ``g`` along a side of length ``s`` runs from ``floor(i s / g)`` to
    ``ceil((i + 1) s / g)``: cells overlap where ``g`` does not divide ``s``, and none is empty.
    """
    rows = [
        maps[:, :, top:bottom, left:right].mean(axis=(2, 3), dtype=np.float32)
        for grid in grids
        for top, bottom in _cells(maps.shape[2], grid)
        for left, right in _cells(maps.shape[3], grid)
    ]
    return np.concatenate(rows, axis=1)


def cells(grids: Sequence[int] = GRIDS) -> int:
    """How many cells the grids have together: 21 for 1, 2 and 4."""
    return sum(grid * grid for grid in grids)


def pooling_layout(kind: str, channels: int, dim: int = 256) -> Layout:
    """Names and shapes of the tensors of ``"mspp"`` or ``"lpa"``.

    Raises:
        CheckpointError: for another kind.
    """
    if kind == "mspp":
        return {"projection.weight": (dim, channels * cells()), "projection.bias": (dim,)}
    if kind == "lpa":
        return {"attention.weight": (channels,)}
    raise CheckpointError(f"{kind!r} is not a learned pooling", "Choose mspp or lpa.")


def load_pooling(folder: Path, kind: str, encoder: MapEncoder) -> LearnedPooling:
    """Read a trained pooling of kind ``"mspp"`` or ``"lpa"`` for the maps of ``encoder``.

    Raises:
        UntrainedError: where there is none.
        CheckpointError: where it is damaged, or was trained on another encoder.
    """
    checkpoint = read_checkpoint(folder, kind)
    checkpoint.require_encoder("image", encoder.fingerprint)
    return pooling_from_checkpoint(checkpoint, encoder.channels)


def random_pooling(kind: str, channels: int, seed: int, dim: int = 256) -> LearnedPooling:
    """A pooling with random weights, a control for tests and Table 4: labelled untrained."""
    tensors = random_tensors(pooling_layout(kind, channels, dim), seed)
    return pooling_from_checkpoint(Checkpoint(kind=kind, tensors=tensors, trained=False), channels)


def pooling_from_checkpoint(checkpoint: Checkpoint, channels: int) -> LearnedPooling:
    """The pooling that a checkpoint holds.

    Raises:
        CheckpointError: where a tensor is missing or of the wrong shape.
    """
    tensors = checkpoint.tensors
    bias = tensors.get("projection.bias")
    dim = 256 if bias is None else len(bias)
    checkpoint.require(pooling_layout(checkpoint.kind, channels, dim))
    if checkpoint.kind == "lpa":
        return Lpa(tensors["attention.weight"], checkpoint.fingerprint)
    projection = Projection(tensors["projection.weight"], tensors["projection.bias"])
    return Mspp(projection, checkpoint.fingerprint)


def _cells(side: int, grid: int) -> list[tuple[int, int]]:
    return [(i * side // grid, -(-(i + 1) * side // grid)) for i in range(grid)]


def _require_width(name: str, expected: int, actual: int) -> None:
    if expected != actual:
        raise CheckpointError(
            f"{name} takes {expected} values a place, the feature maps give {actual}",
            "Train it on this encoder.",
        )
