"""Changes to a training image that leave its report true.

A radiograph is never mirrored: left and right would change places, and the heart with them. Only
where a picture has no sides (tissue, blood, an ultrasound window) and the text speaks of none may
it be flipped; tissue under the microscope has no upright either, so it may show all eight
symmetries of the square. Everything may be turned, moved and scaled a little, and shown in slightly
other grey values.
"""

from __future__ import annotations

import math
import re

import numpy as np
from PIL import Image

from mmedrag.types import Case, Domain

ANGLE, SHIFT, SCALE = 8.0, 0.04, 0.08
"""Degrees of turning; shares of the side by which a picture is moved and scaled."""

BRIGHTNESS, CONTRAST, GAMMA = 0.08, 0.15, 0.2
"""Shares of the range and of the spread, and of the exponent (as its logarithm)."""

PART = (1 / 3, 0.8)
"""The least and the greatest share of a side that a part shows."""

UPRIGHT_WITHOUT_SIDES = ("ultrasound", "sonograph", "echograph")
"""Modalities with a top and a bottom whose left and right are as the probe was held."""

_LOCATIONS = re.compile(
    r"\b(left|right|l|r|lt|rt|od|os|laterali[sz]\w*|ipsilateral|contralateral|unilateral\w*"
    r"|hemi\w+|clockwise|counterclockwise|anticlockwise|dextro\w*|levo\w*|sinist\w*"
    r"|izquierd\w*|derech\w*|esquerd\w*|direit\w*)\b",
    re.IGNORECASE,
)
_HEIGHTS = re.compile(
    r"\b(top|bottom|upper|lower|above|below|superior\w*|inferior\w*|vertical\w*|horizontal\w*"
    r"|o'?clock|upwards?|downwards?)\b",
    re.IGNORECASE,
)


def may_mirror(case: Case) -> bool:
    """Whether left and right may change places in the image of this case."""
    return _without_sides(case) and not _LOCATIONS.search(_words(case))


def may_turn(case: Case) -> bool:
    """Whether the image may show any of the eight symmetries of a square."""
    words = _words(case)
    microscopy = case.domain is Domain.PATHOLOGY
    return microscopy and not (_LOCATIONS.search(words) or _HEIGHTS.search(words))


def augmented(image: Image.Image, case: Case, random: np.random.Generator) -> Image.Image:
    """The image as another shot of the same thing might show it; size and mode are kept.

    A quarter turn, where allowed, exchanges width and height.
    """
    moved = _moved(_symmetric(image, case, random), random)
    return _regraded(moved, random)


def part(image: Image.Image, case: Case, random: np.random.Generator) -> Image.Image:
    """A rectangle of the image, as a narrower field of view shows it, in other grey values.

    Each of its sides is a third to four fifths of the image's.
    """
    width, height = (max(1, round(side * random.uniform(*PART))) for side in image.size)
    left, top = (
        int(random.integers(side - kept + 1))
        for side, kept in zip(image.size, (width, height), strict=True)
    )
    cut = image.crop((left, top, left + width, top + height))
    return _regraded(_symmetric(cut, case, random), random)


def is_ultrasound(case: Case) -> bool:
    """Whether the image shows what an ultrasound probe saw."""
    return any(name in case.modality.lower() for name in UPRIGHT_WITHOUT_SIDES)


def _without_sides(case: Case) -> bool:
    if case.domain is Domain.PATHOLOGY:
        return True
    return case.domain is Domain.RADIOLOGY and is_ultrasound(case)


def _words(case: Case) -> str:
    return " ".join((case.text, *case.labels))


def _symmetric(image: Image.Image, case: Case, random: np.random.Generator) -> Image.Image:
    mirrored, quarters = random.random() < 0.5, int(random.integers(4))
    if may_turn(case) and quarters:
        image = image.transpose(_QUARTERS[quarters - 1])
    if mirrored and may_mirror(case):
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return image


def _moved(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Turned, scaled and shifted about the centre; what comes into view has the border's value."""
    angle = math.radians(float(random.uniform(-ANGLE, ANGLE)))
    scale = math.exp(float(random.uniform(-SCALE, SCALE)))
    across, down = (float(s) for s in random.uniform(-SHIFT, SHIFT, 2) * image.size)
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    x, y = image.width / 2, image.height / 2
    right, below = x + across, y + down
    matrix = (cos, sin, x - cos * right - sin * below, -sin, cos, y + sin * right - cos * below)
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        matrix,
        resample=Image.Resampling.BICUBIC,
        fillcolor=_border(image),
    )


def _border(image: Image.Image) -> int | tuple[int, ...]:
    """The median value along the four edges, by channel."""
    pixels = np.asarray(image)
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    median = np.median(edges, axis=0)
    return int(median) if median.ndim == 0 else tuple(int(value) for value in median)


def _regraded(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Other brightness, contrast and gamma; the same for every channel."""
    gamma = math.exp(float(random.uniform(-GAMMA, GAMMA)))
    contrast = 1 + float(random.uniform(-CONTRAST, CONTRAST))
    brightness = float(random.uniform(-BRIGHTNESS, BRIGHTNESS))
    levels = np.linspace(0, 1, 256) ** gamma
    table = np.clip((levels - 0.5) * contrast + 0.5 + brightness, 0, 1)
    return image.point([round(255 * float(v)) for v in table] * len(image.getbands()))


_QUARTERS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
