"""Fundus photograph phantoms: disc, macula, branching vessels, and the common lesions.

A right eye has its disc at the right of the image (nasal side), a left eye at the left. Everything
is drawn for a right eye and mirrored for a left one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

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
    smoothstep,
    stroked,
)

Colour = NDArray[np.float32]
Path = tuple[Points, float, float]


@dataclass(frozen=True, slots=True)
class Eye:
    """Where things lie in a right eye, in half images; ``disc_r`` is the disc's radius."""

    disc_x: float
    disc_y: float
    disc_r: float
    macula_x: float
    macula_y: float


def _eye(rng: np.random.Generator) -> Eye:
    x, y, r = rng.normal(0.47, 0.035), rng.normal(0.0, 0.03), rng.normal(0.148, 0.007)
    return Eye(x, y, r, x - 4.6 * r + rng.normal(0, 0.02), y + 0.05 + rng.normal(0, 0.02))


def _mix(image: Colour, mask: Field, colour: Sequence[float]) -> Colour:
    """The image with ``colour`` laid over it where ``mask`` is 1."""
    return np.asarray(
        image + mask[..., None] * (np.asarray(colour, dtype=np.float32) - image), dtype=np.float32
    )


def _background(rng: np.random.Generator, eye: Eye) -> Colour:
    x, y = coordinates()
    tone = np.array([0.78, 0.36, 0.15]) * rng.uniform(0.82, 1.1)
    tone = tone * np.array([1.0, rng.uniform(0.82, 1.15), rng.uniform(0.65, 1.3)])
    image = np.ones((*x.shape, 3), dtype=np.float32) * tone.astype(np.float32)
    pigment = 0.045 * cloud(rng, 40) + rng.uniform(0.01, 0.035) * cloud(rng, 7)
    shade = 1 + pigment - 0.22 * (x * x + y * y)
    shade = shade + 0.14 * ellipse(eye.disc_x - 0.25, eye.disc_y, 0.75, 0.62, 0, 0.9)
    image = image * shade[..., None]
    macula = ellipse(eye.macula_x, eye.macula_y, 0.24, 0.21, 0, 0.95)
    image = _mix(image, 0.42 * macula, tone * np.array([0.62, 0.42, 0.4]))
    fovea = ellipse(eye.macula_x, eye.macula_y, 0.03, 0.03, 0, 0.8)
    return _mix(image, 0.30 * fovea, (0.85, 0.55, 0.3))


def _branch(
    rng: np.random.Generator,
    start: tuple[float, float],
    heading: float,
    width: float,
    bend: float,
    depth: int,
    steps: int,
    out: list[Path],
) -> None:
    """Grow one vessel; ``bend`` is the turn a step, which lets the arcades curve to the macula."""
    x, y = start
    points, stride = [start], 0.058
    for step in range(steps):
        heading += bend * (1 - 0.5 * step / steps) + rng.normal(0, 0.085)
        x, y = x + stride * np.cos(heading), y + stride * np.sin(heading)
        points.append((x, y))
        if depth and step in (4, 8, 12, 16) and rng.random() < 0.8:
            side = rng.choice([-1, 1])
            _branch(rng, (x, y), heading + side * rng.uniform(0.45, 0.85), width * 0.6,
                    -side * 0.035, depth - 1, max(4, steps // 2), out)  # fmt: skip
            width *= 0.87
    path = curve(points, steps=4)
    cuts = np.linspace(0, len(path) - 1, 5).astype(int)
    for number, (a, b) in enumerate(pairwise(cuts.tolist())):
        out.append((path[a : b + 1], width * (1 - 0.14 * number), 1.0))


def _vessels(rng: np.random.Generator, eye: Eye) -> tuple[Field, Field]:
    """Masks of the arteries and of the veins: four arcades each, and a few small twigs."""
    trees: list[list[Path]] = [[], []]
    for up in (-1, 1):
        for kind, (width, shift) in enumerate(((0.021, 0.10), (0.031, -0.10))):
            start = (eye.disc_x + rng.normal(0, 0.02), eye.disc_y + up * 0.015)
            temporal = -np.pi / 2 + (-0.02 - shift) * 1.3 if up < 0 else np.pi / 2 + 0.02 + shift
            bend = (-0.098 if up < 0 else 0.098) + rng.normal(0, 0.008)
            _branch(rng, start, temporal + rng.normal(0, 0.08), width, bend, 2, 22, trees[kind])
            nasal = up * (0.85 + shift + rng.normal(0, 0.1))
            _branch(rng, start, nasal, width * 0.72, -up * 0.02, 2, 12, trees[kind])
    for _ in range(4):
        angle = np.pi + rng.normal(0, 0.5)
        _branch(rng, (eye.disc_x - 0.05, eye.disc_y), angle, 0.010, 0.0, 0, 7, trees[0])
    return blur(stroked(trees[0]), 0.7), blur(stroked(trees[1]), 0.75)


def _disc(image: Colour, rng: np.random.Generator, eye: Eye, cup: float) -> Colour:
    """The optic disc; ``cup`` is the cup-to-disc ratio."""
    tilt = rng.normal(0, 0.2)
    rim = ellipse(eye.disc_x, eye.disc_y, 0.93 * eye.disc_r, eye.disc_r, tilt, 0.14)
    halo = ellipse(eye.disc_x, eye.disc_y, 1.6 * eye.disc_r, 1.6 * eye.disc_r, 0, 0.9)
    image = _mix(image, 0.28 * halo, (0.95, 0.62, 0.33))
    pale = rng.uniform(0.92, 1.0)
    image = _mix(image, 0.92 * rim, (0.97 * pale, 0.74 * pale, 0.44 * pale))
    size = cup * eye.disc_r
    inner = ellipse(eye.disc_x - 0.015, eye.disc_y, 0.95 * size, size, tilt, 0.22)
    return _mix(image, 0.9 * inner, (1.0, 0.93, 0.76))


def _swelling(image: Colour, rng: np.random.Generator, finding: Finding, eye: Eye) -> Colour:
    """A swollen disc: larger, hyperaemic, blurred at the margin, its surface streaked."""
    grow = 1.25 + 0.65 * finding.amount
    cloudy = ellipse(eye.disc_x, eye.disc_y, grow * eye.disc_r, 1.08 * grow * eye.disc_r, 0, 0.55)
    image = _mix(image, 0.88 * cloudy, (0.95, 0.64, 0.40))
    x, y = coordinates()
    angle = np.arctan2(y - eye.disc_y, x - eye.disc_x)
    streaks = np.clip(np.sin(angle * 34 + rng.uniform(0, 6)), 0, 1).astype(np.float32)
    ring = cloudy * (
        1 - ellipse(eye.disc_x, eye.disc_y, 0.5 * eye.disc_r, 0.5 * eye.disc_r, 0, 0.6)
    )
    return _mix(image, 0.16 * streaks * ring, (0.72, 0.26, 0.16))


_TOWARDS = {
    "superotemporal": (-0.05, -0.42), "inferotemporal": (-0.05, 0.44),
    "superonasal": (0.62, -0.36), "inferonasal": (0.62, 0.38),
}  # fmt: skip


def _spots(
    rng: np.random.Generator, finding: Finding, count: tuple[int, int], spread: float
) -> list[tuple[float, float]]:
    """Places of a finding's lesions: most in its quadrant, inside the aperture."""
    cx, cy = _TOWARDS[finding.location or "superotemporal"]
    number = count[0] + round((count[1] - count[0]) * finding.amount)
    points = rng.normal(0, spread, (number, 2)) + np.array([cx, cy])
    radius = np.maximum(1, np.hypot(points[:, 0], points[:, 1]) / 0.82)[:, None]
    return [(float(px), float(py)) for px, py in points / radius]


def _haemorrhages(image: Colour, rng: np.random.Generator, finding: Finding, eye: Eye) -> Colour:
    """Dots and blots, and flames that follow the nerve fibres."""
    shapes = []
    for px, py in _spots(rng, finding, (6, 26), 0.20):
        if rng.random() < 0.3:
            out = float(np.arctan2(py - eye.disc_y, px - eye.disc_x))
            shapes.append((blob(rng, px, py, rng.uniform(0.012, 0.020), 0.3, 3.4, out), 1.0))
        else:
            shapes.append((blob(rng, px, py, rng.gamma(2.2, 0.009) + 0.010, 0.22), 1.0))
    return _mix(image, 0.85 * blur(filled(shapes), 0.9), (0.36, 0.05, 0.04))


def _exudates(image: Colour, rng: np.random.Generator, finding: Finding, eye: Eye) -> Colour:
    shapes = [(blob(rng, px, py, rng.gamma(2.5, 0.0042) + 0.007, 0.3), 1.0)
              for px, py in _spots(rng, finding, (10, 40), 0.13)]  # fmt: skip
    cx, cy = _TOWARDS[finding.location or "superotemporal"]
    for theta in np.arange(0, 2 * np.pi * finding.amount, 0.28):
        r = 0.19 + rng.normal(0, 0.02)
        position = (cx + r * np.cos(theta), cy + r * np.sin(theta))
        shapes.append((blob(rng, *position, rng.uniform(0.007, 0.015), 0.3), 1.0))
    return _mix(image, 0.92 * blur(filled(shapes), 0.6), (1.0, 0.90, 0.52))


def _cotton(image: Colour, rng: np.random.Generator, finding: Finding, eye: Eye) -> Colour:
    shapes = [(blob(rng, px, py, rng.uniform(0.026, 0.048), 0.25, 1.4, rng.uniform(0, 3)), 1.0)
              for px, py in _spots(rng, finding, (2, 7), 0.17)]  # fmt: skip
    return _mix(image, 0.80 * blur(filled(shapes), 2.6), (0.97, 0.88, 0.74))


def _drusen(image: Colour, rng: np.random.Generator, finding: Finding, eye: Eye) -> Colour:
    shapes = []
    for _ in range(round(16 + 60 * finding.amount)):
        px, py = rng.normal((eye.macula_x, eye.macula_y), 0.14)
        shapes.append((blob(rng, px, py, rng.gamma(2.5, 0.0045) + 0.007, 0.12), 1.0))
    return _mix(image, 0.60 * blur(filled(shapes), 1.1), (0.98, 0.74, 0.36))


_UNDER = {"drusen": _drusen}
_OVER = {"hard exudates": _exudates, "cotton wool spots": _cotton, "haemorrhages": _haemorrhages}


def _retina(anatomy: int, findings: Sequence[Finding]) -> Colour:
    rng = np.random.default_rng(anatomy)
    eye = _eye(rng)
    image = _background(rng, eye)
    by_name = {f.name: f for f in findings}
    for name in _UNDER.keys() & by_name.keys():
        image = _UNDER[name](image, lesion_rng(anatomy, name), by_name[name], eye)
    cup = rng.uniform(0.25, 0.42)
    arteries, veins = _vessels(rng, eye)
    enlarged, swollen = by_name.get("enlarged cup"), by_name.get("disc swelling")
    if enlarged:
        cup = 0.62 + 0.27 * enlarged.amount
    image = _disc(image, rng, eye, cup)
    image = _mix(image, 0.72 * veins, (0.42, 0.09, 0.06))
    image = _mix(image, 0.66 * arteries, (0.58, 0.15, 0.08))
    if swollen:
        image = _swelling(image, lesion_rng(anatomy, swollen.name), swollen, eye)
        near = ellipse(eye.disc_x, eye.disc_y, 2 * eye.disc_r, 2 * eye.disc_r, 0, 0.3)
        image = _mix(image, 0.35 * veins * near, (0.42, 0.09, 0.06))
    for name in (n for n in _OVER if n in by_name):
        image = _OVER[name](image, lesion_rng(anatomy, name), by_name[name], eye)
    return image


def draw_fundus(
    view: View, anatomy: int, findings: Sequence[Finding], film: int
) -> NDArray[np.uint8]:
    """A fundus photograph, shape (256, 256, 3); ``view.side`` is the eye.

    ``anatomy`` is the eye (colour, vessels, shape of the lesions), ``film`` the exposure (focus,
    illumination, noise).
    """
    rng = np.random.default_rng([film, 4])
    image = _retina(anatomy, findings)
    if view.side == "left":
        image = np.ascontiguousarray(image[:, ::-1])
    focus = rng.uniform(0.45, 0.95)
    image = np.stack([blur(image[..., c], focus) for c in range(3)], axis=-1)
    x, y = coordinates()
    light = 1 + 0.10 * (rng.normal() * x + rng.normal() * y)
    image = image * np.asarray(light * rng.uniform(0.88, 1.1), dtype=np.float32)[..., None]
    image = image + 0.012 * rng.standard_normal(image.shape, dtype=np.float32)
    radius = np.sqrt(x * x + y * y)
    haze = smoothstep(radius, 0.75, 0.97) * rng.uniform(0.0, 0.12)
    aperture = smoothstep(radius, 0.975, 0.955)
    image = image * (1 - 0.25 * smoothstep(radius, 0.6, 1.0))[..., None] + haze[..., None] * 0.4
    return pixels(0.012 + np.asarray(image * aperture[..., None], dtype=np.float32))
