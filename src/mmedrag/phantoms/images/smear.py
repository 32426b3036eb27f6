"""Blood smear phantoms: red cells with central pallor, platelets, now and then a neutrophil."""

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
)

Shapes = list[tuple[Points, float]]

SHARES = {"target cells": 0.55, "sickle cells": 0.45, "hypochromia": 1.0}
"""The largest share of the red cells that a finding changes (all of them for hypochromia)."""


def _scattered(rng: np.random.Generator, count: int, apart: float) -> list[tuple[float, float]]:
    """Points that keep a distance from each other, by dart throwing."""
    points: list[tuple[float, float]] = []
    for x, y in rng.uniform(-1.08, 1.08, (count * 14, 2)):
        if all((x - a) ** 2 + (y - b) ** 2 > apart * apart for a, b in points):
            points.append((float(x), float(y)))
        if len(points) == count:
            break
    return points


def _crescent(rng: np.random.Generator, x: float, y: float, radius: float) -> Points:
    """A sickled cell: a long crescent with pointed ends."""
    t = np.linspace(-1, 1, 18)
    length, bow = 1.55 * radius, radius * rng.uniform(0.45, 0.85)
    thick = radius * rng.uniform(0.22, 0.32) * (1 - t**2) ** 0.8
    spine = bow * (1 - t**2)
    outer = np.stack([length * t, spine + thick], axis=1)
    inner = np.stack([length * t, spine - thick], axis=1)[::-1]
    path = np.concatenate([outer, inner]) - (0, bow / 2)
    turn = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(turn), np.sin(turn)
    return np.asarray(path @ np.array([[c, s], [-s, c]]) + (x, y))


def _kinds(
    rng: np.random.Generator, count: int, anatomy: int, findings: Sequence[Finding]
) -> list[str]:
    """What each red cell is: a target, a sickle, or plain."""
    kinds = ["plain"] * count
    order = rng.permutation(count).tolist()
    for finding in findings:
        if finding.name == "hypochromia":
            continue
        share = (
            SHARES[finding.name]
            * finding.amount
            * lesion_rng(anatomy, finding.name).uniform(0.85, 1.0)
        )
        for _ in range(round(share * count)):
            if order:
                kinds[order.pop()] = finding.name
    return kinds


def _red_cells(anatomy: int, findings: Sequence[Finding], rng: np.random.Generator) -> Field:
    """Haemoglobin of the cells."""
    pallor = next((f.amount for f in findings if f.name == "hypochromia"), 0.0)
    radius = rng.uniform(0.115, 0.135)
    centres = _scattered(rng, int(rng.integers(38, 56)), 2.02 * radius)
    kinds = _kinds(rng, len(centres), anatomy, findings)
    cells: Shapes = []
    holes: Shapes = []
    bulls: Shapes = []
    for number, ((x, y), kind) in enumerate(zip(centres, kinds, strict=True)):
        own = np.random.default_rng([anatomy, 7, number])
        if kind == "sickle cells":
            cells.append((_crescent(own, x, y, radius), 0.98))
            continue
        size = radius * own.normal(1.0 - 0.06 * pallor, 0.05)
        cells.append((blob(own, x, y, size, 0.035), own.uniform(0.80, 0.90)))
        if kind == "target cells":
            holes.append((blob(own, x, y, 0.68 * size, 0.04), 0.95))
            bulls.append((blob(own, x, y, 0.33 * size, 0.06), 1.0))
        else:
            hole = size * (0.36 + 0.42 * pallor) * own.normal(1, 0.05)
            holes.append((blob(own, x, y, hole, 0.05), 0.78 + 0.2 * pallor))
    disc = blur(filled(cells), 0.8)
    edge = np.clip(disc - blur(disc, 2.2), 0, 1)
    soft = 1.4 if pallor else 2.2
    amount = disc * (1 - 0.85 * blur(filled(holes), soft)) + 0.8 * blur(filled(bulls), 1.2)
    return np.asarray(amount + 0.35 * edge, dtype=np.float32)


def _neutrophil(rng: np.random.Generator) -> tuple[Field, Field]:
    """A granulocyte: its pale body and its lobed nucleus."""
    x, y = rng.uniform(-0.6, 0.6, 2)
    body = blur(filled([(blob(rng, x, y, 0.2, 0.05), 1.0)]), 1.0)
    turn = rng.uniform(0, 6)
    lobes: Shapes = [
        (blob(rng, x + 0.085 * np.cos(turn + 1.3 * k), y + 0.085 * np.sin(turn + 1.3 * k),
              0.068, 0.12), 1.0)
        for k in range(int(rng.integers(3, 5)))
    ]  # fmt: skip
    return body, blur(filled(lobes), 0.8)


def draw_smear(
    view: View, anatomy: int, findings: Sequence[Finding], film: int
) -> NDArray[np.uint8]:
    """A stained blood film, shape (256, 256, 3).

    ``anatomy`` is the blood (places and shapes of the cells), ``film`` the slide (stain, light,
    focus, noise).
    """
    rng = np.random.default_rng(anatomy)
    red = _red_cells(anatomy, findings, rng)
    platelets = blur(filled(
        (blob(rng, x, y, rng.uniform(0.018, 0.03), 0.2), 1.0)
        for x, y in rng.uniform(-1, 1, (int(rng.integers(3, 12)), 2))
    ), 0.9)  # fmt: skip
    slide = np.random.default_rng([film, 6])
    x, y = coordinates()
    light = np.array([0.945, 0.925, 0.935]) * slide.uniform(0.90, 1.03)
    light = light * (1 + slide.normal(0, 0.02, 3))
    image = (
        np.ones((*x.shape, 3))
        * light
        * (1 - 0.05 * (x * x + y * y) + 0.006 * cloud(rng, 30))[..., None]
    )
    stain = np.array([0.22, 0.56, 0.38]) * slide.uniform(0.7, 1.1) * (1 + slide.normal(0, 0.07, 3))
    image = image * np.exp(-red[..., None] * stain)
    image = image * np.exp(-platelets[..., None] * np.array([0.55, 0.85, 0.35]))
    if rng.random() < 0.4:
        body, lobes = _neutrophil(rng)
        clear = image * (1 - body[..., None]) + body[..., None] * light * [0.92, 0.82, 0.90]
        image = clear * np.exp(-lobes[..., None] * np.array([1.25, 1.6, 0.62]))
    focus = slide.uniform(0.4, 0.9)
    image = np.stack([blur(image[..., c].astype(np.float32), focus) for c in range(3)], axis=-1)
    noise = 0.010 * slide.standard_normal(image.shape, dtype=np.float32)
    return pixels(np.asarray(image + noise, dtype=np.float32))
