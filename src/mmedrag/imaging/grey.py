"""Grey values of any range, shown as 8 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FLAT = 5.0  # standard deviation, of 255 grey values, of a picture in which nothing is seen
_VARIED = 20.0


def to_8_bit(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale grey values of any range to 0-255 (see :func:`grey_range`)."""
    return scale(values, *grey_range(values))


def grey_range(values: NDArray[Any]) -> tuple[float, float]:
    """The values to show as black and as white: the 0.1 and 99.9 percentiles.

    Most 16-bit files hold 10 to 14 bits, so the type's own range would come out black; percentiles
    rather than extremes, so that a burned-in marker does not darken the rest.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 0.0
    low, high = np.percentile(finite, (0.1, 99.9))
    if not high > low:
        low, high = finite.min(), finite.max()
    return float(low), float(high)


def scale(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Map ``low``-``high`` linearly to 0-255; what lies outside is clipped, NaN becomes 0."""
    span = high - low if high > low else 1.0
    exact = np.float64 if values.dtype == np.float64 else np.float32  # 1e12 + 1 needs the longer
    unit = np.nan_to_num(np.subtract(values, low, dtype=exact) / span, posinf=1.0, neginf=0.0)
    grey: NDArray[np.uint8] = np.rint(np.clip(unit, 0.0, 1.0) * 255).astype(np.uint8)
    return grey


def hides(shown: NDArray[np.uint8], whole: NDArray[np.uint8]) -> bool:
    """Whether a picture is (nearly) one grey value, while the same data over their range are not.

    Args:
        shown: the picture as its header wants it.
        whole: the data between their own black and white (:func:`to_8_bit`).
    """
    return float(shown.std()) < _FLAT and float(whole.std()) > _VARIED
