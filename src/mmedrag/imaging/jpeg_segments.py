"""JPEG files (ITU T.81): the segments before the picture, and pictures that break off."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

END = b"\xff\xd9"
"""The marker that closes a picture."""

LEAST_THERE = 0.95
"""Share of the rows of a picture that breaks off, below which it is refused."""

BROKEN_OFF = "the file is truncated: the lowest {share:.0%} of its picture is left out"
"""What is said of a picture that is shown as far as it goes."""

_BLOCKS = 16  # rows of blocks that are decoded together, at most
_GREY = (127, 128)  # what a decoder puts where data are missing: all coefficients zero
_START, _SCAN, _COMMENT, _EXIF, _ADOBE = b"\xff\xd8", 0xDA, 0xFE, 0xE1, 0xEE
_APPLICATION = range(0xE0, 0xF0)
_MOST = 1 << 20
"""Bytes of comments, profiles and the like that are handed to a decoder as they are. Pillow appends
Exif to Exif, so the time that many segments take grows with the square of their number."""


def without_much_beside(file: BinaryIO) -> BinaryIO:
    """The file from its beginning, or a copy without comments, profiles and all Exif but the first.

    A copy is made only where these have more than a mebibyte.
    """
    kept, beside, scan = _segments(file)
    file.seek(0)
    if beside <= _MOST:
        return file
    file.seek(scan)
    picture = file.read()
    return io.BytesIO(b"".join([_START, *kept, picture]))


def rows_there(pixels: NDArray[Any]) -> int:
    """How many rows of a picture that breaks off were in its file.

    Args:
        pixels: ``(height, width)`` or ``(height, width, channels)``, 8 bits, of a picture that is
            coded row by row (not progressively). What a decoder fills up is grey to the last row.
    """
    rows = pixels.reshape(len(pixels), -1)
    grey = np.min(np.isin(rows, _GREY), axis=1)
    filled = len(grey) if grey.all() else int(np.argmin(grey[::-1]))
    if not filled and not np.isin(pixels[-8:, -8:], _GREY).all():
        return len(rows)
    return max(0, (len(rows) - filled - 1) // _BLOCKS * _BLOCKS)


def _segments(file: BinaryIO) -> tuple[list[bytes], int, int]:
    """The segments to keep, the bytes of those beside the picture, and where the rest begins."""
    file.seek(0)
    if file.read(2) != _START:
        return [], 0, 0
    kept: list[bytes] = []
    beside, exif = 0, False
    while True:
        at = file.tell()
        head = file.read(4)
        length = int.from_bytes(head[2:], "big")
        if len(head) < 4 or head[0] != 0xFF or head[1] == _SCAN or length < 2:
            return kept, beside, at
        body = file.read(length - 2)
        if head[1] != _COMMENT and head[1] not in _APPLICATION:
            kept.append(head + body)
            continue
        beside += len(body)
        if head[1] == _ADOBE or (head[1] == _EXIF and not exif and body.startswith(b"Exif")):
            exif = exif or head[1] == _EXIF
            kept.append(head + body)
