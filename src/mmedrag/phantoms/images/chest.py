"""Chest film phantoms: a frontal view, the patient's right at the left of the image.

The film is built as a sum of densities (soft tissue, bone, heart, minus air), as X-rays add up, and
then given an exposure, a tone curve, a slight turn and noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    curve,
    ellipse,
    filled,
    pixels,
    side_marker,
    smoothstep,
    stroked,
    turned,
)

AIR = 0.47


@dataclass(frozen=True, slots=True, eq=False)
class Lung:
    """One lung as drawn: ``sign`` is -1 for the patient's right, which is the image's left."""

    sign: int
    border: Points
    mask: Field
    hilum: tuple[float, float]
    base: float

    def at(self, lobe: str) -> tuple[float, float]:
        """The middle of a lobe as it projects in the frontal view."""
        u, v = {"upper lobe": (0.43, -0.36), "middle lobe": (0.40, 0.20)}.get(lobe, (0.46, 0.14))
        return self.sign * u, v + (0.06 if lobe == "lower lobe" else 0.0) * (self.base - 0.3)


def _lung(rng: np.random.Generator, sign: int, width: float, base: float) -> Lung:
    top = -0.74 + rng.normal(0, 0.015)
    w = width * (1 + rng.normal(0, 0.02))
    knots = [
        (0.30, top), (0.47, top + 0.13), (0.58 * w, -0.38), (0.66 * w, -0.05), (0.71 * w, 0.28),
        (0.725 * w, base + 0.22), (0.68 * w, base + 0.15), (0.55, base + 0.03), (0.38, base),
        (0.22, base + 0.06), (0.15, base + 0.08), (0.13, 0.1), (0.13, -0.2), (0.12, -0.45),
        (0.17, -0.66),
    ]  # fmt: skip
    border = curve([(sign * x, y) for x, y in knots], closed=True)
    mask = blur(filled([(border, 1.0)]), 1.6)
    return Lung(sign, border, mask, (sign * 0.17, -0.1 + (0.03 if sign < 0 else 0.0)), base)


def _rib_paths(width: float, sign: int) -> list[tuple[Points, float]]:
    """Posterior ribs (value 1) and the fainter anterior ones, from the spine to the flank."""
    paths = []
    t = np.linspace(0, 1, 24)
    for number in range(10):
        level = -0.84 + 0.125 * number
        reach = width * min(0.76, 0.40 + 0.085 * number)
        x = 0.07 + (reach - 0.07) * np.sin(t * np.pi / 2)
        y = level - 0.05 * np.sin(np.pi * np.minimum(1, 1.5 * t)) + (0.17 + 0.016 * number) * t**2.6
        paths.append((np.stack([sign * x, y], axis=1), 1.0))
        if number < 7:
            front_x = reach - (reach - 0.2) * t
            front_y = y[-1] + 0.03 + 0.14 * t + 0.05 * np.sin(np.pi * t)
            paths.append((np.stack([sign * front_x, front_y], axis=1), 0.42))
    return paths


def _bones(rng: np.random.Generator, width: float) -> Field:
    ribs = [rib for sign in (-1, 1) for rib in _rib_paths(width, sign)]
    cage = 0.165 * stroked((p, 0.062, v) for p, v in ribs)
    cage = cage - 0.075 * stroked((p, 0.036, v) for p, v in ribs)
    lift = rng.normal(0, 0.02)
    clavicles = [
        curve([(s * 0.06, -0.60), (s * 0.22, -0.63), (s * 0.42, -0.73 + lift), (s * 0.70, -0.80)])
        for s in (-1, 1)
    ]
    collar = 0.16 * stroked((p, 0.075, 1.0) for p in clavicles)
    collar = collar - 0.06 * stroked((p, 0.045, 1.0) for p in clavicles)
    blades = sum(ellipse(s * 0.80 * width, -0.34, 0.10, 0.30, -s * 0.25, 0.12) for s in (-1, 1))
    x, y = coordinates()
    spine = np.exp(-((x / 0.085) ** 4)) * (0.8 + 0.2 * np.cos(y * 2 * np.pi / 0.125))
    return np.asarray(blur(cage + collar, 1.0) + 0.07 * blades + 0.13 * spine, dtype=np.float32)


def _body(rng: np.random.Generator, width: float) -> Field:
    side = 0.86 * width
    right = [
        (0.17, -1.15), (0.18, -0.93), (0.30, -0.86), (0.60, -0.80), (0.86, -0.66), (1.2, -0.4),
        (1.2, -0.1), (side + 0.04, -0.12), (side, 0.2), (side - 0.01, 0.6), (side + 0.02, 1.15),
    ]  # fmt: skip
    left = [(-x, y) for x, y in reversed(right)]
    return blur(filled([(curve([*right, *left], closed=True), 1.0)]), 1.5)


def _heart(rng: np.random.Generator, amount: float) -> Field:
    """The heart and great vessels; ``amount`` of cardiomegaly from 0 (normal) to 1."""
    grow = 1 + rng.normal(0, 0.035) + 0.42 * amount
    ventricle = ellipse(0.10 + 0.05 * amount, 0.19, 0.285 * grow, 0.27 + 0.06 * amount, 0.45, 0.10)
    atrium = ellipse(-0.07, 0.18, 0.15 * grow, 0.22, 0.0, 0.14)
    knob = ellipse(0.105, -0.36, 0.095, 0.10, 0.0, 0.16)
    trunk = ellipse(0.10, -0.16, 0.105, 0.17, -0.15, 0.2)
    x, y = coordinates()
    middle = smoothstep(np.abs(x), 0.15, 0.10) * smoothstep(y, -0.95, -0.6)
    pieces = [ventricle, atrium, knob * 0.92, trunk * 0.92, 0.85 * middle]
    return np.asarray(np.maximum.reduce(pieces), dtype=np.float32)


def _vessels(rng: np.random.Generator, lung: Lung) -> Field:
    """Pulmonary vessels: a tree that grows from the hilum and thins out towards the pleura."""
    paths: list[tuple[Points, float, float]] = []

    def grow(x: float, y: float, heading: float, width: float, depth: int) -> None:
        points = [(x, y)]
        for _ in range(5):
            heading += rng.normal(0, 0.20)
            x, y = x + 0.040 * np.cos(heading), y + 0.040 * np.sin(heading)
            points.append((x, y))
        paths.append((np.array(points), width, min(1.0, 0.30 + width * 16)))
        if depth:
            for turn in (-0.42, 0.36):
                grow(x, y, heading + turn + rng.normal(0, 0.12), width * 0.68, depth - 1)

    for angle in np.linspace(-1.25, 1.45, 6):
        heading = angle if lung.sign > 0 else np.pi - angle
        grow(*lung.hilum, heading + rng.normal(0, 0.15), 0.032, 3)
    root = ellipse(*lung.hilum, 0.075, 0.13, 0.2 * lung.sign, 0.5)
    tree = 0.125 * blur(stroked(paths), 0.9)
    return np.asarray((tree + 0.15 * root + 0.008 * cloud(rng, 3)) * lung.mask, dtype=np.float32)


def _consolidation(rng: np.random.Generator, finding: Finding, lung: Lung) -> Field:
    cx, cy = lung.at(finding.location or "lower lobe")
    size = 0.18 + 0.12 * finding.amount
    area = blur(filled([(blob(rng, cx, cy, size, 0.22, 1.25, rng.uniform(0, 3)), 1.0)]), 8)
    patchy = np.clip(0.9 + 0.16 * cloud(rng, 14) + 0.10 * cloud(rng, 5), 0.3, 1.1)
    root = np.array(lung.hilum)
    away = np.array([cx, cy]) - root
    bronchi = [
        (np.stack([root + away * s, root + away * (s + 0.4) + rng.normal(0, 0.07, 2)]), 0.022, 1.0)
        for s in (0.45, 0.65, 0.8, 0.95)
    ]
    air = blur(stroked(bronchi), 1.0)
    return np.asarray(
        (0.42 + 0.45 * finding.amount) * area * patchy * (1 - 0.35 * air), dtype=np.float32
    )


def _effusion(rng: np.random.Generator, finding: Finding, lung: Lung) -> Field:
    """Fluid that fills the costophrenic angle and climbs the flank as a meniscus."""
    x, y = coordinates()
    level = lung.base + 0.12 - 0.46 * finding.amount + rng.normal(0, 0.015)
    across = np.clip(np.abs(x) / 0.72, 0, 1.1)
    surface = level + 0.10 - (0.12 + 0.16 * finding.amount) * across**3
    flank = smoothstep(x * lung.sign, 0.04, 0.12)
    return np.asarray(0.97 * smoothstep(y - surface, -0.035, 0.035) * flank, dtype=np.float32)


def _collapsed(finding: Finding, lung: Lung) -> tuple[Field, Field]:
    """The free air of a pneumothorax and the visceral pleural line that bounds it."""
    shrink = np.array([1 - 0.13 - 0.24 * finding.amount, 1 - 0.14 - 0.22 * finding.amount])
    anchor = np.array([lung.sign * 0.13, lung.base])
    edge = anchor + (lung.border - anchor) * shrink
    inside = blur(filled([(edge, 1.0)]), 1.0)
    line = blur(stroked([(np.concatenate([edge, edge[:1]]), 0.014, 1.0)]), 0.6)
    x, y = coordinates()
    line = line * smoothstep(y, lung.base, lung.base - 0.2) * smoothstep(x * lung.sign, 0.17, 0.26)
    return np.clip(lung.mask - inside, 0, 1), line * lung.mask


def _round_lesion(rng: np.random.Generator, finding: Finding, lung: Lung) -> Field:
    cx, cy = lung.at(finding.location or "upper lobe")
    cx, cy = cx + rng.normal(0, 0.02), cy + rng.normal(0, 0.04)
    if finding.name == "nodule":
        shape = filled([(blob(rng, cx, cy, 0.042 + 0.03 * finding.amount, 0.06), 1.0)])
        return 0.70 * blur(shape, 1.5)
    shape = filled([(blob(rng, cx, cy, 0.12 + 0.07 * finding.amount, 0.18), 1.0)])
    return 0.95 * blur(shape, 2.2)


_FILLS = {
    "consolidation": _consolidation,
    "pleural effusion": _effusion,
    "nodule": _round_lesion,
    "mass": _round_lesion,
}


def _airless(anatomy: int, findings: Sequence[Finding], side: str, lung: Lung) -> Field:
    """The share of the lung's air that lesions have replaced, in [0, 1]."""
    open_ = np.ones_like(lung.mask)
    for finding in findings:
        if finding.name in _FILLS and finding.side == side:
            fill = _FILLS[finding.name](lesion_rng(anatomy, finding.name), finding, lung)
            open_ = open_ * (1 - np.clip(fill, 0, 1))
    return np.asarray(1 - open_, dtype=np.float32)


def _lung_density(
    anatomy: int, findings: Sequence[Finding], side: str, lung: Lung, vessels: Field
) -> Field:
    """What one lung takes from the film's density (air) and adds to it (vessels, pleural line)."""
    solid = _airless(anatomy, findings, side, lung)
    air = AIR * (1 - solid) * lung.mask
    vessels = vessels * (1 - 0.7 * solid)
    leak = next((f for f in findings if f.name == "pneumothorax" and f.side == side), None)
    if leak is None:
        return np.asarray(vessels - air, dtype=np.float32)
    free, line = _collapsed(leak, lung)
    air = air + (0.13 * free - 0.03) * lung.mask
    return np.asarray(vessels * (1 - free) + 0.16 * line - air, dtype=np.float32)


def _flesh(rng: np.random.Generator, body: Field) -> Field:
    """Soft tissue: the trunk, thinner at the flanks, the liver, sometimes the breasts."""
    x, y = coordinates()
    breasts = sum(ellipse(s * 0.44, 0.28, 0.33, rng.uniform(0.20, 0.26), 0, 0.3) for s in (-1, 1))
    liver = ellipse(-0.35, 0.75, 0.55, 0.42, 0.2, 0.4)
    flesh = 0.59 + 0.10 * smoothstep(y, 0.2, 0.6) + 0.04 * liver + 0.018 * cloud(rng, 50)
    flesh = flesh + rng.choice([0.0, 0.045, 0.07]) * breasts
    return np.asarray(body * (flesh - 0.07 * smoothstep(np.abs(x), 0.66, 0.92)), dtype=np.float32)


def _density(anatomy: int, findings: Sequence[Finding]) -> Field:
    """Everything that the beam goes through, in film densities (about 0 to 1)."""
    rng = np.random.default_rng(anatomy)
    width, base = rng.normal(1.0, 0.045), 0.36 + rng.normal(0, 0.05)
    lungs = {"right": _lung(rng, -1, width, base - 0.05), "left": _lung(rng, 1, width, base)}
    body = _body(rng, width)
    enlarged = next((f.amount for f in findings if f.name == "cardiomegaly"), 0.0)
    heart = _heart(rng, enlarged)
    film = _flesh(rng, body) + 0.07 * heart * body
    for side, lung in lungs.items():
        content = _lung_density(anatomy, findings, side, lung, _vessels(rng, lung))
        film = film + content * np.where(content < 0, 1 - 0.93 * heart, 1 - 0.6 * heart)
    film = film - 0.12 * _trachea(rng) - _stomach(rng, base) + _bones(rng, width) * body
    return np.asarray(film, dtype=np.float32)


def _trachea(rng: np.random.Generator) -> Field:
    lean = rng.normal(0.0, 0.012)
    pipe = curve([(lean, -1.1), (lean * 1.5, -0.7), (-0.01, -0.33)])
    fork = [curve([(-0.01, -0.34), (s * 0.06, -0.24), (s * 0.13, -0.17)]) for s in (-1, 1)]
    return blur(stroked([(pipe, 0.085, 1.0), *((f, 0.055, 0.8) for f in fork)]), 2)


def _stomach(rng: np.random.Generator, base: float) -> Field:
    size = rng.uniform(0.0, 1.0)
    bubble = ellipse(0.36, base + 0.19, 0.15 * size + 0.02, 0.07 * size + 0.02, 0.1, 0.25)
    return np.asarray(0.16 * bubble * float(size > 0.45), dtype=np.float32)


def draw_chest(
    view: View, anatomy: int, findings: Sequence[Finding], film: int
) -> NDArray[np.uint8]:
    """A frontal chest film, shape (256, 256).

    ``anatomy`` is the patient (build, ribs, vessels, shape of each lesion), ``film`` the exposure
    (turn, brightness, contrast, noise): the same anatomy with other findings is the same patient.
    """
    rng = np.random.default_rng([film, 2])
    density = turned(
        _density(anatomy, findings), rng.normal(0, 1.8), rng.uniform(1.04, 1.14),
        rng.normal(0, 0.02), rng.normal(0, 0.02),
    )  # fmt: skip
    density = blur(density, rng.uniform(0.6, 1.0))
    gain, offset = rng.uniform(0.92, 1.12), rng.normal(-0.01, 0.03)
    tone = 1 / (1 + np.exp(-5.2 * (gain * density + offset - 0.46)))
    grain = rng.standard_normal(density.shape, dtype=np.float32) * rng.uniform(0.012, 0.022)
    image = 0.02 + 0.94 * tone + grain * (0.5 + tone)
    marker = side_marker("R", -0.93 + rng.uniform(0, 0.06), -0.93 + rng.uniform(0, 0.05))
    return pixels(np.maximum(image, 0.95 * marker))
