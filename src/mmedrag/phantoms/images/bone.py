"""Bone film phantoms: a long bone or a hand, each bone a hollow cylinder as X-rays see it.

The density at a point is the chord of the beam through the cortex, so edges come out bright and the
marrow cavity dark, as on a film.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedrag.phantoms.findings import Finding, View, lesion_rng
from mmedrag.phantoms.images.canvas import (
    Field,
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


@dataclass(frozen=True, slots=True)
class Bone:
    """A tubular bone from ``start`` to ``end``; half-widths of its shaft and its two ends."""

    name: str
    start: tuple[float, float]
    end: tuple[float, float]
    shaft: float
    head: float
    foot: float
    bow: float = 0.0

    @property
    def length(self) -> float:
        """Distance between the ends."""
        return float(np.hypot(self.end[0] - self.start[0], self.end[1] - self.start[1]))


def _along(bone: Bone) -> tuple[Field, Field]:
    """Coordinates of the bone: s from 0 to 1 along it, t across it in half images."""
    x, y = coordinates()
    dx, dy = bone.end[0] - bone.start[0], bone.end[1] - bone.start[1]
    ux, uy = dx / bone.length, dy / bone.length
    s = ((x - bone.start[0]) * ux + (y - bone.start[1]) * uy) / bone.length
    t = (y - bone.start[1]) * ux - (x - bone.start[0]) * uy
    return s.astype(np.float32), (t - bone.bow * np.sin(np.pi * s)).astype(np.float32)


def _fractured(
    bone: Bone, s: Field, t: Field, finding: Finding | None, rng: np.random.Generator
) -> tuple[Field, Field, Field]:
    """The coordinates after the break, and the break's gap as a mask."""
    if finding is None or finding.name == "lytic lesion":
        return s, t, np.zeros_like(s)
    level = rng.uniform(0.42, 0.60)
    slope = rng.choice([-1, 1]) * rng.uniform(0.35, 0.8)
    jag = 0.012 * np.sin(t / bone.shaft * rng.uniform(3, 5) + rng.uniform(0, 6))
    ahead = (s - level) * bone.length - slope * t - jag
    if finding.name == "hairline fracture":
        width = 0.007 + 0.006 * finding.amount
        return s, t, np.exp(-((ahead / width) ** 2)).astype(np.float32)
    past = smoothstep(ahead, -0.004, 0.004)
    sign = rng.choice([-1, 1])
    room = 0.45 if bone.name == "distal radius" else 1.0
    step = sign * room * bone.shaft * (0.45 + 0.85 * finding.amount)
    tilt = sign * room * (0.06 + 0.20 * finding.amount)
    moved = t - past * (step + tilt * (s - level) * bone.length)
    gap = 0.014 + 0.016 * finding.amount
    return s, moved.astype(np.float32), np.exp(-((ahead / gap) ** 2)).astype(np.float32)


def _lysis(bone: Bone, finding: Finding | None, rng: np.random.Generator) -> Field:
    """Holes in the bone: geographic, with a few satellites where it is severe."""
    if finding is None or finding.name != "lytic lesion":
        return np.zeros_like(coordinates()[0])
    at = rng.uniform(0.40, 0.62)
    cx = bone.start[0] + at * (bone.end[0] - bone.start[0])
    cy = bone.start[1] + at * (bone.end[1] - bone.start[1])
    along = float(np.arctan2(bone.end[1] - bone.start[1], bone.end[0] - bone.start[0]))
    size = bone.shaft * (0.62 + 0.38 * finding.amount)
    holes = [(blob(rng, cx, cy, size, 0.2, 1.3 + 0.7 * finding.amount, along), 1.0)]
    for _ in range(round(5 * finding.amount)):
        reach = rng.normal(0, 2.2 * bone.shaft)
        where = (cx + reach * np.cos(along), cy + reach * np.sin(along))
        holes.append((blob(rng, *where, 0.35 * size, 0.2), 0.9))
    return blur(filled(holes), 1.1)


def _tube(bone: Bone, finding: Finding | None, anatomy: int) -> tuple[Field, Field]:
    """Density of one bone and the mask of what it covers."""
    rng = lesion_rng(anatomy, finding.name) if finding else np.random.default_rng(anatomy)
    s, t = _along(bone)
    s, t, gap = _fractured(bone, s, t, finding, rng)
    flare = 0.13
    half = (
        bone.shaft
        + (bone.head - bone.shaft) * np.exp(-((np.clip(s, 0, 1) / flare) ** 2))
        + (bone.foot - bone.shaft) * np.exp(-(((1 - np.clip(s, 0, 1)) / flare) ** 2))
    )
    past_end = np.maximum(0, np.maximum(-s, s - 1)) * bone.length
    reach = np.sqrt(np.maximum(0, 1 - (past_end / (0.6 * half)) ** 2))
    u = t / np.maximum(half * reach, 1e-3)
    outer = np.sqrt(np.maximum(0, 1 - u * u))
    thick = 0.36 * np.clip(np.minimum(s, 1 - s) / 0.3, 0.3, 1)
    cavity = np.sqrt(np.maximum(0, 1 - (u / (1 - thick)) ** 2)) * (1 - thick)
    density = 1.12 * (outer - 0.86 * cavity) * (reach > 0.05)
    shape = smoothstep(np.abs(u), 1.0, 0.93) * (reach > 0.05)
    dark = 0.62 if finding and finding.name == "hairline fracture" else 0.85
    density = density * (1 - dark * gap) * (1 - 0.8 * _lysis(bone, finding, rng))
    return np.asarray(density, dtype=np.float32), np.asarray(shape, dtype=np.float32)


def _limb(rng: np.random.Generator, region: str) -> tuple[list[Bone], Field]:
    """Bones and soft tissue of a limb seen from the front; lateral is towards positive x."""
    n = rng.normal
    if region == "thigh":
        bones = [Bone("femoral shaft", (0.02, -1.1), (-0.03, 1.1), 0.135 + n(0, 0.008), 0.2, 0.22,
                      0.02)]  # fmt: skip
        half = 0.56 + n(0, 0.03)
    elif region == "lower leg":
        bones = [
            Bone("tibial shaft", (-0.07, -0.98), (-0.09, 0.92), 0.105 + n(0, 0.006), 0.25, 0.15),
            Bone("fibular shaft", (0.22, -0.84), (0.14, 1.0), 0.042, 0.075, 0.075, 0.02),
        ]
        half = 0.42 + n(0, 0.03)
    else:
        bones = [
            Bone("radial shaft", (0.09, -0.90), (0.16, 0.88), 0.075, 0.085, 0.15, 0.045),
            Bone("ulnar shaft", (-0.12, -0.98), (-0.14, 0.90), 0.068, 0.14, 0.075, -0.02),
        ]
        half = 0.40 + n(0, 0.03)
    belly = [(-half, -1.2), (-half * 1.05, -0.4), (-half * 0.86, 0.4), (-half * 0.74, 1.2)]
    sides = [*belly, *((-x * 1.02, y) for x, y in reversed(belly))]
    return bones, blur(filled([(curve(sides, closed=True), 1.0)]), 2)


_RAYS = ((-0.30, 0.02), (-0.13, -0.04), (0.01, -0.02), (0.13, 0.05))


def _hand(rng: np.random.Generator) -> tuple[list[Bone], Field]:
    """A right hand from the back: the thumb is at the left of the image."""
    names = ("second", "third", "fourth", "fifth")
    bones = [
        Bone("distal radius", (-0.10, 1.12), (-0.10, 0.66), 0.105, 0.11, 0.16),
        Bone("distal ulna", (0.13, 1.25), (0.12, 0.70), 0.065, 0.07, 0.085),
    ]
    palm = [
        (-0.28, 1.2), (-0.27, 0.7), (-0.40, 0.35), (-0.36, -0.05), (0.0, -0.15), (0.26, 0.0),
        (0.29, 0.35), (0.24, 0.7), (0.27, 1.2),
    ]  # fmt: skip
    flesh = [(curve(palm, closed=True), 1.0)]
    limbs = []
    for (tip_x, tip_y), name, fan in zip(_RAYS, names, (-0.20, -0.06, 0.07, 0.22), strict=True):
        scale = {"third": 1.06, "fifth": 0.80}.get(name, 0.98) * (1 + rng.normal(0, 0.02))
        fan = fan + rng.normal(0, 0.015)
        x, y = 0.72 * tip_x - 0.02, 0.37
        bones.append(Bone(f"{name} metacarpal", (x, y), (tip_x, tip_y), 0.034, 0.052, 0.056))
        x, y = tip_x, tip_y
        for length, width in ((0.25, 0.031), (0.16, 0.027), (0.11, 0.022)):
            x0, y0 = x + 0.038 * np.sin(fan), y - 0.038 * np.cos(fan)
            x, y = x0 + scale * length * np.sin(fan), y0 - scale * length * np.cos(fan)
            bones.append(Bone("phalanx", (x0, y0), (x, y), width, 1.45 * width, 1.3 * width))
        limbs.append((np.array([(tip_x, tip_y + 0.2), (x, y - 0.02)]), 0.165, 1.0))
        flesh.append((blob(rng, x, y - 0.015, 0.08, 0.0), 1.0))
    thumb = [((-0.24, 0.42), (-0.42, 0.22), 0.036), ((-0.44, 0.19), (-0.56, 0.01), 0.033),
             ((-0.575, -0.025), (-0.64, -0.14), 0.028)]  # fmt: skip
    bones += [Bone("thumb", a, b, w, 1.5 * w, 1.4 * w) for a, b, w in thumb]
    limbs.append((np.array([(-0.28, 0.4), (-0.46, 0.16), (-0.65, -0.15)]), 0.19, 1.0))
    flesh.append((blob(rng, -0.65, -0.15, 0.095, 0.0), 1.0))
    return bones, blur(np.maximum(stroked(limbs), filled(flesh)), 2)


def _carpals(rng: np.random.Generator) -> Field:
    discs = ((-0.18, 0.56, 0.085), (-0.05, 0.57, 0.08), (0.08, 0.58, 0.072), (-0.22, 0.44, 0.07),
              (-0.13, 0.45, 0.062), (-0.01, 0.45, 0.08), (0.11, 0.46, 0.072))  # fmt: skip
    shapes = []
    for x, y, r in discs:
        state = rng.integers(1 << 30)
        for scale, value in ((1.1, 0.22), (0.98, 0.72), (0.78, 0.58)):
            shapes.append((blob(np.random.default_rng(state), x, y, scale * r, 0.12), value))
    return blur(filled(shapes), 0.7)


def _density(view: View, anatomy: int, findings: Sequence[Finding]) -> Field:
    rng = np.random.default_rng(anatomy)
    bones, flesh = _hand(rng) if view.region == "hand" else _limb(rng, view.region)
    total, cover = np.zeros_like(flesh), np.zeros_like(flesh)
    for bone in bones:
        finding = next((f for f in findings if f.location == bone.name), None)
        density, shape = _tube(bone, finding, anatomy)
        total, cover = np.maximum(total, density), np.maximum(cover, shape)
    if view.region == "hand":
        carpals = _carpals(rng)
        total = np.maximum(total, carpals)
    trabeculae = 1 + 0.10 * cloud(rng, 3, 6) * cover
    muscle = ellipse(0.0, -0.2, 0.45, 1.2, 0, 0.5)
    soft = flesh * (0.24 + 0.05 * muscle + 0.012 * cloud(rng, 18, 60))
    return np.asarray(soft + 0.62 * total * trabeculae + 0.07 * cover, dtype=np.float32)


def draw_bone(
    view: View, anatomy: int, findings: Sequence[Finding], film: int
) -> NDArray[np.uint8]:
    """A limb or hand film, shape (256, 256); ``view.side`` sets the marker and mirrors the limb.

    ``anatomy`` is the patient and the lesion's shape, ``film`` the exposure, as in ``draw_chest``.
    A right hand has its thumb at the left of the image (seen from the back); a right leg or arm has
    its lateral side at the left (seen from the front).
    """
    rng = np.random.default_rng([film, 3])
    density = _density(view, anatomy, findings)
    mirrored = (view.side == "right") != (view.region == "hand")
    if mirrored:
        density = np.ascontiguousarray(density[:, ::-1])
    zoom = rng.uniform(1.02, 1.1) if view.region == "hand" else rng.uniform(1.0, 1.1)
    density = turned(density, rng.normal(0, 4.0), zoom, rng.normal(0, 0.03), rng.normal(0, 0.01))
    density = blur(density, rng.uniform(0.5, 0.75))
    gain, offset = rng.uniform(0.9, 1.15), rng.normal(0.0, 0.02)
    tone = 1 - np.exp(-1.85 * np.clip(gain * density + offset, 0, None))
    grain = rng.standard_normal(density.shape, dtype=np.float32) * rng.uniform(0.010, 0.02)
    image = 0.03 + 1.02 * tone + grain * (0.5 + tone)
    marker = side_marker("R" if view.side == "right" else "L", -0.92, 0.76)
    return pixels(np.maximum(image, 0.97 * marker))
