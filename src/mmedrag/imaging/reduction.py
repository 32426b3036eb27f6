"""Pictures made as small as they are used: no encoder or page looks at more than a megapixel."""

from __future__ import annotations

from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_SHOWN = 2**20
"""Pixels of the largest picture that is handed on."""

_STRIP = 2**22  # pixels that are averaged at a time


def reduced(image: Image.Image) -> Image.Image:
    """An image of at most :data:`MAX_SHOWN` pixels, averaged over areas; a small one as it is."""
    pixels = image.width * image.height
    if pixels <= MAX_SHOWN:
        return image
    if image.mode.startswith("I;16"):
        return Image.fromarray(reduced_array(np.asarray(image)))
    if image.mode in ("1", "P", "PA"):  # their values cannot be averaged
        opaque = not image.has_transparency_data
        image = image.convert("L" if image.mode == "1" else "RGB" if opaque else "RGBA")
    share = sqrt(MAX_SHOWN / pixels)
    size = (max(1, int(image.width * share)), max(1, int(image.height * share)))
    info = image.info
    small = image.resize(size, Image.Resampling.BOX, reducing_gap=3.0)
    small.info = info
    return small


def reduced_array(values: NDArray[Any], average: bool = True) -> NDArray[Any]:
    """Pixels ``(rows, columns)`` or ``(rows, columns, samples)`` reduced by a whole number.

    Values that are no amounts (entries of a palette) are picked, not averaged. The dtype stays.
    """
    rows, columns = values.shape[:2]
    factor = ceil(sqrt(rows * columns / MAX_SHOWN))
    if factor <= 1:
        return values
    if not average or min(rows, columns) < factor:
        return values[::factor, ::factor]
    height, width = rows // factor, columns // factor
    result = np.empty((height, width, *values.shape[2:]), values.dtype)
    step = max(1, _STRIP // (columns * factor))
    for first in range(0, height, step):
        last = min(height, first + step)
        part = values[first * factor : last * factor, : width * factor]
        blocks = part.reshape(last - first, factor, width, factor, *values.shape[2:])
        mean = blocks.mean(axis=(1, 3), dtype=np.float64)
        result[first:last] = np.rint(mean) if values.dtype.kind in "iu" else mean
    return result
