"""Pictures as real programs write them: tables against their data, damaged side data, big files."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from threading import Barrier, Thread

import numpy as np
import pydicom
import pytest
from PIL import Image, TiffImagePlugin
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless

from dicom_files import header, ramp, with_pixels
from mmedrag.errors import ImageError
from mmedrag.imaging.budget import Budget
from mmedrag.imaging.decoding import open_image
from mmedrag.imaging.limits import MAX_ASPECT
from mmedrag.imaging.reduction import MAX_SHOWN, reduced_array
from mmedrag.imaging.signatures import kind_of


def contents(ds: Dataset, **options: bool) -> bytes:
    buffer = io.BytesIO()
    ds.save_as(buffer, **(options or {"enforce_file_format": True}))
    return buffer.getvalue()


def opened(ds: Dataset) -> Image.Image:
    return open_image(contents(ds))


def lut(values, bits: int, first: int = 0) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(values), first, bits]
    item["LUTDescriptor"].VR = "US"
    item.add_new("LUTData", "OW", np.asarray(values, "<u2").tobytes())
    return item


# look-up tables, windows and byte order


@pytest.mark.parametrize("order", ["<u2", ">u2"])
@pytest.mark.parametrize("bits", [16, 12, 8])
def test_a_voi_lut_is_read_by_its_data(bits, order):
    item = lut(np.arange(4096), bits)
    item.LUTData = np.arange(4096).astype(order).tobytes()
    low, high = opened(with_pixels(header(), ramp(), VOILUTSequence=[item])).getextrema()
    assert (low, high) == (0, 255)


def test_a_palette_of_8_bits_that_claims_16():
    ds = with_pixels(header(), np.arange(256, dtype=np.uint8).reshape(16, 16), "PALETTE COLOR")
    for name in ("Red", "Green", "Blue"):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        ds[f"{name}PaletteColorLookupTableDescriptor"].VR = "US"
        ds.add_new(
            f"{name}PaletteColorLookupTableData", "OW", np.arange(256, dtype="<u2").tobytes()
        )
    assert opened(ds).getextrema() == ((0, 255),) * 3


@pytest.mark.parametrize("slope", [0, 1, -1])
def test_a_slope_of_0_is_no_slope(slope):
    image = opened(with_pixels(header(), ramp(), RescaleSlope=slope, RescaleIntercept=-1024))
    assert image.getextrema() == (0, 255)
    assert "notice" not in image.info


@pytest.mark.parametrize(
    "changes",
    [
        {"WindowCenter": 90_000, "WindowWidth": 10},
        {"WindowCenter": 50, "WindowWidth": 1e7},
        {"VOILUTSequence": [lut([0] * 4096, 16)]},
        {"VOILUTSequence": [lut([5, 5], 16, 60_000)], "WindowCenter": -5000, "WindowWidth": 2},
    ],
)
def test_a_blank_picture_of_data_that_are_not_is_shown_and_said(changes):
    image = opened(with_pixels(header(), ramp(), **changes))
    assert image.getextrema() == (0, 255)
    assert "blank" in image.info["notice"]


@pytest.mark.parametrize(("descriptor", "data"), [([1, 0, 16], [5]), (3, [5, 6]), ([1, 0, 16], 7)])
def test_a_table_of_one_entry_refuses_no_picture(descriptor, data):
    item = Dataset()
    item.LUTDescriptor, item.LUTData = descriptor, data
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    image = opened(with_pixels(header(), ramp(), VOILUTSequence=[item]))
    assert image.getextrema() == (0, 255)


def test_data_of_one_value_are_no_problem():
    image = opened(with_pixels(header(), np.full((16, 16), 7, "<u2")))
    assert image.getextrema()[0] == image.getextrema()[1]
    assert "notice" not in image.info


def test_pixels_in_the_other_byte_order_are_turned_and_said():
    smooth = (2000 + 900 * np.sin(np.arange(4096) / 40)).astype("<u2").reshape(64, 64)
    image = opened(with_pixels(header(), smooth.byteswap(), BitsStored=12, HighBit=11))
    assert "byte order" in image.info["notice"]
    right = opened(with_pixels(header(), smooth))
    assert np.array_equal(np.asarray(image), np.asarray(right))


def test_big_endian_files_are_no_mistake():
    smooth = (2000 + 900 * np.sin(np.arange(4096) / 40)).astype(">u2").reshape(64, 64)
    ds = with_pixels(header(), smooth)
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    image = opened(ds)
    assert "notice" not in image.info
    native = opened(with_pixels(header(), smooth.astype("<u2")))
    assert np.array_equal(np.asarray(image), np.asarray(native))


# what is missing or stray in DICOM


def test_without_preamble_prefix_or_transfer_syntax():
    expected = np.asarray(opened(with_pixels(header(), ramp())))
    whole = contents(with_pixels(header(), ramp()))
    for data in (
        whole[128:],
        whole[132:],
        contents(without_meta(), implicit_vr=True, little_endian=True),
    ):
        assert kind_of(data) == "dicom"
        assert np.array_equal(np.asarray(open_image(data)), expected)


def without_meta() -> Dataset:
    ds = with_pixels(header(), ramp())
    del ds.file_meta
    return ds


def test_a_compressed_file_without_a_transfer_syntax():
    ds = with_pixels(header(), ramp("<u1", 0, 255))
    expected = np.asarray(opened(ds))
    buffer = io.BytesIO()
    Image.fromarray(ramp("<u1", 0, 255)).save(buffer, "JPEG2000", no_jp2=True)
    ds.PixelData = pydicom.encaps.encapsulate([buffer.getvalue()])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
    data = contents(ds)
    syntax = b"\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.4.90"
    assert syntax in data
    found = open_image(data.replace(syntax, b"\x02\x00\x12\x00UI\x16\x001.2.840.10008.1.2.4.90"))
    assert np.array_equal(np.asarray(found), expected)


def test_stray_delimiters_are_passed_over():
    data = contents(with_pixels(header(), ramp()))
    at = data.index(b"\xe0\x7f\x10\x00")
    stray = b"\xfe\xff\x0d\xe0\x00\x00\x00\x00"
    try:
        image = open_image(data[:at] + stray + data[at:])
    except ImageError as error:
        assert "DICOM" in str(error) or "holds" in str(error)  # noqa: PT017
    else:
        assert image.size == (256, 16)


def test_pydicoms_own_files_are_opened_or_named():
    folder = Path(pydicom.__file__).parent / "data"
    bad = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            open_image(file)
        except ImageError as error:
            assert str(file) in str(error)  # noqa: PT017
            bad.append(file.name)
    assert not {"CT_small.dcm", "MR_small_bigendian.dcm", "color-pl.dcm", "no_ts.dcm"} & set(bad)


# PNG, TIFF, JPEG


def chunk(kind: bytes, data: bytes, sound: bool = True) -> bytes:
    crc = zlib.crc32(kind + data) if sound else 1
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"tEXt", b"a\0b", sound=False),
        chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 2**24)),
        chunk(b"iCCP", b"p\0\0" + zlib.compress(b"x" * 2**21)),
        chunk(b"eXIf", b"MM\0*damaged"),
        chunk(b"eXIf", b"II", sound=False),
        chunk(b"iTXt", b"\xff\xff"),
        chunk(b"gAMA", b"\0"),
    ],
)
def test_side_data_of_a_png_do_not_cost_its_picture(extra):
    buffer = io.BytesIO()
    Image.fromarray(ramp("<u1", 0, 255)).save(buffer, "PNG")
    data = buffer.getvalue()
    image = open_image(data[:33] + extra + data[33:])
    assert np.array_equal(np.asarray(image), ramp("<u1", 0, 255))


def test_damaged_pixels_are_still_refused():
    buffer = io.BytesIO()
    Image.fromarray(ramp("<u1", 0, 255)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[data.index(b"IDAT") + 8] ^= 255
    with pytest.raises(ImageError, match="damaged"):
        open_image(bytes(data))


@pytest.mark.parametrize("bits", [8, 16])
def test_white_is_zero_in_a_tiff(bits):
    values = ramp(f"<u{bits // 8}", 0, 2**bits - 1)
    buffer = io.BytesIO()
    info = TiffImagePlugin.ImageFileDirectory_v2()
    Image.fromarray(values).save(buffer, "TIFF", tiffinfo=info)
    data = bytearray(buffer.getvalue())
    tag = struct.pack("<HHI", 262, 3, 1)  # photometric interpretation, one short
    data[data.index(tag) + 8] = 0
    image = open_image(bytes(data))
    assert (image.getpixel((0, 0)), image.getpixel((255, 0))) == (255, 0)


def test_big_tiff(tmp_path):
    file = tmp_path / "big.tif"
    Image.fromarray(ramp("<u1", 0, 255)).save(file, big_tiff=True)
    assert kind_of(file.read_bytes()) == "tiff"
    assert open_image(file).getextrema() == (0, 255)


# size


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "F"])
def test_large_pictures_come_reduced(mode, tmp_path):
    file = tmp_path / "large.tif"
    Image.new(mode, (1800, 900)).save(file)
    image = open_image(file)
    assert image.mode in ("L", "RGB")
    assert MAX_SHOWN / 2 < image.width * image.height <= MAX_SHOWN


def test_reduction_averages():
    values = np.tile(np.array([[0, 100], [100, 200]], "<u2"), (1000, 1000))
    assert set(reduced_array(values).ravel().tolist()) == {100}
    gradient = Image.fromarray(np.tile(np.linspace(0, 255, 3000), (1000, 1)).astype(np.uint8))
    buffer = io.BytesIO()
    gradient.save(buffer, "PNG")
    row = np.asarray(open_image(buffer.getvalue()))[100].astype(int)
    assert np.all(np.diff(row) >= 0)
    assert (row[0], row[-1]) == (0, 255)


def test_a_line_is_no_picture():
    buffer = io.BytesIO()
    Image.new("L", (2 * MAX_ASPECT + 1, 2)).save(buffer, "PNG")
    with pytest.raises(ImageError, match="line rather than a picture"):
        open_image(buffer.getvalue())


def test_the_budget_lets_one_large_decoder_run_alone():
    budget, running, most = Budget(10), [], []
    start = Barrier(6)

    def decode(size: int) -> None:
        start.wait()
        with budget.reserve(size):
            running.append(size)
            most.append(sum(running))
            running.remove(size)

    threads = [Thread(target=decode, args=(size,)) for size in (4, 5, 6, 7, 20, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 6
    assert all(total <= 20 for total in most)
