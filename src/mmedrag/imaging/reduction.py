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
    """An image of at most :data:`MAX_SHOWN` pixels, averaged over areas; a small one as it is.

    It is reduced strip by strip, so that no second image of the full size is made.
    """
    width, height = image.size
    if width * height <= MAX_SHOWN:
        return image
    scale = sqrt(width * height / MAX_SHOWN)
    columns, rows = max(1, int(width / scale)), max(1, int(height / scale))
    mode = _averaged_mode(image)
    small = Image.new(mode, (columns, rows))
    step = max(1, int(_STRIP * rows / (width * height)))
    for first in range(0, rows, step):
        last = min(rows, first + step)
        top, bottom = first * height / rows, last * height / rows
        strip = image.crop((0, int(top), width, min(height, ceil(bottom)))).convert(mode)
        box = (0, top - int(top), width, bottom - int(top))
        size = (columns, last - first)
        small.paste(strip.resize(size, Image.Resampling.BOX, box=box), (0, first))
    small.info = image.info
    return small


def _averaged_mode(image: Image.Image) -> str:
    """The mode in which the pixels of an image can be averaged."""
    if image.mode in ("P", "PA"):
        return "RGBA" if image.has_transparency_data else "RGB"
    return {"1": "L"}.get(image.mode, "I" if image.mode.startswith("I;16") else image.mode)


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
        strip = values[first * factor : last * factor, : width * factor]
        blocks = strip.reshape(last - first, factor, width, factor, *values.shape[2:])
        mean = blocks.mean(axis=(1, 3), dtype=np.float64)
        result[first:last] = np.rint(mean) if values.dtype.kind in "iu" else mean
    return result
