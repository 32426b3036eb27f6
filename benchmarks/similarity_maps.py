"""How often the map of "why similar" lies on a finding that was drawn into the image.

Pairs of phantoms of two patients show the same finding. Where it is, is the difference between a
phantom and the same patient's without it. Printed for each finding: the probability that a region
on the finding gets more than a region beside it (area under the ROC curve; 0.5 is chance), its mean
over images with a 95 % bootstrap interval.

    python benchmarks/similarity_maps.py [--pairs 30] [--seed 1000]
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmedrag.encoders.attribution import similarity_maps
from mmedrag.measures.bootstrap import interval
from mmedrag.phantoms.corpus import Finding, View, draw
from mmedrag.phantoms.findings import sample_findings, sample_view
from mmedrag.presets import build

SHOWN = (
    ("chest", "consolidation"), ("chest", "mass"), ("chest", "pleural effusion"),
    ("bone", "lytic lesion"), ("tissue", "necrosis"),
    ("fundus", "disc swelling"), ("fundus", "haemorrhages"), ("fundus", "hard exudates"),
)  # fmt: skip
VISIBLE = 15
"""Grey levels by which a pixel must differ to be of the finding."""


def main() -> None:
    """Print a line for each finding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1000)
    options = parser.parse_args()
    embedder = build("offline").embedder
    every = []
    for kind, name in SHOWN:
        areas = []
        for number in range(options.pairs):
            (one, where), (other, elsewhere) = (
                shown(kind, name, options.seed + 2 * number + side) for side in (0, 1)
            )
            maps = similarity_maps(embedder, one, other)
            areas += [area(maps.first, where), area(maps.second, elsewhere)]
        every += areas
        print_line(f"{kind}: {name}", areas)
    print_line("all", every)


def print_line(name: str, areas: list[float]) -> None:
    """Mean area with its interval, over the images whose finding fills a region of the map."""
    values = np.array(areas)
    usable = np.isfinite(values)
    pairs = np.arange(len(values)) // 2
    ((low, high),) = interval(values[usable, None], pairs[usable])
    values = values[usable]
    print(f"{name:28}{values.mean():.2f} ({low:.2f} to {high:.2f}), {len(values)} images")


def shown(kind: str, name: str, seed: int) -> tuple[Image.Image, NDArray[np.bool_]]:
    """A phantom with the finding alone, and where it is, ``(h, w)``."""
    view, finding = sampled(kind, name, seed)
    ill, well = (draw(view, seed, findings).astype(int) for findings in ([finding], []))
    change = np.abs(ill - well)
    where = (change if change.ndim == 2 else change.max(axis=2)) > VISIBLE
    return Image.fromarray(ill.astype(np.uint8)).convert("RGB"), where


def sampled(kind: str, name: str, seed: int) -> tuple[View, Finding]:
    """A view and the finding in it, as the demonstration corpus draws them."""
    rng = np.random.default_rng([seed, 77])
    while True:
        view = sample_view(rng, kind)
        for finding in sample_findings(rng, view):
            if finding.name == name and finding.present:
                return view, finding


def area(values: NDArray[np.floating], where: NDArray[np.bool_]) -> float:
    """Area under the ROC curve of regions a quarter of which the finding fills."""
    rows, columns = values.shape
    edges = [
        np.linspace(0, side, n + 1).astype(int)
        for side, n in zip(where.shape, values.shape, strict=True)
    ]
    filled = np.array([
        [where[edges[0][r] : edges[0][r + 1], edges[1][c] : edges[1][c + 1]].mean() > 0.25
         for c in range(columns)]
        for r in range(rows)
    ])  # fmt: skip
    inside, outside = values[filled], values[~filled]
    if not len(inside) or not len(outside):
        return float("nan")
    return float((inside[:, None] > outside[None]).mean())


if __name__ == "__main__":
    main()
