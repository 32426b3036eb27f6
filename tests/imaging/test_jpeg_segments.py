"""What stands beside the picture of a JPEG file does not cost more than the picture."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from mmedrag.imaging.decoding import open_image
from mmedrag.imaging.jpeg_segments import without_much_beside

RAMP = np.tile(np.arange(256, dtype=np.uint8), (16, 1))


def jpeg(mode: str = "L", orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(RAMP).convert(mode).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("marker", [0xE1, 0xE2, 0xED, 0xFE])
def test_a_picture_with_much_beside_it_is_the_same_picture(mode, marker):
    data = jpeg(mode, orientation=6)
    more = segment(marker, b"Exif\0\0" + b"I" * 65_000) * 40
    at = data.index(b"\xff\xdb")
    full = data[:at] + more + data[at:]
    assert len(without_much_beside(io.BytesIO(full)).read()) < len(data) + 70_000
    shown, expected = np.asarray(open_image(full)), np.asarray(open_image(data))
    assert shown.size == expected.size
    assert np.array_equal(np.sort(shown, axis=None), np.sort(expected, axis=None))


@pytest.mark.parametrize("data", [jpeg(), b"", b"\xff\xd8", b"\xff\xd8\xff\xe1\0", b"no JPEG"])
def test_what_is_small_or_broken_is_left_as_it_is(data):
    assert without_much_beside(io.BytesIO(data)).read() == data
