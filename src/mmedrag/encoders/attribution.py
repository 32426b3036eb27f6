"""Why two images are similar to the encoder: what each region adds to their cosine.

A network that ends in global average pooling has features that are a mean over regions, so the
cosine of two images is a mean over the regions of either (Stylianou et al., "Visualizing deep
similarity networks", WACV 2019). The map needs no gradient and one pass an image. For networks
without feature maps, regions are covered one by one (Zeiler and Fergus, ECCV 2014).

A map says what the network looked at, not what a reader should: it is a hint.
`benchmarks/similarity_maps.py` measures how often it lies on a finding that was drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from mmedrag.encoders.image import FeatureMaps, MapEncoder
from mmedrag.encoders.projection import Reduction
from mmedrag.measures.cosines import unit_rows
from mmedrag.protocols import Embedder
from mmedrag.types import Matrix, Query, Vector

GRID = 8
"""Covered regions along the longer side of an image; each covers two steps of the grid."""

LONGEST = 384
"""Pixels of the longer side of an image that is covered region by region."""

Method = Literal["regions of the feature map", "occlusion"]


@dataclass(frozen=True, slots=True)
class SimilarityMaps:
    """What each region of two images adds to their similarity, ``(rows, columns)`` for each.

    ``similarity`` is the cosine that the maps explain: of the images alone, as the encoder sees
    them, not of the question and the report.
    """

    first: Matrix
    second: Matrix
    similarity: float
    method: Method


@runtime_checkable
class Attributing(Protocol):
    """An embedder whose image encoder can say what its regions add; ``None`` where it cannot."""

    def similarity_maps(self, first: Image.Image, second: Image.Image) -> SimilarityMaps | None:
        """The maps of two images."""
        ...


def similarity_maps(embedder: Embedder, first: Image.Image, second: Image.Image) -> SimilarityMaps:
    """The maps of two images: of the network's regions where it has them, else by occlusion.

    Args:
        embedder: of a system, such as ``rag.embedder``.
        first: one image, such as that of a question.
        second: another, such as that of a case.
    """
    maps = embedder.similarity_maps(first, second) if isinstance(embedder, Attributing) else None
    return maps or occlusion(embedder, first, second)


def contributions(maps: FeatureMaps, other: Vector, reduction: Reduction | None = None) -> Matrix:
    """What each region of an image adds to its cosine with another: their mean is the cosine.

    Args:
        maps: of one image, ``(channels, h, w)``; its features are their mean.
        other: features of the other image, ``(channels,)``.
        reduction: what the features go through before they are compared.

    Returns:
        ``(h, w)``.
    """
    channels, height, width = maps.shape
    regions = maps.reshape(channels, height * width).T
    pooled = regions.mean(axis=0)
    scaled = regions / max(float(np.linalg.norm(pooled)), 1e-12)
    if reduction is not None:
        scaled = scaled - reduction.mean
        scaled = scaled if reduction.weight is None else scaled @ reduction.weight.T
    length = max(float(np.linalg.norm(scaled.mean(axis=0))), 1e-12)
    target = (reduction or unit_rows)(other[None])[0]
    return np.asarray((scaled @ target / length).reshape(height, width), dtype=np.float32)


def region_maps(
    encoder: MapEncoder, first: Image.Image, second: Image.Image, reduction: Reduction | None
) -> SimilarityMaps:
    """The maps of two images from the feature maps of a network that pools by their mean."""
    maps = encoder.encode_maps([first, second])
    pooled = maps.mean(axis=(2, 3))
    one = contributions(maps[0], pooled[1], reduction)
    other = contributions(maps[1], pooled[0], reduction)
    similarity = float(one.mean())
    return SimilarityMaps(
        _within(one, first), _within(other, second), similarity, "regions of the feature map"
    )


def occlusion(embedder: Embedder, first: Image.Image, second: Image.Image) -> SimilarityMaps:
    """What covering each region takes from the cosine of two images."""
    small = [_reduced(image) for image in (first, second)]
    vectors = unit_rows(_embedded(embedder, small))
    maps = [
        _losses(embedder, image, vectors[at], vectors[1 - at]) for at, image in enumerate(small)
    ]
    return SimilarityMaps(maps[0], maps[1], float(vectors[0] @ vectors[1]), "occlusion")


def _losses(embedder: Embedder, image: Image.Image, whole: Vector, other: Vector) -> Matrix:
    step = max(image.size) / GRID
    columns, rows = (max(1, round(side / step)) for side in image.size)
    covered = [
        _covered(image, (column + 0.5) * image.width / columns, (row + 0.5) * image.height / rows,
                 step)
        for row, column in product(range(rows), range(columns))
    ]  # fmt: skip
    similarities = unit_rows(_embedded(embedder, covered)) @ other
    return np.asarray((whole @ other - similarities).reshape(rows, columns), dtype=np.float32)


def _covered(image: Image.Image, x: float, y: float, half: float) -> Image.Image:
    """The image with a square of its mean colour."""
    colour = tuple(int(value) for value in np.asarray(image).mean(axis=(0, 1)))
    covered = image.copy()
    left, top, right, bottom = (round(edge) for edge in (x - half, y - half, x + half, y + half))
    covered.paste(colour, (left, top, right, bottom))
    return covered


def _embedded(embedder: Embedder, images: list[Image.Image]) -> Matrix:
    return embedder.embed([Query(image=image) for image in images], images)


def _reduced(image: Image.Image) -> Image.Image:
    small = image.convert("RGB")
    small.thumbnail((LONGEST, LONGEST))
    return small


def _within(grid: Matrix, image: Image.Image) -> Matrix:
    """The part of a map of a square that lies on the image, which was padded to the square."""
    share = min(image.size) / max(image.size)
    side = len(grid)
    kept = max(1, round(side * share))
    start = (side - kept) // 2
    span = slice(start, start + kept)
    return grid[span] if image.width >= image.height else grid[:, span]
