"""Section 5 measured: Tables 1 to 4 over seeds, and a representation that sees faint densities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmedrag.datasets.phantoms import sensitivity_images
from mmedrag.encoders.density import WindowedEncoder
from mmedrag.encoders.image import OnnxImageEncoder
from mmedrag.encoders.pooling import (
    Gap,
    Lpa,
    Pooling,
    emphasise_edges,
    load_pooling,
    random_pooling,
)
from mmedrag.errors import MissingExtra, ModelError
from mmedrag.evaluation.backbones import SIZE, Backbone, Floats, backbones
from mmedrag.evaluation.density import inserted_shifts, pictured, radiographs, retrieval, summed
from mmedrag.evaluation.localisation import FRACTURES, localisation
from mmedrag.evaluation.shifts import (
    Pictures,
    Spread,
    cosine_shifts,
    features_of,
    mean,
    ratio,
    shifts,
)
from mmedrag.presets import MODELS

SIZES = (224, 128, 64)
FINDINGS = ("hairline", "moderate", "mass", "density")
CONTROL = "noise"
RANDOM_SEEDS = 3
"""Of the images that networks with random weights see, and of random poolings."""
SHARE = 0.5
"""Of the window where it stands beside the picture."""

Progress = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Row:
    """One encoder or pooling: where its weights come from, and its figures by name."""

    name: str
    weights: str
    figures: Mapping[str, Spread]


@dataclass(frozen=True, slots=True)
class Overlay:
    """A picture and a map over it, for the report."""

    title: str
    image: NDArray[np.uint8]
    map: Floats | None = None


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Everything that was measured; a table is empty where it could not be."""

    seeds: int
    scales: Sequence[Row] = ()
    findings: Sequence[Row] = ()
    gradients: Sequence[Row] = ()
    poolings: Sequence[Row] = ()
    windows: Sequence[Row] = ()
    radiographs: Sequence[Row] = ()
    pictures: int = 0
    retrieval: Mapping[float, Mapping[str, Spread]] = field(default_factory=dict)
    overlays: Sequence[Overlay] = ()
    notes: Sequence[str] = ()


def evaluate(
    seeds: int = 20,
    *,
    models: Mapping[str, str] | None = None,
    xrays: Sequence[Path] = (),
    gallery: Sequence[Path] = (),
    most: int = 12,
    progress: Progress = lambda n: None,
) -> Sensitivity:
    """Measure section 5 on the seeds from 0.

    Args:
        seeds: images drawn, at least 2.
        models: checkpoints of backbones by name (:func:`backbones`), and ``lpa`` or ``mspp`` for a
            trained pooling in place of the shipped one.
        xrays: record files whose X-rays get findings put in.
        gallery: record files whose validation images are searched.
        most: X-rays taken of each file.
        progress: told how many more networks or parts are done.

    Raises:
        CheckpointError: where a model cannot be loaded.
        CorpusError: where records cannot be read.
    """
    told = dict(models or {})
    poolings: dict[str, str] = {k: told.pop(k) for k in ("lpa", "mspp") if k in told}
    sets: list[Pictures] = [sensitivity_images(seed) for seed in range(seeds)]
    shipped = OnnxImageEncoder.from_card(MODELS / "lite0.json")
    window = WindowedEncoder(shipped)
    plain, windowed = shifts(shipped.encode, sets), shifts(window.encode, sets)
    scales, findings, gradients, overlays, notes = _networks(sets, told, progress)
    pooled, attention, missing = _poolings(shipped, sets, poolings)
    progress(1)
    pictures = radiographs(xrays, most)
    real = inserted_shifts({"picture": shipped, "window": window}, pictures) if pictures else {}
    progress(1)
    cases = [case for path in gallery for case in pictured(path, "val")]
    return Sensitivity(
        seeds=seeds,
        scales=scales,
        findings=[Row("Shipped image encoder", "shipped", _ratios(plain)), *findings],
        gradients=gradients,
        poolings=pooled,
        windows=_windows(plain, windowed),
        radiographs=_windows(real["picture"], real["window"]) if real else (),
        pictures=len(pictures),
        retrieval=retrieval(shipped, window, cases) if cases else {},
        overlays=(*attention, *overlays, *_shown(window, sets[0])),
        notes=(*notes, *missing),
    )


def _networks(
    sets: Sequence[Pictures], models: Mapping[str, str], progress: Progress
) -> tuple[list[Row], list[Row], list[Row], list[Overlay], list[str]]:
    """Tables 1 to 3, which need PyTorch; without it they are empty and a note says why."""
    scales: list[Row] = []
    findings: list[Row] = []
    gradients: list[Row] = []
    overlays: list[Overlay] = []
    try:
        for backbone in backbones(models):
            few = sets if backbone.trained else sets[:RANDOM_SEEDS]
            by_finding = shifts(backbone.embed, few)
            found = localisation(backbone, range(len(few)))
            scales.append(Row(backbone.name, backbone.weights, _scales(backbone, few, by_finding)))
            findings.append(Row(backbone.name, backbone.weights, _ratios(by_finding)))
            gradients.append(Row(backbone.name, backbone.weights, _gains(found)))
            if not overlays:
                overlays = _gradient_maps(backbone, sets[0])
            progress(1)
    except MissingExtra as error:
        return [], [], [], [], [f"Tables 1 and 3 need PyTorch. {error}"]
    return scales, findings, gradients, overlays, []


def _scales(
    backbone: Backbone, sets: Sequence[Pictures], by_finding: Mapping[str, Floats]
) -> dict[str, Spread]:
    found = {str(SIZE): mean(by_finding["hairline"])}
    for size in () if backbone.fixed_size else SIZES[1:]:

        def encode(images: Sequence[Image.Image], size: int = size) -> Floats:
            return backbone.embed(images, size)

        pair = [features_of(encode, sets, name) for name in ("base", "hairline")]
        found[str(size)] = mean(cosine_shifts(*pair))
    return found


def _ratios(found: Mapping[str, Floats], controls: Sequence[str] = (CONTROL,)) -> dict[str, Spread]:
    """Mean shifts by change, and the ratio of each finding to each control."""
    figures = {name: mean(values) for name, values in found.items()}
    for control in controls:
        for name in (name for name in found if name not in controls):
            figures[f"{name}/{control}"] = ratio(found[name], found[control])
    return figures


def _gains(found: Mapping[str, Floats]) -> dict[str, Spread]:
    gains = {f"{name} gain": found[name] - found[f"{name} base"] for name in FRACTURES}
    return {name: mean(values) for name, values in {**found, **gains}.items()}


def _poolings(
    encoder: OnnxImageEncoder, sets: Sequence[Pictures], trained: Mapping[str, str]
) -> tuple[list[Row], list[Overlay], list[str]]:
    """Table 4: every pooling on the same maps of the shipped encoder."""
    names = list(sets[0])
    pictures = {name: [Image.fromarray(images[name]) for images in sets] for name in names}
    maps = {name: encoder.encode_maps(pictures[name]) for name in names}
    rows = [Row("Baseline (GAP)", "none", _pooled(Gap(), maps))]
    overlays, notes = [], []
    for kind in ("mspp", "lpa"):
        drawn = [random_pooling(kind, encoder.channels, seed) for seed in range(RANDOM_SEEDS)]
        rows += [Row(kind.upper(), f"random {i}", _pooled(p, maps)) for i, p in enumerate(drawn)]
        folder = Path(trained.get(kind, MODELS / kind))
        if kind not in trained and not folder.is_dir():
            continue
        try:
            pooling = load_pooling(folder, kind, encoder)
        except ModelError as error:
            notes.append(f"{kind.upper()} is not measured as trained. {error} {error.remedy}")
            continue
        rows.append(Row(kind.upper(), "trained", _pooled(pooling, maps)))
        if isinstance(pooling, Lpa):
            overlays = _attention(pooling, maps, sets[0])
    emphasised = {n: encoder.encode([emphasise_edges(i) for i in p]) for n, p in pictures.items()}
    rows.append(Row("HFFE", "none", _ratios(_from_base(emphasised))))
    return rows, overlays, notes


def _pooled(pooling: Pooling, maps: Mapping[str, NDArray[np.float32]]) -> dict[str, Spread]:
    return _ratios(_from_base({name: pooling.pool(found) for name, found in maps.items()}))


def _from_base(features: Mapping[str, NDArray[np.float32]]) -> dict[str, Floats]:
    wide = {name: np.asarray(rows, dtype=np.float64) for name, rows in features.items()}
    base = wide.pop("base")
    return {name: cosine_shifts(base, rows) for name, rows in wide.items()}


def _windows(first: Mapping[str, Floats], second: Mapping[str, Floats]) -> list[Row]:
    """The picture alone, the window alone, and both side by side."""
    controls = [name for name in ("noise", "matched noise", "re-encoded") if name in first]
    both = summed(first, second, SHARE)
    shown = {"Picture": first, "Window": second, f"Both (share {SHARE:g})": both}
    return [Row(name, "shipped", _ratios(found, controls)) for name, found in shown.items()]


def _attention(
    pooling: Lpa, maps: Mapping[str, NDArray[np.float32]], images: Pictures
) -> list[Overlay]:
    return [
        Overlay(f"LPA, {name}", images[name], pooling.attention(maps[name][:1])[0].astype(float))
        for name in ("base", "hairline", "mass", "density")
    ]


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
