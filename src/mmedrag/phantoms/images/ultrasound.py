"""Ultrasound-like images, drawn so that a routing head learns speckle from more than one clinic.

No report goes with them and they are no part of the corpus: the real sets at hand hold one kind of
ultrasound or two, and a head that has seen lungs alone takes a breast for no medical image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmedrag.phantoms.images.canvas import Field, blur, cloud, coordinates, ellipse

RNG = np.random.Generator


def draw_ultrasound(seed: int) -> NDArray[np.uint8]:
    """Tissue layers with speckle, streaks, dark or bright lesions and shadows, ``(256, 256)``.

    The field of view is a rectangle or a sector, some with black margins.
    """
    rng = np.random.default_rng([seed, 3])
    echo = _lesions(rng, _layers(rng)) * _speckle(rng)
    _, y = coordinates()
    fading = echo * np.exp(-rng.uniform(0, 0.8) * (y + 1))
    compressed = np.log1p(fading * rng.uniform(5, 40))
    low, high = np.quantile(compressed, (0.02, 0.995))
    shade = np.clip((compressed - low) / (high - low) * rng.uniform(0.6, 1.05), 0, 1)
    return np.asarray(np.rint(shade * _view(rng) * 255), np.uint8)


def _layers(rng: RNG) -> Field:
    """How much each depth reflects: wavy layers, streaks along them, and bright interfaces."""
    _, y = coordinates()
    depth = (y + 1) / 2 + 0.04 * rng.uniform(0.5, 2) * cloud(rng, rng.uniform(20, 60))
    echo = np.full_like(depth, rng.uniform(0.25, 0.6))
    top = 0.0
    for _ in range(int(rng.integers(2, 6))):
        top += rng.uniform(0.05, 0.3)
        echo = np.where(depth > top, np.float32(rng.uniform(0.1, 0.8)), echo)
    streaks = cloud(rng, rng.uniform(15, 50), rng.uniform(3, 8))
    echo = echo * np.exp(rng.uniform(0.1, 0.6) * streaks)
    for _ in range(int(rng.integers(0, 4))):
        line, width = rng.uniform(0.05, 0.8), rng.uniform(0.004, 0.012)
        echo = echo + rng.uniform(0.3, 1.2) * np.exp(-(((depth - line) / width) ** 2))
    return np.asarray(echo, np.float32)


def _lesions(rng: RNG, echo: Field) -> Field:
    """Cysts, masses and calculi, each perhaps with a shadow or an enhancement below."""
    x, y = coordinates()
    for _ in range(int(rng.integers(0, 4))):
        cx, cy, rx, ry = (rng.uniform(*span) for span in ((-0.7, 0.7), (-0.6, 0.6), (0.1, 0.5),
                                                          (0.08, 0.4)))  # fmt: skip
        inside = ellipse(cx, cy, rx, ry, rng.uniform(-0.4, 0.4), rng.uniform(0.1, 0.6))
        echo = echo * (1 - inside) + inside * np.float32(rng.choice([0.03, 0.1, 0.2, 0.9]))
        if rng.random() < 0.5:
            below = (np.abs(x - cx) < 0.8 * rx) & (y > cy + ry)
            echo = np.where(below, echo * np.float32(rng.choice([0.3, 0.5, 1.6])), echo)
    return np.asarray(echo, np.float32)


def _speckle(rng: RNG) -> Field:
    """The magnitude of complex noise (Rayleigh; Burckhardt 1978) at the scanner's resolution."""
    grain = rng.uniform(0.7, 1.8)
    pieces = [blur(rng.standard_normal((256, 256)).astype(np.float32), grain) for _ in range(2)]
    magnitude = np.hypot(*pieces)
    return np.asarray(magnitude / magnitude.mean(), np.float32)


def _view(rng: RNG) -> Field:
    """What the probe sees: everything, a sector, or a rectangle between black margins."""
    x, y = coordinates()
    kind = rng.random()
    if kind < 0.4:
        apex, reach = rng.uniform(0.1, 1.2), rng.uniform(1.7, 2.2)
        angle = np.abs(np.arctan2(x, y + 1 + apex))
        seen = (angle < rng.uniform(0.4, 0.75)) & (np.hypot(x, y + 1) < reach)
    elif kind < 0.7:
        seen = np.abs(x) < rng.uniform(0.6, 0.95)
    else:
        seen = np.ones_like(x, np.bool_)
    return np.asarray(seen, np.float32)
