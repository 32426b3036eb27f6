"""The six synthetic images of section 5.1: a base, four findings of known size, a noise control."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIZE = 256
DENSITY_STEP = 9
DENSITY_SIDE = 20
MASS_RADIUS = 28
NOISE = 3
"""Standard deviation of the noise control."""


@dataclass(frozen=True, slots=True)
class Box:
    """Pixels ``top`` ≤ row < ``bottom``, ``left`` ≤ column < ``right``."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The box as an index of a (256, 256) array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the structure and the findings of one seed lie, in pixels."""

    centre: tuple[int, int]
    radius: int
    crack: tuple[int, int, int, int]
    mass: tuple[int, int]
    density: tuple[int, int]


def _layout(seed: int) -> _Layout:
    rng = np.random.default_rng([seed, 51])
    cx, cy = (int(v) for v in rng.integers(120, 137, 2))
    radius = int(rng.integers(68, 77))
    x0, y0 = (c - int(rng.integers(4, 17)) for c in (cx, cy))
    x1, y1 = (c + int(rng.integers(56, 65)) for c in (cx, cy))
    dx, dy = (int(v) for v in rng.integers(-16, 17, 2))
    qx, qy = (int(v) for v in rng.integers(-36, 17, 2))
    return _Layout((cx, cy), radius, (x0, y0, x1, y1), (cx + dx, cy + dy), (cx + qx, cy + qy))


def _base(seed: int, layout: _Layout) -> NDArray[np.float64]:
    """Uniform noise and a soft circular, bone-like structure with a brighter rim."""
    rng = np.random.default_rng([seed, 52])
    y, x = np.mgrid[:SIZE, :SIZE]
    away = np.hypot(x - layout.centre[0], y - layout.centre[1])
    disc = 1 / (1 + np.exp((away - layout.radius) / 4.0))
    rim = np.exp(-(((away - layout.radius + 6) / 6.0) ** 2))
    return np.asarray(40 + rng.uniform(-12, 12, (SIZE, SIZE)) + 95 * disc + 38 * rim)


def _line_mask(line: tuple[int, int, int, int], width: int) -> NDArray[np.bool_]:
    image = Image.new("1", (SIZE, SIZE))
    ImageDraw.Draw(image).line(line, fill=1, width=width)
    return np.asarray(image, dtype=np.bool_)


def _displaced(base: NDArray[np.float64], crack: tuple[int, int, int, int]) -> NDArray[np.float64]:
    """A dark line of 4 px; beside it the bone has slid by 4 px, so that the cortex is offset."""
    x0, y0, x1, y1 = crack
    y, x = np.mgrid[:SIZE, :SIZE]
    along = np.array([x1 - x0, y1 - y0]) / np.hypot(x1 - x0, y1 - y0)
    aside = (y - y0) * along[0] - (x - x0) * along[1]
    ahead = (x - x0) * along[0] + (y - y0) * along[1]
    beside = (aside > 0) & (ahead > 0) & (ahead < np.hypot(x1 - x0, y1 - y0))
    slide = np.where(beside, 4 * np.clip(1.5 - aside / 24, 0, 1), 0)
    rows = np.clip(np.rint(y - slide * along[1]).astype(int), 0, SIZE - 1)
    columns = np.clip(np.rint(x - slide * along[0]).astype(int), 0, SIZE - 1)
    image: NDArray[np.float64] = base[rows, columns]
    image[_line_mask(crack, 4)] = 24
    return image


def _bounds(mask: NDArray[np.bool_]) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def _ellipse(centre: tuple[int, int]) -> NDArray[np.float64]:
    """A soft-edged ellipse of radii 28 and 22 pixels, 1 inside."""
    y, x = np.mgrid[:SIZE, :SIZE]
    away = np.hypot((x - centre[0]) / MASS_RADIUS, (y - centre[1]) / (0.8 * MASS_RADIUS))
    return np.asarray(np.clip((1 - away) / 0.12, 0, 1))


def _square(corner: tuple[int, int]) -> NDArray[np.bool_]:
    mask = np.zeros((SIZE, SIZE), dtype=np.bool_)
    x, y = corner
    mask[y : y + DENSITY_SIDE, x : x + DENSITY_SIDE] = True
    return mask


def _bytes(image: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.rint(image), 0, 255), dtype=np.uint8)


def sensitivity_images(seed: int = 0) -> dict[str, NDArray[np.uint8]]:
    """The six images of section 5.1, each of shape (256, 256), uint8.

    ``base``: uniform noise and a soft circular, bone-like structure. From the same base:

    - ``hairline``: a dark diagonal line of 1 px that runs out through the rim;
    - ``moderate``: a line of 4 px beside which the bone has slid by 4 px (cortical offset);
    - ``mass``: an ellipse of radii 28 and 22 px, +62;
    - ``density``: +9 in 20 × 20 px;
    - ``noise``: a random perturbation of standard deviation 3, no structural change.

    The paper gives no positions or grey levels; a seed moves the structure and the findings by some
    pixels. Where the findings lie: :func:`sensitivity_boxes`.
    """
    layout = _layout(seed)
    base = np.rint(_base(seed, layout))
    hairline = base.copy()
    hairline[_line_mask(layout.crack, 1)] = 30
    mass = base + 62 * _ellipse(layout.mass)
    density = base + DENSITY_STEP * _square(layout.density)
    control = base + np.random.default_rng([seed, 53]).normal(0, NOISE, base.shape)
    images = {
        "base": base, "hairline": hairline, "moderate": _displaced(base, layout.crack),
        "mass": mass, "density": density, "noise": control,
    }  # fmt: skip
    return {name: _bytes(image) for name, image in images.items()}


def sensitivity_boxes(seed: int = 0) -> Mapping[str, Box]:
    """Where the finding lies in ``hairline``, ``moderate``, ``mass`` and ``density``."""
    images = sensitivity_images(seed)
    findings = ("hairline", "moderate", "mass", "density")
    return {name: _bounds(images[name] != images["base"]) for name in findings}
