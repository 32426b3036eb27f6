"""What is too large to decode, and what decoders raise on damaged contents."""

from __future__ import annotations

import struct
import zlib

from PIL import Image

from mmedrag.errors import ImageError

MAX_BYTES = 512 * 2**20
"""The largest file that is read: 512 MiB."""

MAX_PIXELS = 50_000_000
"""The largest picture that is decoded; a mammogram has 23 million pixels."""

MAX_ASPECT = 256
"""The longest shape that is decoded: networks enlarge the shorter side of a picture."""

DECODER_FAILURES = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    EOFError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""Everything that decoders are known to raise on damaged contents."""


def check_size(width: int, height: int, name: str) -> None:
    """Refuse a picture before it is decoded.

    Raises:
        ImageError: for no pixels, more than :data:`MAX_PIXELS`, or a shape beyond
            :data:`MAX_ASPECT`.
    """
    if width < 1 or height < 1:
        raise ImageError(f"{name} has no pixels ({width} × {height})", "Export it again.")
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{name} is {width} × {height} pixels, more than {MAX_PIXELS:,}",
            "Scale it down, or cut out the region of interest.",
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(
            f"{name} is {width} × {height} pixels, a line rather than a picture",
            f"One side may be {MAX_ASPECT} times the other at most.",
        )
