"""Histology phantoms: colon mucosa or adenocarcinoma in haematoxylin and eosin.

The field is two maps of stain concentration, and light goes through them as Beer and Lambert say,
with the stain colours of Ruifrok and Johnston (2001).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmedrag.phantoms.findings import Finding, View, lesion_rng
from mmedrag.phantoms.images.canvas import (
    Field,
    Points,
    blob,
    blur,
    cloud,
    coordinates,
    filled,
    pixels,
    smoothstep,
)

HAEMATOXYLIN = np.array([0.65, 0.70, 0.29], dtype=np.float32)
EOSIN = np.array([0.07, 0.99, 0.11], dtype=np.float32)

Shapes = list[tuple[Points, float]]
Point = tuple[float, float]
_CENTRES = {"upper left": (-0.5, -0.5), "upper right": (0.5, -0.5),
            "lower left": (-0.5, 0.5), "lower right": (0.5, 0.5)}  # fmt: skip


class _Field:
    """Layers under construction: polygons of haematoxylin, eosin, mucin and lumen."""

    def __init__(self) -> None:
        self.nuclei: Shapes = []
        self.cytoplasm: Shapes = []
        self.mucin: Shapes = []
        self.lumens: Shapes = []


def _lattice(rng: np.random.Generator, pitch: float, jitter: float) -> list[Point]:
    """A jittered hexagonal lattice that covers the field and half a pitch around it."""
    reach = 1 + 0.5 * pitch
    rows, columns = (np.arange(-reach, reach + step, step) for step in (0.87 * pitch, pitch))
    return [
        (
            float(x + 0.5 * pitch * (row % 2) + rng.normal(0, jitter)),
            float(y + rng.normal(0, jitter)),
        )
        for row, y in enumerate(rows)
        for x in columns - 0.25 * pitch
    ]


def _visible(point: Point) -> bool:
    return max(abs(point[0]), abs(point[1])) < 1.06


def _at(ring: Points, theta: float, share: float, centre: Point) -> Point:
    """The point at angle ``theta`` and at a share of the way from the centre to the ring."""
    position = theta / (2 * np.pi) * len(ring)
    edge = ring[int(position) % len(ring)] * (1 - position % 1)
    edge = edge + ring[(int(position) + 1) % len(ring)] * (position % 1)
    return (
        centre[0] + share * (edge[0] - centre[0]),
        centre[1] + share * (edge[1] - centre[1]),
    )


def _crypt(rng: np.random.Generator, field: _Field, centre: Point, radius: float) -> None:
    """A normal crypt: round, with a rim of basal nuclei, goblet cells, and a small lumen."""
    ring = blob(rng, *centre, radius, 0.08)
    field.cytoplasm.append((ring, 0.52))
    cells = max(9, round(2 * np.pi * radius / 0.085))
    for cell in range(cells):
        theta = 2 * np.pi * (cell + rng.uniform(-0.2, 0.2)) / cells % (2 * np.pi)
        goblet = _at(ring, theta, 0.60, centre)
        if _visible(goblet) and rng.random() < 0.8:
            size = radius * rng.uniform(0.115, 0.155)
            field.mucin.append((blob(rng, *goblet, size, 0.08, 1.6, theta), 1.0))
        nucleus = _at(ring, theta, 0.89 + rng.normal(0, 0.02), centre)
        if not _visible(nucleus):
            continue
        turn = theta + np.pi / 2
        field.nuclei.append((blob(rng, *nucleus, 0.021, 0.1, 1.55, turn), rng.uniform(0.6, 0.8)))
    field.lumens.append((blob(rng, *centre, radius * rng.uniform(0.14, 0.26), 0.15), 1.0))


def _malignant_gland(
    rng: np.random.Generator, field: _Field, centre: Point, radius: float, grade: float
) -> None:
    """An irregular gland with crowded, large, dark, stratified nuclei and ragged lumens."""
    ring = blob(rng, *centre, radius, 0.34, rng.uniform(1.0, 1.4), rng.uniform(0, 3.1))
    field.cytoplasm.append((ring, 0.62))
    for _ in range(1 + int(rng.random() < 0.45 + 0.3 * grade)):
        where = _at(ring, rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.35), centre)
        field.lumens.append((blob(rng, *where, radius * rng.uniform(0.16, 0.30), 0.35, 1.4,
                                  rng.uniform(0, 3)), 1.0))  # fmt: skip
    for layer, share in enumerate((0.88, 0.68, 0.50)):
        cells = round(2 * np.pi * radius * share / (0.088 + 0.018 * layer))
        for cell in range(cells):
            theta = 2 * np.pi * (cell + rng.uniform(-0.35, 0.35)) / cells % (2 * np.pi)
            point = _at(ring, theta, share + rng.normal(0, 0.05), centre)
            if not _visible(point):
                continue
            size = rng.gamma(16, 0.0018 + 0.0004 * grade)
            turn = theta + rng.normal(0, 0.35)
            nucleus = blob(rng, *point, size, 0.14, rng.uniform(1.2, 1.9), turn)
            dark = rng.uniform(0.62, 0.95)
            field.nuclei.append((nucleus, dark))
            if rng.random() < 0.6:
                field.nuclei.append((blob(rng, *point, 0.62 * size, 0.1, 1.3, turn), 0.72 * dark))


def _stroma(rng: np.random.Generator, field: _Field, count: int) -> None:
    """Spindle nuclei of fibroblasts, and a few lymphocytes that every mucosa has."""
    for _ in range(count):
        x, y = rng.uniform(-1.05, 1.05, 2)
        spindle = blob(rng, x, y, 0.011, 0.1, rng.uniform(2.4, 4.0), 0.6 + rng.normal(0, 0.5))
        field.nuclei.insert(0, (spindle, rng.uniform(0.55, 0.8)))
    for x, y in rng.uniform(-1.05, 1.05, (count // 5, 2)):
        field.nuclei.insert(0, (blob(rng, x, y, 0.02, 0.05), 0.85))


def _lymphocytes(rng: np.random.Generator, finding: Finding) -> Shapes:
    """A dense infiltrate of small, round, dark nuclei around one corner of the field."""
    cx, cy = _CENTRES[finding.location or "upper left"]
    points = rng.normal((cx, cy), 0.24 + 0.08 * finding.amount, (round(400 * finding.amount), 2))
    return [(blob(rng, x, y, rng.uniform(0.018, 0.023), 0.05), rng.uniform(0.88, 1.0))
            for x, y in points]  # fmt: skip


def _mitoses(rng: np.random.Generator, finding: Finding) -> tuple[Shapes, Shapes]:
    """Dark plates or pairs of plates (metaphase, anaphase), each in a cleared cell."""
    dark: Shapes = []
    clear: Shapes = []
    for x, y in rng.uniform(-0.82, 0.82, (3 + round(9 * finding.amount), 2)):
        turn = rng.uniform(0, np.pi)
        clear.append((blob(rng, x, y, 0.062, 0.05), 1.0))
        apart = 0.024 if rng.random() < 0.5 else 0.0
        for sign in (-1, 1) if apart else (1,):
            px, py = x - sign * apart * np.sin(turn), y + sign * apart * np.cos(turn)
            dark.append((blob(rng, px, py, 0.014, 0.35, 2.6, turn), 1.0))
    return dark, clear


def _necrosis(rng: np.random.Generator, finding: Finding) -> tuple[Field, Field]:
    """A pink, granular, anucleate area with dark nuclear dust: its mask, and the dust."""
    cx, cy = _CENTRES[finding.location or "upper left"]
    mask = blur(filled([(blob(rng, cx, cy, 0.36 + 0.22 * finding.amount, 0.25), 1.0)]), 2.5)
    reach = 0.30 + 0.12 * finding.amount
    dust: Shapes = [
        (blob(rng, x, y, rng.uniform(0.006, 0.013), 0.2), 1.0)
        for x, y in rng.normal((cx, cy), reach, (170, 2))
    ]
    return mask, filled(dust)


def _architecture(rng: np.random.Generator, malignant: Finding | None) -> _Field:
    field = _Field()
    if malignant is None:
        pitch = rng.uniform(0.60, 0.74)
        for centre in _lattice(rng, pitch, 0.035):
            _crypt(rng, field, centre, pitch * rng.uniform(0.40, 0.455))
        _stroma(rng, field, 110)
        return field
    grade = malignant.amount
    pitch = rng.uniform(0.52, 0.64)
    for centre in _lattice(rng, pitch, 0.10):
        if rng.random() < 0.72:
            _malignant_gland(rng, field, centre, pitch * rng.uniform(0.30, 0.52), grade)
    _stroma(rng, field, 190)
    return field


def _stains(anatomy: int, findings: Sequence[Finding]) -> tuple[Field, Field]:
    """Concentrations of haematoxylin and of eosin."""
    rng = np.random.default_rng(anatomy)
    by_name = {f.name: f for f in findings}
    field = _architecture(rng, by_name.get("adenocarcinoma"))
    x, y = coordinates()
    fibres = np.sin((x + 0.7 * y) * 46 + 3.0 * cloud(rng, 26)) * 0.5 + 0.5
    stroma = 0.30 + 0.20 * fibres * smoothstep(cloud(rng, 30), -1.5, 0.8) + 0.05 * cloud(rng, 4)
    gaps = smoothstep(cloud(rng, 14, 20), 1.3, 1.9)
    cells = blur(filled(field.cytoplasm), 0.7)
    inside = np.clip(cells / 0.5, 0, 1)
    eosin = stroma * (1 - 0.8 * gaps) * (1 - inside) + cells * (1 + 0.10 * cloud(rng, 3)) * 0.75
    mucin, lumens = blur(filled(field.mucin), 0.7), blur(filled(field.lumens), 0.9)
    eosin = eosin * (1 - 0.80 * mucin) * (1 - 0.93 * lumens)
    nuclei = blur(filled(field.nuclei), 0.55)
    haem = 0.16 * inside * (1 - mucin) + 0.10 * mucin
    if "inflammation" in by_name:
        infiltrate = _lymphocytes(lesion_rng(anatomy, "inflammation"), by_name["inflammation"])
        nuclei = np.maximum(nuclei * 1.0, blur(filled(infiltrate), 0.5))
    if "mitotic figures" in by_name:
        dark, clear = _mitoses(lesion_rng(anatomy, "mitotic figures"), by_name["mitotic figures"])
        open_ = blur(filled(clear), 1.0)
        nuclei, haem, eosin = nuclei * (1 - open_), haem * (1 - open_), eosin * (1 - 0.45 * open_)
        nuclei = nuclei + 1.35 * blur(filled(dark), 0.5)
    chromatin = 1 + 0.16 * cloud(rng, 2.2)
    haem = haem * (1 - lumens) + 1.15 * nuclei * chromatin * (1 - 0.75 * lumens)
    if "necrosis" in by_name:
        dead, dust = _necrosis(lesion_rng(anatomy, "necrosis"), by_name["necrosis"])
        ghost = 0.55 + 0.13 * cloud(rng, 5) + 0.07 * cloud(rng, 2)
        haem = haem * (1 - 0.95 * dead) + dead * (0.05 + 0.9 * dust)
        eosin = eosin * (1 - dead) + dead * ghost
    return np.asarray(haem, dtype=np.float32), np.asarray(eosin, dtype=np.float32)


def draw_tissue(
    view: View, anatomy: int, findings: Sequence[Finding], film: int
) -> NDArray[np.uint8]:
    """A histology field, shape (256, 256, 3).

    ``anatomy`` is the tissue and the shape of its lesions, ``film`` the slide (strength of each
    stain, light, focus, noise).
    """
    rng = np.random.default_rng([film, 5])
    haem, eosin = _stains(anatomy, findings)
    haem = np.clip(haem, 0, None) * rng.uniform(1.0, 1.5)
    eosin = np.clip(eosin, 0, None) * rng.uniform(0.6, 1.05)
    first = HAEMATOXYLIN * (1 + rng.normal(0, 0.05, 3).astype(np.float32))
    second = EOSIN * np.array([rng.uniform(0.8, 2.2), 0.9, rng.uniform(0.9, 2.2)], dtype=np.float32)
    focus = rng.uniform(0.4, 0.7)
    density = [blur(haem * first[c] + eosin * second[c], focus) for c in range(3)]
    light = np.array([0.965, 0.955, 0.965], np.float32) * rng.uniform(0.97, 1.02)
    image = np.exp(-1.25 * np.stack(density, axis=-1)) * light
    noise = 0.012 * rng.standard_normal(image.shape, dtype=np.float32)
    return pixels(np.asarray(image + noise, dtype=np.float32))
