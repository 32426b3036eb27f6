"""DICOM pixels as a workstation shows them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import apply_windowing
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1, RLELossless

from dicom_files import ENHANCED_CT, header, ramp, save, with_pixels
from mmedrag.errors import ImageError
from mmedrag.imaging.decoding import open_image, usual_frame
from mmedrag.imaging.dicom_pixels import window
from proofs import examples


def shown(ds: Dataset, frame: int = 0) -> np.ndarray:
    return np.asarray(open_image(contents(ds), frame)).astype(int)


def contents(ds: Dataset) -> bytes:
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_without_a_window_the_whole_range_is_shown():
    pixels = shown(with_pixels(header(), ramp()))
    assert pixels.min() == 0
    assert pixels.max() == 255


def test_monochrome1_is_inverted():
    plain = shown(with_pixels(header(), ramp()))
    inverted = shown(with_pixels(header(), ramp(), "MONOCHROME1"))
    assert np.array_equal(inverted, 255 - plain)


def test_first_window_after_rescale():
    ds = with_pixels(
        header(),
        ramp(),
        RescaleSlope=1,
        RescaleIntercept=-1024,
        WindowCenter=[40, 600],
        WindowWidth=[400, 1500],
    )
    pixels, hounsfield = shown(ds), ramp().astype(int) - 1024
    assert np.all(pixels[hounsfield <= -160] == 0)
    assert np.all(pixels[hounsfield >= 240] == 255)
    assert abs(int(pixels[0, np.argmin(abs(hounsfield[0] - 40))]) - 128) < 6


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@given(centre=st.floats(-500, 1500), width=st.floats(100, 3000))
@settings(max_examples=25, deadline=None)
def test_windows_agree_with_pydicom(function, centre, width):
    values = ramp("<i2", -1024, 3071)
    ds = with_pixels(Dataset(), values, VOILUTFunction=function)
    ds.WindowCenter, ds.WindowWidth = round(centre, 2), round(width, 2)
    expected = apply_windowing(values, ds)
    low, high = -(2**15), 2**15 - 1
    ours = window(values, float(ds.WindowCenter), float(ds.WindowWidth), function)
    assert np.abs(ours - (expected - low) / (high - low) * 255).max() <= 1.01


def test_a_rescaled_range_far_from_zero_is_shown():
    far = shown(with_pixels(header(), ramp(), RescaleSlope="1", RescaleIntercept="1e12"))
    assert np.array_equal(far, shown(with_pixels(header(), ramp())))


def test_signed_values():
    pixels = shown(with_pixels(header(), ramp("<i2", -1000, 1000), WindowCenter=0, WindowWidth=500))
    assert pixels[0, 0] == 0
    assert pixels[0, -1] == 255


def test_voi_lut_goes_before_the_window():
    lut = Dataset()
    lut.LUTDescriptor = [4, 0, 8]
    lut.LUTData = [255, 170, 85, 0]
    lut["LUTDescriptor"].VR, lut["LUTData"].VR = "US", "US"
    values = np.array([[0, 1, 2, 3]], "<u2")
    ds = with_pixels(header(), values, VOILUTSequence=[lut], WindowCenter=1, WindowWidth=2)
    assert shown(ds).tolist() == [[255, 170, 85, 0]]


@pytest.mark.parametrize("descriptor", [[4096, 0, 16], [0, 0, 16], [4096, 0, 12]])
def test_a_voi_lut_that_lacks_entries_for_its_data_is_not_believed(descriptor):
    lut = Dataset()
    lut.LUTDescriptor, lut.LUTData = descriptor, list(range(100))
    lut["LUTDescriptor"].VR, lut["LUTData"].VR = "US", "US"
    image = open_image(contents(with_pixels(header(), ramp(), VOILUTSequence=[lut])))
    assert np.asarray(image).tolist() == shown(with_pixels(header(), ramp())).tolist()
    assert "without its VOI LUT" in image.info["notice"]


def test_a_palette_that_lacks_colours_is_reported():
    ds = with_pixels(header(), ramp("<u1", 0, 255), "PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        table = np.linspace(0, 65535, 10).astype("<u2").tobytes()
        setattr(ds, f"{colour}PaletteColorLookupTableData", table)
    image = open_image(contents(ds))
    assert "no colours" in image.info["notice"]
    assert np.asarray(image)[0, -1].tolist() == [255, 255, 255]


@pytest.mark.parametrize(("photometric", "grey"), [("MONOCHROME2", 0), ("MONOCHROME1", 0)])
def test_padding_is_background(photometric, grey):
    values = np.where(ramp() < 500, 63536, ramp()).astype("<u2")
    ds = with_pixels(header(), values, photometric, PixelPaddingValue=63536)
    pixels = shown(ds)
    assert pixels[0, 0] == grey
    assert {pixels[0, 40], pixels[0, -1]} >= {0 if photometric == "MONOCHROME1" else 255}


def test_modality_lut():
    lut = Dataset()
    lut.LUTDescriptor, lut.ModalityLUTType = [2, 0, 16], "US"
    lut.LUTData = [1000, 0]
    lut["LUTDescriptor"].VR, lut["LUTData"].VR = "US", "US"
    ds = with_pixels(header(), np.array([[0, 1]], "<u2"), ModalityLUTSequence=[lut])
    assert shown(ds).tolist() == [[255, 0]]


@pytest.mark.parametrize("width", [0, -5])
def test_a_forbidden_window_is_no_window(width):
    ds = with_pixels(header(), ramp(), WindowCenter=100, WindowWidth=width)
    assert np.array_equal(shown(ds), shown(with_pixels(header(), ramp())))


def test_padding_does_not_decide_the_range():
    values = ramp(low=1000, high=1100)
    values[:, :20] = 0
    ds = with_pixels(header(), values, PixelPaddingValue=0)
    pixels = shown(ds)
    assert np.all(pixels[:, :20] == 0)
    assert pixels[0, -1] - pixels[0, 21] > 200


def test_colour():
    rgb = np.zeros((2, 2, 3), np.uint8)
    rgb[0, 0] = (255, 10, 20)
    assert shown(with_pixels(header(), rgb, "RGB"))[0, 0].tolist() == [255, 10, 20]
    grey = np.full((2, 2, 3), 128, np.uint8)
    assert shown(with_pixels(header(), grey, "YBR_FULL"))[0, 0].tolist() == [128, 128, 128]


def test_palette():
    ds = with_pixels(header(), np.array([[0, 1], [2, 3]], np.uint8), "PALETTE COLOR")
    for name, values in (
        ("Red", [0, 65535, 0, 0]),
        ("Green", [0, 0, 65535, 0]),
        ("Blue", [0, 0, 0, 65535]),
    ):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [4, 0, 16])
        ds[f"{name}PaletteColorLookupTableDescriptor"].VR = "US"
        setattr(ds, f"{name}PaletteColorLookupTableData", np.array(values, "<u2").tobytes())
    assert shown(ds).tolist() == [[[0, 0, 0], [255, 0, 0]], [[0, 255, 0], [0, 0, 255]]]


def test_frames_and_their_own_windows():
    ds = with_pixels(header(ENHANCED_CT), np.stack([ramp(), ramp(), ramp()]))
    groups = []
    for centre in (500, 2000, 3500):
        item, group = Dataset(), Dataset()
        item.WindowCenter, item.WindowWidth = centre, 100
        group.FrameVOILUTSequence = [item]
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = groups
    shares = [float((shown(ds, frame) > 127).mean()) for frame in range(3)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] - shares[2] > 0.6
    with pytest.raises(ImageError, match="no frame 3"):
        shown(ds, 3)


@pytest.mark.parametrize(("frames", "usual"), [(1, 0), (2, 1), (5, 2)])
def test_the_usual_frame_is_the_middle_one(tmp_path, frames, usual):
    grey = np.stack([ramp() + 100 * n for n in range(frames)])
    file = tmp_path / "a"
    save(with_pixels(header(), grey if frames > 1 else grey[0]), file)
    for source in (file, str(file), file.read_bytes()):
        assert usual_frame(source) == usual
        picture = open_image(source)
        assert picture.info.get("frame", 0) == usual
        assert picture.tobytes() == open_image(source, usual).tobytes()
    assert ("frame" in open_image(file).info) == (frames > 1)


def test_a_number_of_frames_that_is_none(tmp_path):
    save(with_pixels(header(), ramp(), NumberOfFrames="1"), tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    assert data.count(b"IS\x02\x001 ") == 1
    with pytest.raises(ImageError, match="damaged"):
        usual_frame(data.replace(b"IS\x02\x001 ", b"IS\x02\x00x "))


@pytest.mark.parametrize(
    ("kind", "syntax", "slack"), [("JPEG", JPEGBaseline8Bit, 3), ("JPEG2000", JPEG2000Lossless, 0)]
)
def test_compressed(kind, syntax, slack):
    grey = np.asarray(ramp("<u1", 0, 255))
    buffer = io.BytesIO()
    options = {"quality": 95} if kind == "JPEG" else {"irreversible": False, "no_jp2": True}
    Image.fromarray(grey).save(buffer, kind, **options)
    ds = with_pixels(header(), grey, WindowCenter=128, WindowWidth=256)
    ds.PixelData = encapsulate([buffer.getvalue()])
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = syntax
    assert np.abs(shown(ds) - grey).max() <= slack


@pytest.mark.parametrize("where", [5, 7])
def test_a_frame_that_claims_more_than_its_file_is_refused(where):
    buffer = io.BytesIO()
    Image.fromarray(ramp("<u1", 0, 255)).save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    place = data.index(b"\xff\xc0") + where
    data[place : place + 2] = (65500).to_bytes(2, "big")
    ds = with_pixels(header(), ramp("<u1", 0, 255), Rows=8, Columns=8)
    other = data.index(b"\xff\xc0") + (12 - where)
    data[other : other + 2] = (2000).to_bytes(2, "big")
    ds.PixelData = encapsulate([bytes(data)])
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    with pytest.raises(ImageError, match="more than"):
        shown(ds)


def test_an_empty_box_before_the_codestream_ends():
    """A box of length 0 in a JP2 file is a loop without end for who goes from box to box."""
    buffer = io.BytesIO()
    Image.fromarray(ramp("<u1", 0, 255)).save(buffer, "JPEG2000")
    data = bytearray(buffer.getvalue())
    assert data[12:24].endswith(b"ftypjp2 ")
    data[12:16] = bytes(4)
    ds = with_pixels(header(), ramp("<u1", 0, 255))
    ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
    ds.PixelData = encapsulate([bytes(data)])
    with pytest.raises(ImageError, match="empty box"):
        shown(ds)


def test_rle():
    ds = with_pixels(header(), ramp())
    expected = shown(ds)
    ds.compress(RLELossless, generate_instance_uid=False)
    assert np.array_equal(shown(ds), expected)


def test_run_lengths_that_unpack_to_more_than_the_pixels_are_refused():
    ds = with_pixels(header(), ramp("<u1", 0, 255))
    segment = b"\x81\xff" * 20_000  # unpacks to 2.5 MB where 4 kB belong
    frame = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + b"\0" * 56 + segment
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = RLELossless
    with pytest.raises(ImageError, match="run lengths"):
        shown(ds)


def test_missing_plugin_is_named():
    ds = with_pixels(header(), ramp())
    ds.PixelData = encapsulate([b"\xff\xd8 not decoded"])
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    try:
        import pylibjpeg  # noqa: F401
    except ImportError:
        with pytest.raises(ImageError, match="pip install pylibjpeg pylibjpeg-libjpeg"):
            shown(ds)
    else:
        with pytest.raises(ImageError):
            shown(ds)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"Rows": 65535, "Columns": 65535, "NumberOfFrames": 10**6}, "more than"),
        ({"NumberOfFrames": 10**6}, "claims 1000000 frames"),
        ({"NumberOfFrames": 1000}, "fewer pixels"),
        ({"Rows": 5000, "Columns": 5000}, "fewer pixels"),
        ({"Rows": 0}, "no pixels"),
        ({"SamplesPerPixel": 200}, "200 samples"),
        ({"BitsAllocated": 64, "BitsStored": 64, "HighBit": 63}, "fewer pixels"),
    ],
)
def test_false_claims_are_refused_before_decoding(claims, reason):
    with pytest.raises(ImageError, match=reason):
        shown(with_pixels(header(), ramp(), **claims))


def test_no_pixels_and_no_dicom():
    with pytest.raises(ImageError, match="no pixel data"):
        shown(header())
    with pytest.raises(ImageError):
        open_image(b"\0" * 128 + b"DICM")


def test_deflated_files_are_refused_unread():
    ds = with_pixels(header(), ramp())
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    with pytest.raises(ImageError, match="deflated"):
        shown(ds)


def test_messages_name_the_file_and_hold_no_value_of_the_header(tmp_path):
    ds = with_pixels(header(patient="SECRET-4711"), ramp())
    file = save(ds, tmp_path / "cut.dcm")
    file.write_bytes(file.read_bytes()[:-4000])
    with pytest.raises(ImageError) as caught:
        open_image(file)
    assert "cut.dcm" in str(caught.value)
    assert "SECRET" not in str(caught.value)


@given(
    flips=st.lists(st.tuples(st.integers(128, 1100), st.integers(1, 255)), min_size=1, max_size=6),
    cut=st.floats(0.05, 1),
)
@settings(max_examples=examples(200), deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_damaged_dicom_gives_an_image_or_an_image_error(flips, cut):
    small = ramp()[:2]
    data = bytearray(contents(with_pixels(header(), small, WindowCenter=40, WindowWidth=400)))
    for place, value in flips:
        data[place % len(data)] ^= value
    try:
        opened = open_image(bytes(data[: max(140, int(cut * len(data)))]))
    except ImageError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert opened.mode in ("L", "RGB")


def with_palette(**tables: bytes) -> Dataset:
    ds = with_pixels(header(), ramp("u1", 0, 255), "PALETTE COLOR")
    for name, entries in tables.items():
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(ds, f"{name}PaletteColorLookupTableData", entries)
    return ds


BLACK, RISING = bytes(512), (np.arange(256, dtype="<u2") * 257).tobytes()


@pytest.mark.parametrize(
    ("tables", "notice"),
    [
        ({}, "palette is missing or damaged"),
        ({"Red": RISING, "Blue": RISING}, "palette is missing or damaged"),
        (dict.fromkeys(("Red", "Green", "Blue"), BLACK), "without its palette"),
    ],
)
def test_a_palette_that_shows_nothing_costs_no_picture(tables, notice):
    image = open_image(contents(with_palette(**tables)))
    assert notice in image.info["notice"]
    assert np.array_equal(np.asarray(image), ramp("u1", 0, 255))


@pytest.mark.parametrize("intercept", ["1e30", "-1e25"])
def test_a_rescaling_that_swallows_the_values_is_not_believed(intercept):
    ds = with_pixels(header(), ramp(), RescaleSlope="1", RescaleIntercept=intercept)
    image = open_image(contents(ds))
    assert "rescaling" in image.info["notice"]
    assert len(np.unique(np.asarray(image))) > 200


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("rest", [b"\xff" * 500, bytes(512), b"abc", b"no DICOM at all " * 9])
def test_what_follows_the_pixels_costs_no_picture(rest, tmp_path):
    data = contents(with_pixels(header(), ramp()))
    file = tmp_path / "a.dcm"
    file.write_bytes(data + rest)
    for source in (data + rest, file):
        assert np.array_equal(np.asarray(open_image(source)), np.asarray(open_image(data)))


def test_a_jpeg_frame_without_its_end_is_shown_as_far_as_it_goes():
    noise = np.random.default_rng(5).integers(0, 60, (512, 256))
    grey = (ramp("u1", 0, 190)[:1].repeat(512, 0) + noise).astype("u1")
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=90)
    jpeg = buffer.getvalue()

    def frame(data: bytes) -> Image.Image:
        ds = with_pixels(header(), grey)
        ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        ds.PixelData = encapsulate([data])
        ds["PixelData"].is_undefined_length = True
        return open_image(contents(ds))

    whole = np.asarray(frame(jpeg))
    assert np.array_equal(np.asarray(frame(jpeg[:-2])), whole)
    part = frame(jpeg[: -len(jpeg) // 150])
    assert "left out" in part.info["notice"]
    assert 487 <= part.height < 512
    with pytest.raises(ImageError, match="of its picture are missing"):
        frame(jpeg[: len(jpeg) // 2])
