"""What stands beside the picture of a JPEG file does not cost more than the picture."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from mmedrag.errors import ImageError
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


def picture(mode: str, **options) -> bytes:
    y, x = np.mgrid[:512, :480]
    noise = np.random.default_rng(3).normal(0, 6, x.shape)
    grey = 120 + 80 * np.sin(x / 30) * np.cos(y / 40) + noise
    buffer = io.BytesIO()
    image = Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert(mode)
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("options", [{}, {"restart_marker_blocks": 4}, {"subsampling": 0}], ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_picture_that_breaks_off_is_shown_as_far_as_it_goes(mode, options):
    data = picture(mode, **options)
    whole = np.asarray(open_image(data), np.int16)
    unmarked = open_image(data[:-2])
    assert np.array_equal(np.asarray(unmarked), whole)
    assert "notice" not in unmarked.info
    part = open_image(data[: -len(data) // 60])
    assert "left out" in part.info["notice"]
    assert 480 <= part.height <= 504
    assert np.abs(np.asarray(part, np.int16) - whole[: part.height]).max() < 30
    with pytest.raises(ImageError, match=r"the lowest \d\d% of its picture are missing"):
        open_image(data[: len(data) // 2])


def test_a_progressive_picture_that_breaks_off_is_refused():
    with pytest.raises(ImageError, match="details of its picture are missing"):
        open_image(picture("L", progressive=True)[:-40])


def test_a_turned_picture_that_breaks_off_loses_its_last_rows():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = picture("L", exif=exif)
    whole, part = open_image(data), open_image(data[:-300])
    assert whole.height == part.height == 480
    assert part.width < whole.width == 512
    assert np.array_equal(np.asarray(part), np.asarray(whole)[:, -part.width :])
