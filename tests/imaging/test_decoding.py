"""Image decoding: what is shown, what is refused, and that nothing but an ImageError comes out."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mmedrag.errors import ImageError
from mmedrag.imaging import decoding, limits
from mmedrag.imaging.decoding import image_digest, open_image, read_bytes, thumbnail, usual_frame
from mmedrag.imaging.grey import to_8_bit
from proofs import examples


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(width: int = 40, height: int = 30) -> Image.Image:
    x = np.linspace(0, 255, width).astype(np.uint8)
    return Image.fromarray(np.tile(x, (height, 1)))


def png_header(width: int, height: int, depth: int = 1) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 10_000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_give_the_same_pixels(kind):
    image = gradient()
    assert np.array_equal(np.asarray(open_image(encoded(image, kind))), np.asarray(image))


def test_path_and_bytes_give_the_same(tmp_path):
    file = tmp_path / "a name that lies.gif"
    file.write_bytes(encoded(gradient(), "JPEG"))
    assert open_image(file).tobytes() == open_image(file.read_bytes()).tobytes()
    assert image_digest(file) == image_digest(file.read_bytes())
    assert image_digest(file, 1) != image_digest(file, 0)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "F"])
def test_every_mode_becomes_grey_or_colour(mode):
    kind = "TIFF" if mode in ("CMYK", "F", "I") else "PNG"
    opened = open_image(encoded(gradient().convert(mode), kind))
    assert opened.mode in ("L", "RGB")
    assert opened.size == (40, 30)


def test_transparent_pixels_are_white():
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (255, 0, 0, 255))
    opened = open_image(encoded(image))
    assert [opened.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (255, 0, 0)]


def test_palette_with_transparency():
    image = Image.new("P", (2, 1), 0)
    image.putpalette([0, 0, 255, 10, 20, 30])
    image.putpixel((1, 0), 1)
    opened = open_image(encoded(image, transparency=0))
    assert [opened.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (10, 20, 30)]


def test_12_bits_in_16_use_the_whole_range():
    values = np.tile(np.linspace(0, 4095, 256).astype(np.uint16), (16, 1))
    opened = np.asarray(open_image(encoded(Image.fromarray(values))))
    assert opened.min() == 0
    assert opened.max() == 255
    assert np.all(np.diff(opened[0].astype(int)) >= 0)


def test_exif_orientation_turns_the_image():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_image(encoded(gradient(40, 30), "JPEG", exif=exif)).size == (30, 40)


def test_tiff_pages():
    pages = [Image.new("L", (4, 4), value) for value in (10, 20, 30)]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert [open_image(data, frame).getpixel((0, 0)) for frame in range(3)] == [10, 20, 30]
    assert (open_image(data).getpixel((0, 0)), usual_frame(data)) == (10, 0)
    assert usual_frame(pages[0]) == usual_frame(np.zeros((4, 4))) == 0
    with pytest.raises(ImageError, match="no frame 3"):
        open_image(data, 3)
    assert "first page is shown" in open_image(data).info["notice"]
    assert not open_image(data, 1).info


@pytest.mark.parametrize("size", [None, (2, 2)])
def test_a_tiff_of_one_page_and_a_pyramid_are_no_stacks(size):
    pages = [] if size is None else [Image.new("L", size)]
    data = encoded(gradient(4, 4), "TIFF", save_all=True, append_images=pages)
    assert not open_image(data).info


def test_nothing_of_the_metadata_stays():
    exif = Image.Exif()
    exif[0x010E] = "DOE^JANE"
    text = PngInfo()
    text.add_text("Patient", "DOE^JANE")
    for data in (
        encoded(gradient(), "JPEG", exif=exif, comment=b"DOE^JANE"),
        encoded(gradient(), "PNG", exif=exif, pnginfo=text),
    ):
        assert b"DOE" in data
        opened = open_image(data)
        assert opened.info == {}
        assert b"DOE" not in thumbnail(opened)
        assert b"DOE" not in encoded(opened)


def test_thumbnail_fits_its_side():
    small = Image.open(io.BytesIO(thumbnail(Image.new("RGB", (1000, 200)), 100)))
    assert small.format == "JPEG"
    assert small.size == (100, 20)


@pytest.mark.proof("bombs")
@pytest.mark.parametrize(
    "size", [(50_000, 50_000), (2**31 - 1, 2**31 - 1), (limits.MAX_PIXELS + 1, 1)]
)
def test_decompression_bomb_is_refused_by_its_header(size):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError, match="pixels, more than"):
            open_image(png_header(*size))


def test_too_large_a_file_is_refused_before_it_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "MAX_BYTES", 1000)
    file = tmp_path / "large.png"
    with file.open("wb") as opened:
        opened.truncate(50 * 2**30)  # sparse: reading it whole would not fit the memory
    with pytest.raises(ImageError, match="more than"):
        read_bytes(file)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"GIF89a" + b"\0" * 50, "not a PNG"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "not a PNG"),
        (b"%!PS-Adobe-3.0 EPSF", "not a PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a PNG"),
    ],
)
def test_other_kinds_are_refused(data, reason):
    with pytest.raises(ImageError, match=reason):
        open_image(data)


def test_what_is_not_a_file_is_refused(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path, tmp_path / "absent.png", tmp_path / "pipe.png", Path("a\0b")):
        with pytest.raises(ImageError):
            open_image(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF"])
def test_truncated_files_say_so_with_name_and_remedy(kind, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    file = tmp_path / "cut.img"
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError) as caught:
        open_image(file)
    assert "cut.img" in str(caught.value)
    assert "again" in caught.value.remedy
    assert "\n" not in str(caught.value)


@given(
    kind=st.sampled_from(["PNG", "JPEG", "TIFF", "BMP"]),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=8),
    cut=st.floats(0.1, 1),
)
@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_give_an_image_or_an_image_error(kind, flips, cut):
    data = bytearray(encoded(gradient(), kind))
    for place, value in flips:
        data[int(place * (len(data) - 1))] ^= value
    try:
        opened = open_image(bytes(data[: max(1, int(cut * len(data)))]))
    except ImageError:
        return
    assert opened.mode in ("L", "RGB")
    assert opened.width * opened.height <= limits.MAX_PIXELS
    assert opened.info == {}


@given(st.binary(max_size=300))
@settings(max_examples=examples(100), deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_any_bytes_behind_a_magic_number(tail):
    for magic in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"BM"):
        with pytest.raises(ImageError):
            open_image(magic + tail)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=1, max_size=50))
def test_8_bit_scaling_keeps_the_order(values):
    array = np.array(values, np.float32)
    with np.errstate(all="ignore"):
        grey = to_8_bit(array)
    order = np.isfinite(array)
    ranked = grey[order][np.argsort(array[order], kind="stable")].astype(int)
    assert np.all(np.diff(ranked) >= 0)


@pytest.mark.parametrize(
    ("values", "mode"),
    [
        (np.arange(12, dtype=np.uint8).reshape(3, 4), "L"),
        (np.linspace(-1000, 3000, 12).reshape(3, 4), "L"),
        (np.arange(12, dtype=np.uint16).reshape(3, 4), "L"),
        (np.eye(3, 4, dtype=np.bool_), "L"),
        (np.zeros((3, 4, 3), np.uint8), "RGB"),
        (np.zeros((3, 4, 4), np.uint8), "RGB"),
    ],
)
def test_arrays_are_pictures(values: np.ndarray, mode: str):
    opened = open_image(values)
    assert (opened.mode, opened.size) == (mode, (4, 3))
    if values.dtype != np.uint8:
        assert opened.getextrema() == (0, 255)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(4, np.uint8),
        np.zeros((0, 4), np.uint8),
        np.zeros((3, 4, 3), np.float32),
        np.zeros((3, 4, 2), np.uint8),
        np.zeros((2, 3, 4, 3), np.uint8),
        np.array([["a"]]),
        np.broadcast_to(np.float32(0), (10**6, 10**6)),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(values: np.ndarray):
    with pytest.raises(ImageError):
        open_image(values)


def test_a_pil_image_is_cleaned_like_a_file():
    picture = Image.new("RGBA", (5, 4), (10, 20, 30, 0))
    picture.info["comment"] = "Doe, Jane"
    opened = open_image(picture)
    assert (opened.mode, opened.getpixel((0, 0)), opened.info) == ("RGB", (255, 255, 255), {})
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "PNG")
    cut = Image.open(io.BytesIO(buffer.getvalue()[:1000]))  # not decoded yet
    with pytest.raises(ImageError):
        open_image(cut)


def test_a_picture_that_its_transparency_would_hide_is_shown_without():
    ramp = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (16, 1)))
    clear = Image.new("L", ramp.size, 0)
    shown = open_image(encoded(Image.merge("RGBA", (ramp, ramp, ramp, clear))))
    assert shown.getextrema() == ((0, 255),) * 3
    assert "transparency" in shown.info["notice"]
    half = open_image(encoded(Image.merge("LA", (ramp, Image.new("L", ramp.size, 128)))))
    assert half.getextrema() == (127, 255)
    assert not half.info
