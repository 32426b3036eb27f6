"""Table 4: the poolings of one frozen network's maps, with random controls of the learned ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmedrag.encoders.image import FeatureMaps, OnnxImageEncoder
from mmedrag.encoders.pooling import (
    Gap,
    LearnedPooling,
    Lpa,
    Pooling,
    emphasise_edges,
    load_pooling,
    random_pooling,
)
from mmedrag.errors import ModelError
from mmedrag.paper.shifts import (
    BASE,
    Floats,
    Interval,
    Pictures,
    ShiftRow,
    cosine_shifts,
    ratios,
)

POOLINGS = ("mspp", "lpa")
RANDOM_SEEDS = 3
"""Of random poolings, and of the images that networks with random weights see."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """A picture and a map over it, for the report."""

    title: str
    image: NDArray[np.uint8]
    map: Floats | None = None


def open_poolings(
    folders: Mapping[str, Path], encoder: OnnxImageEncoder
) -> tuple[dict[str, LearnedPooling], list[str]]:
    """Trained poolings by kind, and a note on each that cannot be used with this encoder."""
    poolings, notes = {}, []
    for kind, folder in folders.items():
        try:
            poolings[kind] = load_pooling(folder, kind, encoder)
        except ModelError as error:
            notes.append(f"{kind.upper()} is not measured as trained. {error}")
    return poolings, notes


def compare_poolings(
    encoder: OnnxImageEncoder, sets: Sequence[Pictures], trained: Mapping[str, LearnedPooling]
) -> tuple[list[ShiftRow], list[Overlay]]:
    """Shifts and ratios of every pooling on the same maps, and where a trained LPA looks."""
    names = list(sets[0])
    pictures = {name: [Image.fromarray(images[name]) for images in sets] for name in names}
    maps = {name: encoder.encode_maps(pictures[name]) for name in names}
    rows = [ShiftRow("Baseline (GAP)", "none", _pooled(Gap(), maps))]
    for kind in POOLINGS:
        untrained = [random_pooling(kind, encoder.channels, seed) for seed in range(RANDOM_SEEDS)]
        rows += [
            ShiftRow(kind.upper(), f"random {i}", _pooled(p, maps)) for i, p in enumerate(untrained)
        ]
        if kind in trained:
            rows.append(ShiftRow(kind.upper(), "trained", _pooled(trained[kind], maps)))
    emphasised = {n: encoder.encode([emphasise_edges(i) for i in p]) for n, p in pictures.items()}
    rows.append(ShiftRow("HFFE", "none", ratios(_from_base(emphasised))))
    overlays = [
        Overlay(f"LPA, {name}", sets[0][name], pooling.attention(maps[name][:1])[0].astype(float))
        for pooling in trained.values()
        if isinstance(pooling, Lpa)
        for name in ("base", "hairline", "mass", "density")
    ]
    return rows, overlays


def _pooled(pooling: Pooling, maps: Mapping[str, FeatureMaps]) -> dict[str, Interval]:
    return ratios(_from_base({name: pooling.pool(features) for name, features in maps.items()}))


def _from_base(features: Mapping[str, NDArray[np.float32]]) -> dict[str, Floats]:
    wide = {name: np.asarray(rows, dtype=np.float64) for name, rows in features.items()}
    base = wide.pop(BASE)
    return {name: cosine_shifts(base, rows) for name, rows in wide.items()}
