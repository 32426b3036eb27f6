"""Section 5 measured: Tables 1 to 4 over seeds, and a representation that sees faint densities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from mmedrag.datasets.radiographs import pictured, radiographs
from mmedrag.encoders.density import WindowedEncoder
from mmedrag.encoders.image import ImageEncoder, OnnxImageEncoder
from mmedrag.encoders.pooling import LearnedPooling, PooledImageEncoder
from mmedrag.errors import MissingExtra
from mmedrag.networks.backbones import SIZE, Backbone, Floats
from mmedrag.paper.density import (
    Retrieved,
    by_share,
    inserted_shifts,
    retrieved,
    searched,
    summed,
)
from mmedrag.paper.localisation import FRACTURES, localisation
from mmedrag.paper.poolings import RANDOM_SEEDS, Overlay, compare_poolings, open_poolings
from mmedrag.paper.shifts import (
    Interval,
    Pictures,
    ShiftRow,
    cosine_shifts,
    features_of,
    mean,
    ratios,
    shifts,
)
from mmedrag.phantoms.corpus import sensitivity_images
from mmedrag.phantoms.insertions import CONTROLS
from mmedrag.presets import MODELS
from mmedrag.progress import Progress, silent
from mmedrag.types import Case

SIZES = (224, 128, 64)
FINDINGS = ("hairline", "moderate", "mass", "density")
TRAINED = {"lpa": MODELS / "lpa"}
"""The pooling that ships."""
SHARE = 0.5
"""Of the window where it stands beside the picture."""


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Everything that was measured; a table is empty where it could not be."""

    seeds: int
    scales: Sequence[ShiftRow] = ()
    findings: Sequence[ShiftRow] = ()
    gradients: Sequence[ShiftRow] = ()
    poolings: Sequence[ShiftRow] = ()
    windows: Sequence[ShiftRow] = ()
    radiographs: Sequence[ShiftRow] = ()
    pictures: int = 0
    retrieval: Mapping[float, Retrieved] = field(default_factory=dict)
    retrieval_poolings: Mapping[str, Retrieved] = field(default_factory=dict)
    overlays: Sequence[Overlay] = ()
    notes: Sequence[str] = ()


def measure_sensitivity(
    seeds: int = 20,
    *,
    networks: Iterable[Backbone] = (),
    poolings: Mapping[str, Path] = TRAINED,
    xrays: Sequence[Path] = (),
    gallery: Sequence[Path] = (),
    most: int = 12,
    progress: Progress = silent,
) -> Sensitivity:
    """Measure section 5 on the seeds from 0.

    Args:
        seeds: images drawn, at least 2.
        networks: for Tables 1 to 3 (:func:`~mmedrag.networks.backbones.backbones`).
        poolings: folders of trained poolings by kind.
        xrays: record files whose X-rays get findings put in.
        gallery: record files whose validation images are searched.
        most: X-rays taken of each file.
        progress: told how many more networks or parts are done.

    Raises:
        CheckpointError: where a model cannot be loaded.
        CorpusError: where records cannot be read.
    """
    sets: list[Pictures] = [sensitivity_images(seed) for seed in range(seeds)]
    shipped = OnnxImageEncoder.from_card(MODELS / "lite0.json")
    window = WindowedEncoder(shipped)
    plain, windowed = shifts(shipped.encode, sets), shifts(window.encode, sets)
    scales, findings, gradients, overlays, notes = _networks(sets, networks, progress)
    trained, missing = open_poolings(poolings, shipped)
    pooled, attention = compare_poolings(shipped, sets, trained)
    progress(1)
    pictures = radiographs(xrays, most)
    real = inserted_shifts({"picture": shipped, "window": window}, pictures) if pictures else {}
    progress(1)
    cases = [case for path in gallery for case in pictured(path, "val")]
    cosines = _cosines(cases, shipped, window, trained)
    return Sensitivity(
        seeds=seeds,
        scales=scales,
        findings=[ShiftRow("Shipped image encoder", "shipped", ratios(plain)), *findings],
        gradients=gradients,
        poolings=pooled,
        windows=_windows(plain, windowed),
        radiographs=_windows(real["picture"], real["window"]) if real else (),
        pictures=len(pictures),
        retrieval=by_share(cosines["picture"], cosines["window"], cases) if cases else {},
        retrieval_poolings={
            name: retrieved(similar, cases) for name, similar in cosines.items() if name in trained
        },
        overlays=(*attention, *overlays, *_shown(window, sets[0])),
        notes=(*notes, *missing),
    )


def _cosines(
    cases: Sequence[Case],
    shipped: OnnxImageEncoder,
    window: ImageEncoder,
    trained: Mapping[str, LearnedPooling],
) -> dict[str, Floats]:
    """Cosines of the images of ``cases``, ``(n, n)``, by encoder; empty without cases."""
    encoders: dict[str, ImageEncoder] = {"picture": shipped, "window": window}
    encoders |= {name: PooledImageEncoder(shipped, pooling) for name, pooling in trained.items()}
    return {name: searched(encoder, cases) for name, encoder in encoders.items() if cases}


def _networks(
    sets: Sequence[Pictures], networks: Iterable[Backbone], progress: Progress
) -> tuple[list[ShiftRow], list[ShiftRow], list[ShiftRow], list[Overlay], list[str]]:
    """Tables 1 to 3, which need PyTorch; without it they are empty and a note says why."""
    scales: list[ShiftRow] = []
    findings: list[ShiftRow] = []
    gradients: list[ShiftRow] = []
    overlays: list[Overlay] = []
    try:
        for backbone in networks:
            few = sets if backbone.trained else sets[:RANDOM_SEEDS]
            by_finding = shifts(backbone.embed, few)
            localised = localisation(backbone, range(len(few)))
            scales.append(
                ShiftRow(backbone.name, backbone.weights, _scales(backbone, few, by_finding))
            )
            findings.append(ShiftRow(backbone.name, backbone.weights, ratios(by_finding)))
            gradients.append(ShiftRow(backbone.name, backbone.weights, _gains(localised)))
            if not overlays:
                overlays = _gradient_maps(backbone, sets[0])
            progress(1)
    except MissingExtra as error:
        return [], [], [], [], [f"Tables 1 and 3 need PyTorch. {error}"]
    return scales, findings, gradients, overlays, []


def _scales(
    backbone: Backbone, sets: Sequence[Pictures], by_finding: Mapping[str, Floats]
) -> dict[str, Interval]:
    by_size = {str(SIZE): mean(by_finding["hairline"])}
    for size in () if backbone.fixed_size else SIZES[1:]:

        def encode(images: Sequence[Image.Image], size: int = size) -> Floats:
            return backbone.embed(images, size)

        pair = [features_of(encode, sets, name) for name in ("base", "hairline")]
        by_size[str(size)] = mean(cosine_shifts(*pair))
    return by_size


def _gains(gradients: Mapping[str, Floats]) -> dict[str, Interval]:
    gains = {f"{name} gain": gradients[name] - gradients[f"{name} base"] for name in FRACTURES}
    return {name: mean(values) for name, values in {**gradients, **gains}.items()}


def _windows(first: Mapping[str, Floats], second: Mapping[str, Floats]) -> list[ShiftRow]:
    """The picture alone, the window alone, and both side by side."""
    controls = [name for name in CONTROLS if name in first]
    both = summed(first, second, SHARE)
    shown = {"Picture": first, "Window": second, f"Both (share {SHARE:g})": both}
    return [ShiftRow(name, "shipped", ratios(changes, controls)) for name, changes in shown.items()]


def _gradient_maps(backbone: Backbone, images: Pictures) -> list[Overlay]:
    return [
        Overlay(f"gradient, {n}", images[n], backbone.gradient(Image.fromarray(images[n])))
        for n in ("base", *FRACTURES)
    ]


def _shown(window: WindowedEncoder, images: Pictures) -> list[Overlay]:
    pictures = {name: Image.fromarray(images[name]) for name in ("base", "hairline", "density")}
    return [
        Overlay(f"window, {name}", np.asarray(window.window(picture)))
        for name, picture in pictures.items()
    ]
