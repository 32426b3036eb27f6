"""Maps of why two images are similar."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmedrag.encoders.attribution import contributions, occlusion, similarity_maps
from mmedrag.encoders.definition_vectors import DefinitionsOnce
from mmedrag.encoders.projection import Reduction
from mmedrag.measures.cosines import unit_rows
from mmedrag.phantoms.corpus import Finding, View, draw
from mmedrag.presets import Stages

CHEST = View("chest", "chest")


@pytest.mark.parametrize("reduced", [False, True])
def test_regions_add_up_to_the_cosine(reduced: bool) -> None:
    rng = np.random.default_rng(3)
    maps = rng.random((6, 3, 5)).astype(np.float32)
    other = rng.random(6).astype(np.float32)
    mean, weight = rng.random((6,)) * 0.1, rng.random((4, 6))
    reduction = (
        Reduction(mean.astype(np.float32), weight.astype(np.float32), "r") if reduced else None
    )
    pooled = maps.mean(axis=(1, 2))
    a, b = (reduction or unit_rows)(np.stack([pooled, other]))
    got = contributions(maps, other, reduction)
    assert got.shape == (3, 5)
    assert got.mean() == pytest.approx(float(a @ b), abs=1e-5)


def test_an_empty_map_is_zero() -> None:
    assert not contributions(np.zeros((4, 2, 2), np.float32), np.ones(4, np.float32)).any()


def test_the_map_lies_on_the_finding_more_often_than_chance(offline: Stages) -> None:
    """Two patients with the same finding; where it is, the same patient without it shows."""
    embedder = DefinitionsOnce(offline.embedder, None)
    areas = []
    for seed in range(8):
        finding = Finding("consolidation", ("left", "right")[seed % 2], "lower lobe", "severe")
        ill, other = (draw(CHEST, patient, [finding]) for patient in (seed, seed + 50))
        change = np.abs(ill.astype(int) - draw(CHEST, seed).astype(int)) > 15
        maps = similarity_maps(embedder, picture(ill), picture(other))
        assert maps.method == "regions of the feature map"
        areas.append(area(maps.first, change))
    assert np.mean(areas) > 0.55


def test_a_wide_image_has_a_wide_map(offline: Stages) -> None:
    wide = Image.new("L", (300, 100), 90)
    maps = similarity_maps(offline.embedder, wide, wide.rotate(90, expand=True))
    rows, columns = maps.first.shape
    assert columns == 3 * rows
    assert maps.second.shape == (columns, rows)


class Corner:
    """Sees only how bright the upper left quarter is, and has no feature maps."""

    dim, fingerprint = 2, "corner"

    def embed(self, items, pictures=None):
        light = [np.asarray(p.convert("L"))[: p.height // 2, : p.width // 2].mean()
                 for p in pictures or ()]  # fmt: skip
        return unit_rows(np.array([[x, 60.0] for x in light], np.float32))


def test_without_feature_maps_regions_are_covered() -> None:
    pixels = np.full((64, 64), 10, np.uint8)
    pixels[:32, :32] = 250
    maps = occlusion(Corner(), picture(pixels), picture(pixels))
    assert maps.method == "occlusion"
    assert maps.first.shape == (8, 8)
    row, column = np.unravel_index(maps.first.argmax(), (8, 8))
    assert row < 4
    assert column < 4
    assert abs(maps.first[6, 6]) < 1e-3
    assert maps.similarity == pytest.approx(1.0)


def picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels).convert("RGB")


def area(values: np.ndarray, where: np.ndarray) -> float:
    side = len(values)
    step = len(where) / side
    cells = np.array(
        [[where[int(r * step) : int((r + 1) * step), int(c * step) : int((c + 1) * step)].mean()
          for c in range(side)] for r in range(side)]
    )  # fmt: skip
    inside, outside = values[cells > 0.25], values[cells <= 0.25]
    return float((inside[:, None] > outside[None]).mean())
