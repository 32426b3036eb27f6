"""The drawing board of the phantoms: soft shapes on a 256 × 256 field of floats.

Positions and lengths are in units of half the image: x runs from -1 (left) to 1 (right), y from -1
(top) to 1 (bottom). Masks are float32 arrays of shape (256, 256) in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIZE = 256
OVERSAMPLING = 2

Field: TypeAlias = NDArray[np.float32]
"""One value a pixel, shape (256, 256)."""

Points: TypeAlias = NDArray[np.float64]
"""A path, shape (n, 2): x, y."""


@lru_cache(maxsize=1)
def coordinates() -> tuple[Field, Field]:
    """X and y of every pixel's centre, each of shape (256, 256)."""
    axis = ((np.arange(SIZE) + 0.5) / SIZE * 2 - 1).astype(np.float32)
    x, y = np.meshgrid(axis, axis)
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y


@lru_cache(maxsize=64)
def _kernel(sigma: float) -> Field:
    """Gaussian smoothing along one axis as a matrix; its rows sum to 1, so edges do not darken."""
    index = np.arange(SIZE)
    weights = np.exp(-0.5 * ((index[:, None] - index[None, :]) / sigma) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def blur(field: Field, sigma: float) -> Field:
    """Gaussian smoothing; the standard deviation is in pixels (to the nearest 0.05)."""
    kernel = _kernel(round(20 * sigma) / 20)
    return np.asarray(kernel @ field.astype(np.float32, copy=False) @ kernel.T)


def resized(field: NDArray[np.float32], size: int = SIZE) -> Field:
    """A coarse field brought to ``size`` × ``size`` by bicubic interpolation."""
    image = Image.fromarray(np.ascontiguousarray(field, dtype=np.float32))
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32)


def cloud(rng: np.random.Generator, grain: float, grain_y: float | None = None) -> Field:
    """Smooth noise of mean 0 and standard deviation about 1; ``grain`` is its scale in pixels."""
    columns = max(3, round(SIZE / grain))
    rows = columns if grain_y is None else max(3, round(SIZE / grain_y))
    field = resized(rng.standard_normal((rows, columns)).astype(np.float32))
    return np.asarray((field - field.mean()) / (field.std() + 1e-6), dtype=np.float32)


def smoothstep(value: NDArray[np.floating], low: float, high: float) -> Field:
    """0 below ``low``, 1 above ``high``, an S-curve between (``low`` > ``high`` falls)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def ellipse(
    cx: float, cy: float, rx: float, ry: float, angle: float = 0.0, soft: float = 0.1
) -> Field:
    """An ellipse turned by ``angle`` (radians); its edge fades over the share ``soft`` of it."""
    x, y = coordinates()
    cx, cy, c, s = float(cx), float(cy), math.cos(angle), math.sin(angle)
    u = (x - cx) * (c / rx) + (y - cy) * (s / rx)
    v = (y - cy) * (c / ry) - (x - cx) * (s / ry)
    return smoothstep(np.sqrt(u * u + v * v), 1 + soft, 1 - soft)


def curve(points: Sequence[tuple[float, float]], closed: bool = False, steps: int = 8) -> Points:
    """A Catmull-Rom spline through ``points``."""
    knots = np.asarray(points, dtype=np.float64)
    if closed:
        padded = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        padded = np.concatenate([knots[:1], knots, knots[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    a, b, c, d = padded[:-3, None], padded[1:-2, None], padded[2:-1, None], padded[3:, None]
    pieces = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    path = pieces.reshape(-1, 2)
    return path if closed else np.concatenate([path, knots[-1:]])


def _to_pixels(path: Points) -> list[float]:
    flat: list[float] = ((path + 1) * (SIZE * OVERSAMPLING / 2)).ravel().tolist()
    return flat


def _reduced(image: Image.Image) -> Field:
    return np.asarray(image.reduce(OVERSAMPLING), dtype=np.float32) / np.float32(255)


def _board() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("L", (SIZE * OVERSAMPLING, SIZE * OVERSAMPLING), 0)
    return image, ImageDraw.Draw(image)


def filled(shapes: Iterable[tuple[Points, float]]) -> Field:
    """Polygons with their values in [0, 1], antialiased; later shapes cover earlier ones."""
    image, draw = _board()
    for path, value in shapes:
        draw.polygon(_to_pixels(path), fill=round(255 * value))
    return _reduced(image)


def stroked(paths: Iterable[tuple[Points, float, float]]) -> Field:
    """Lines as (path, width, value), antialiased; widths are in units of half the image."""
    image, draw = _board()
    for path, width, value in paths:
        pixels = max(1, round(width * SIZE * OVERSAMPLING / 2))
        if pixels > 4:
            draw.polygon(_to_pixels(_ribbon(path, width)), fill=round(255 * value))
        else:
            draw.line(_to_pixels(path), fill=round(255 * value), width=pixels)
    return _reduced(image)


def _ribbon(path: Points, width: float) -> Points:
    """The outline of a line of that width: without gaps at its bends."""
    padded = np.concatenate([path[:1], path, path[-1:]])
    along = padded[2:] - padded[:-2]
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    aside = along[:, ::-1] / length * (-width / 2, width / 2)
    return np.concatenate([path + aside, (path - aside)[::-1]])


_THETA = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_ORDERS = np.arange(2, 6)
_CIRCLE = np.stack([np.cos(_THETA), np.sin(_THETA)])
_COSINES = 0.7 * np.cos(_ORDERS[:, None] * _THETA)
_SINES = 0.7 * np.sin(_ORDERS[:, None] * _THETA)


def blob(
    rng: np.random.Generator,
    cx: float,
    cy: float,
    radius: float,
    wobble: float = 0.15,
    stretch: float = 1.0,
    angle: float = 0.0,
) -> Points:
    """A closed, irregular outline; ``stretch`` lengthens it along ``angle`` (radians)."""
    real, imaginary = rng.normal(0, wobble, (2, 4)) / _ORDERS
    circle = _CIRCLE * (radius * (1 + real @ _COSINES + imaginary @ _SINES))
    c, s = math.cos(angle), math.sin(angle)
    turn = np.array([[c * stretch, s * stretch], [-s, c]])
    return np.asarray(circle.T @ turn + (cx, cy))


_LETTERS: dict[str, list[list[tuple[float, float]]]] = {
    "R": [[(0, 1), (0, 0), (0.45, 0), (0.6, 0.12), (0.6, 0.38), (0.45, 0.5), (0, 0.5)],
          [(0.3, 0.5), (0.62, 1)]],
    "L": [[(0, 0), (0, 1), (0.55, 1)]],
}  # fmt: skip


def side_marker(letter: str, x: float, y: float, height: float = 0.11) -> Field:
    """The lead letter R or L that a radiographer puts on the film; (x, y) is its top left."""
    return stroked(
        (np.array([(x + height * u, y + height * v) for u, v in line]), 0.024, 1.0)
        for line in _LETTERS[letter]
    )


def turned(field: Field, degrees: float, zoom: float, dx: float, dy: float) -> Field:
    """The field as seen by a camera that is turned, zoomed and shifted (dx, dy in half images).

    What comes in from beyond the edge repeats the edge.
    """
    c, s = math.cos(math.radians(degrees)) / zoom, math.sin(math.radians(degrees)) / zoom
    centre, rim = SIZE / 2, SIZE // 4
    ox = centre - c * (centre + dx * centre) + s * (centre + dy * centre) + rim
    oy = centre - s * (centre + dx * centre) - c * (centre + dy * centre) + rim
    image = Image.fromarray(np.pad(field, rim, mode="edge").astype(np.float32))
    moved = image.transform(
        (SIZE, SIZE), Image.Transform.AFFINE, (c, -s, ox, s, c, oy), Image.Resampling.BICUBIC
    )
    return np.asarray(moved, dtype=np.float32)


def pixels(field: Field) -> NDArray[np.uint8]:
    """Values in [0, 1] as bytes, clipped; works for grey and for colour."""
    return np.asarray(np.clip(field, 0, 1) * 255 + 0.5, dtype=np.uint8)
