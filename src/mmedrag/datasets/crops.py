"""The same picture cut at an edge, or shown in other grey values: what a hash does not find.

A strip cut off shifts and stretches all that remains, so neither the hashes nor the previews of
:mod:`mmedrag.datasets.duplicates` agree. Here pictures are brought to one width (or height), those
whose mean brightness and detail run alike from left to right are paired, and one is slid over the
other to see whether the detail agrees. On real radiographs, scans and slides every pair above
:data:`MIN_AGREEMENT` that was looked at was one picture, or two slices of one patient.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmedrag.errors import ImageError
from mmedrag.imaging.decoding import open_image
from mmedrag.types import Case, Domain

MIN_AGREEMENT = 0.7
"""Correlation of the detail where two pictures overlap."""

_SIDE, _LONGEST = 64, 96
_MAX_CUT = 0.25  # of the shorter picture may hang over
_MIN_BRIGHTNESS, _MIN_DETAIL = 0.97, 0.8  # correlations of the profiles that make a candidate
_CHUNK = 512

Floats: TypeAlias = NDArray[np.float32]
Strip: TypeAlias = tuple[Floats, Floats, Floats]
"""Detail ``(h, 64)``, and by column its mean size and the mean brightness, ``(64,)`` each."""


def find_crops(cases: Sequence[Case]) -> list[tuple[str, str]]:
    """Pairs of ids whose images show one picture, in the order of ``cases``.

    Fundus photographs are left out: their round rim makes all of them alike. Images that cannot be
    read are left out too.
    """
    pictured = [c for c in cases if c.image is not None and c.domain is not Domain.OPHTHALMOLOGY]
    with ThreadPoolExecutor() as executor:
        strips = list(executor.map(_strips, pictured))
    rows = [i for i, strip in enumerate(strips) if strip]
    pairs: set[tuple[int, int]] = set()
    for axis in (0, 1):
        cut = [strips[row][axis] for row in rows]
        pairs.update(
            (rows[one], rows[other])
            for one, other in _candidates(cut)
            if _agreement(cut[one][0], cut[other][0]) >= MIN_AGREEMENT
        )
    return [(pictured[one].id, pictured[other].id) for one, other in sorted(pairs)]


def _strips(case: Case) -> tuple[Strip, ...]:
    """The image at one width, and turned by a quarter at one height; nothing if unreadable."""
    if case.image is None:
        return ()
    try:
        grey = open_image(case.image, case.frame).convert("L")
    except ImageError:
        return ()
    return _strip(grey), _strip(grey.transpose(Image.Transpose.TRANSPOSE))


def _strip(grey: Image.Image) -> Strip:
    height = min(_LONGEST, max(8, round(grey.height * _SIDE / grey.width)))
    small = grey.resize((_SIDE, height), Image.Resampling.BOX)
    coarse = small.resize((_SIDE // 4, max(1, height // 4)), Image.Resampling.BOX)
    pixels = np.asarray(small, np.float32)
    shape = np.asarray(coarse.resize(small.size, Image.Resampling.BICUBIC), np.float32)
    detail = np.clip(pixels - shape, -8, 8)
    return detail, np.abs(detail).mean(axis=0), pixels.mean(axis=0)


def _candidates(strips: Sequence[Strip]) -> Iterator[tuple[int, int]]:
    """Pairs of positions whose profiles run alike."""
    if not strips:
        return
    sizes, brightness = (_standardised(np.stack([s[k] for s in strips])) for k in (1, 2))
    for start in range(0, len(strips), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        alike = brightness[chunk] @ brightness.T > _MIN_BRIGHTNESS
        alike &= sizes[chunk] @ sizes.T > _MIN_DETAIL
        for one, other in zip(*np.nonzero(alike), strict=True):
            if start + one < other:
                yield start + int(one), int(other)


def _agreement(first: Floats, second: Floats) -> float:
    """The best correlation of two strips, one slid along the other."""
    long, short = sorted((first, second), key=len, reverse=True)
    cut = int(_MAX_CUT * len(short))
    best = 0.0
    for shift in range(-cut, len(long) - len(short) + cut + 1):
        low, high = max(0, shift), min(len(long), shift + len(short))
        mine, theirs = long[low:high], short[low - shift : high - shift]
        best = max(best, _correlation(mine.ravel(), theirs.ravel()))
    return best


def _correlation(first: Floats, second: Floats) -> float:
    first, second = first - first.mean(), second - second.mean()
    norms = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / norms if norms > 0 else 0.0


def _standardised(rows: Floats) -> Floats:
    centred = rows - rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    unit: Floats = centred / np.maximum(norms, 1e-6)
    return unit
