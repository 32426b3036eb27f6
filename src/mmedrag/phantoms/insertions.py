"""Section 5.1's findings put into any picture, such as a real radiograph, with matched controls."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from mmedrag.phantoms.images.sensitivity import (
    DENSITY_SIDE,
    DENSITY_STEP,
    MASS_RADIUS,
    NOISE,
    SIZE,
)

Pixels = NDArray[np.uint8]
Field = NDArray[np.float64]

LINE = 60
"""How much darker a hairline is than what it crosses."""
MASS_STEP = 62
SOFT = 3.0
"""Deviation, in pixels, of the Gaussian that softens the edge of the soft density."""
QUALITY = 75
"""Of the JPEG that re-encodes a picture."""

FINDINGS = ("hairline", "mass", "density", "soft density")
CONTROLS = ("noise", "matched noise", "re-encoded")


def inserted(picture: Image.Image, seed: int) -> dict[str, Pixels]:
    """A picture with each finding, and its controls; uint8, the longer side 256 px.

    - ``base``: the picture, grey;
    - ``hairline``: a diagonal line of 1 px over a quarter of the shorter side, 60 darker;
    - ``mass``: a soft ellipse of radii 28 and 22 px, +62;
    - ``density``: +9 in 20 x 20 px; ``soft density``: the same with edges smoothed by 3 px;
    - ``noise``: a deviation of 3, as in :func:`sensitivity_images`;
    - ``matched noise``: noise of the same pixel energy as ``density``;
    - ``re-encoded``: through JPEG of quality 75.

    Places are drawn in the middle half of the picture.
    """
    scale = SIZE / max(picture.size)
    size = tuple(max(1, round(length * scale)) for length in picture.size)
    base = np.asarray(picture.convert("L").resize((size[0], size[1]), Image.Resampling.BICUBIC))
    grey = base.astype(np.float64)
    rng = np.random.default_rng([seed, 54])
    patch = DENSITY_STEP * _square(grey.shape, rng)
    matched = float(np.sqrt((patch**2).mean()))
    changes = {
        "base": np.zeros_like(grey),
        "hairline": -LINE * _line(grey.shape, rng),
        "mass": MASS_STEP * _ellipse(grey.shape, rng),
        "density": patch,
        "soft density": _softened(patch),
        "noise": rng.normal(0, NOISE, grey.shape),
        "matched noise": rng.normal(0, matched, grey.shape),
    }
    shown = {name: _bytes(grey + change) for name, change in changes.items()}
    return shown | {"re-encoded": _through_jpeg(base)}


def _corner(shape: tuple[int, ...], length: int, rng: np.random.Generator) -> tuple[int, int]:
    """The top left corner of a square of that side in the middle half."""
    highest = [max(side // 4 + 1, side - side // 4 - length) for side in shape]
    row, column = (int(rng.integers(s // 4, h)) for s, h in zip(shape, highest, strict=True))
    return row, column


def _square(shape: tuple[int, ...], rng: np.random.Generator) -> Field:
    row, column = _corner(shape, DENSITY_SIDE, rng)
    field = np.zeros(shape)
    field[row : row + DENSITY_SIDE, column : column + DENSITY_SIDE] = 1
    return field


def _line(shape: tuple[int, ...], rng: np.random.Generator) -> Field:
    length = min(shape) // 4
    row, column = _corner(shape, length, rng)
    image = Image.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(image).line((column, row, column + length, row + length), fill=1)
    return np.asarray(image, dtype=np.float64)


def _ellipse(shape: tuple[int, ...], rng: np.random.Generator) -> Field:
    row, column = _corner(shape, 1, rng)
    y, x = np.mgrid[: shape[0], : shape[1]]
    away = np.hypot((x - column) / MASS_RADIUS, (y - row) / (0.8 * MASS_RADIUS))
    return np.asarray(np.clip((1 - away) / 0.12, 0, 1))


def _softened(patch: Field) -> Field:
    image = Image.fromarray(patch.astype(np.float32) * 25)  # 8 bits, hence the scale
    blurred = image.convert("L").filter(ImageFilter.GaussianBlur(SOFT))
    return np.asarray(blurred, dtype=np.float64) / 25


def _through_jpeg(base: Pixels) -> Pixels:
    file = BytesIO()
    Image.fromarray(base).save(file, "JPEG", quality=QUALITY)
    return np.asarray(Image.open(file).convert("L"))


def _bytes(field: Field) -> Pixels:
    return np.asarray(np.clip(np.rint(field), 0, 255), dtype=np.uint8)
