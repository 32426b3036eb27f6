"""DICOM pixels as a radiologist's workstation would show them (PS3.3, C.7.6.3, C.11.1, C.11.2).

Modality LUT or rescale, then VOI LUT or the first window, then inversion of MONOCHROME1. What the
header claims is checked before anything is decoded.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from pydicom import config, dcmread
from pydicom.dataset import FileDataset
from pydicom.encaps import get_frame
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.uid import RLELossless

from mmedrag.errors import ImageError
from mmedrag.imaging.grey import grey_range, scale
from mmedrag.imaging.limits import DECODER_FAILURES, check_size

PARSER_FAILURES = (*DECODER_FAILURES, InvalidDicomError, BytesLengthException, Warning)
"""Everything that pydicom raises on damaged contents, or warns of where warnings are errors."""

_FRAME_HEADERS: dict[str, type[ImageFile.ImageFile]] = {
    "1.2.840.10008.1.2.4.50": JpegImageFile,
    "1.2.840.10008.1.2.4.51": JpegImageFile,
    "1.2.840.10008.1.2.4.90": Jpeg2KImageFile,
    "1.2.840.10008.1.2.4.91": Jpeg2KImageFile,
}

# pydicom's warnings and its log quote values of the header: a patient's name must not go there.
config.settings.reading_validation_mode = config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module=r"pydicom\b")

MAX_FRAMES = 20_000
_MAX_RUN_LENGTHS = 32 * 2**20
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
DEFLATED = b"1.2.840.10008.1.2.1.99"
"""The transfer syntax in which the whole data set is compressed."""


def parse_dicom(data: bytes, name: str) -> FileDataset:
    """Read a DICOM file from its bytes.

    Raises:
        ImageError: where it is damaged, or deflated as a whole (a few kilobytes of which could
            inflate to gigabytes before any limit applies).
    """
    if DEFLATED in data:
        raise ImageError(f"{name} is deflated DICOM", "Convert it to explicit VR little endian.")
    try:
        return dcmread(BytesIO(data))
    except PARSER_FAILURES as error:
        raise _damaged(name, error) from None


def check_pixels(ds: FileDataset, name: str) -> int:
    """Check what the header claims about the pixels, without decoding them.

    Returns:
        The number of frames.

    Raises:
        ImageError: for no pixels, more than can be in the file, or a compression that no installed
            library can undo (the message names one that can).
    """
    try:
        return _checked_frames(ds, name)
    except PARSER_FAILURES as error:
        raise _damaged(name, error) from None


def decode_dicom(data: bytes, frame: int, name: str) -> Image.Image:
    """Decode one frame to an image of mode ``"L"`` or ``"RGB"``.

    Raises:
        ImageError: as :func:`parse_dicom` and :func:`check_pixels`, or for damaged pixel data.
    """
    ds = parse_dicom(data, name)
    frames = check_pixels(ds, name)
    if not 0 <= frame < frames:
        raise ImageError(f"{name} has no frame {frame}", f"It has {frames}, counted from 0.")
    try:
        _check_frame(ds, frame, frames, name)
        pixels, properties = get_decoder(_syntax(ds)).as_array(ds, index=frame)
        unfold(ds, frame)
        return Image.fromarray(_shown(ds, pixels, str(properties["photometric_interpretation"])))
    except PARSER_FAILURES as error:
        raise _damaged(name, error, _plugins(ds)) from None


def unfold(ds: FileDataset, frame: int) -> None:
    """Copy one frame's functional groups (PS3.3, C.7.6.16) to the top level of the dataset."""
    shared = ds.get("SharedFunctionalGroupsSequence") or []
    own = ds.get("PerFrameFunctionalGroupsSequence") or []
    for group in (*shared[:1], *own[frame : frame + 1]):
        for keyword in (
            "PixelMeasuresSequence",
            "PixelValueTransformationSequence",
            "FrameVOILUTSequence",
        ):
            for item in group.get(keyword) or []:
                ds.update(item)


def window(values: NDArray[Any], centre: float, width: float, function: str) -> NDArray[np.uint8]:
    """Apply a window centre and width (PS3.3, C.11.2.1.2 and C.11.2.1.3), to 0-255.

    Raises:
        ValueError: for a width or a function that the standard does not allow.
    """
    if function == "SIGMOID" and width > 0:
        odds = np.clip(-4 * (np.asarray(values, np.float32) - centre) / width, -80, 80)
        return scale(1 / (1 + np.exp(odds)), 0.0, 1.0)
    if function == "LINEAR_EXACT" and width > 0:
        return scale(values, centre - width / 2, centre + width / 2)
    if function == "LINEAR" and width >= 1:
        half = max(width - 1, 1e-6) / 2
        return scale(values, centre - 0.5 - half, centre - 0.5 + half)
    raise ValueError(f"window width {width} with function {function}")


def _checked_frames(ds: FileDataset, name: str) -> int:
    keyword = next((key for key in _PIXELS if key in ds), None)
    if keyword is None:
        raise ImageError(f"{name} holds no pixel data", "Leave out files that are not images.")
    rows, columns = int(ds.Rows), int(ds.Columns)
    check_size(columns, rows, name)
    frames, samples = int(ds.get("NumberOfFrames") or 1), int(ds.get("SamplesPerPixel") or 1)
    if not 1 <= frames <= MAX_FRAMES or samples not in (1, 3):
        raise ImageError(
            f"{name} claims {frames} frames of {samples} samples a pixel",
            f"At most {MAX_FRAMES} frames of 1 or 3 samples are read: split it.",
        )
    _check_syntax(ds, name)
    claimed = rows * columns * frames * samples * int(ds.BitsAllocated)
    if ds.get("PhotometricInterpretation") == "YBR_FULL_422":
        claimed = claimed * 2 // 3
    if not ds.file_meta.TransferSyntaxUID.is_compressed and claimed > 8 * len(ds[keyword].value):
        raise ImageError(
            f"{name} is truncated: it has fewer pixels than it claims", "Export it again."
        )
    return frames


def _check_syntax(ds: FileDataset, name: str) -> None:
    try:
        decoder = get_decoder(_syntax(ds))
    except NotImplementedError:
        raise ImageError(
            f"{name} has a transfer syntax that cannot be decoded",
            "Convert it to explicit VR little endian.",
        ) from None
    if not decoder.is_available:
        what = f"{name} is compressed as {decoder.UID.name}, which needs a plugin"
        raise ImageError(what, _plugins(ds))


def _plugins(ds: FileDataset) -> str:
    """How to install a decoder for the file's compression; empty where none is lacking."""
    lacking = get_decoder(_syntax(ds)).missing_dependencies
    wanted = [need for need in lacking if need.startswith("pylibjpeg")]
    packages = dict.fromkeys(re.findall(r"[\w-]+(?=>=)", " ".join(wanted)))
    return f"pip install {' '.join(packages)}" if packages else ""


def _check_frame(ds: FileDataset, frame: int, frames: int, name: str) -> None:
    """Refuse a compressed frame that could unpack to more than the pixels it should hold."""
    plugin = _FRAME_HEADERS.get(_syntax(ds))
    if plugin is None and _syntax(ds) != RLELossless:
        return
    data = get_frame(ds.PixelData, frame, number_of_frames=frames)
    if plugin is None:
        _check_run_lengths(ds, len(data), name)
        return
    try:
        with plugin(BytesIO(data)) as image:
            size = image.size
    except PARSER_FAILURES:  # such as 12 bits a sample: the decoders know more than this parser
        return
    check_size(*size, name)


def _check_run_lengths(ds: FileDataset, length: int, name: str) -> None:
    # Two bytes can unpack to 128, and pydicom compares sizes only once it has unpacked them.
    pixels = int(ds.Rows) * int(ds.Columns) * int(ds.SamplesPerPixel)
    if length > min(_MAX_RUN_LENGTHS, 1024 + 2 * pixels * int(ds.BitsAllocated) // 8):
        raise ImageError(f"{name} has run lengths larger than its pixels", "Export it again.")


def _syntax(ds: FileDataset) -> str:
    return str(ds.file_meta.TransferSyntaxUID)


def _shown(ds: FileDataset, pixels: NDArray[Any], photometric: str) -> NDArray[np.uint8]:
    if photometric == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, ds)
        return scale(pixels, 0, float(np.iinfo(pixels.dtype).max))
    if pixels.ndim == 3:
        return scale(pixels, 0, float(2 ** int(ds.BitsStored) - 1))
    grey = _grey(ds, pixels)
    return 255 - grey if photometric == "MONOCHROME1" else grey


def _grey(ds: FileDataset, stored: NDArray[Any]) -> NDArray[np.uint8]:
    values = apply_modality_lut(stored, ds)
    if ds.get("VOILUTSequence"):
        bits = int(ds.VOILUTSequence[0].LUTDescriptor[2])
        return scale(apply_voi(np.rint(values).astype(np.int64), ds), 0, 2**bits - 1)
    centre, width = _first(ds.get("WindowCenter")), _first(ds.get("WindowWidth"))
    if centre is not None and width is not None:
        try:
            return window(values, centre, width, str(ds.get("VOILUTFunction") or "LINEAR"))
        except ValueError:
            pass  # a window that the standard forbids is no window: show the whole range
    padding = ds.get("PixelPaddingValue")
    measured = values[stored != padding] if padding is not None else values
    return scale(values, *grey_range(measured))


def _first(value: Any) -> float | None:  # noqa: ANN401 - whatever the element holds
    if isinstance(value, str | bytes) or value is None:
        return None
    numbers = list(value) if isinstance(value, Iterable) else [value]
    return float(numbers[0]) if numbers and numbers[0] is not None else None


def _damaged(name: str, error: BaseException, plugins: str = "") -> ImageError:
    # The reason is the kind of failure only: pydicom's messages can quote the header's values.
    return ImageError(
        f"{name} is damaged or not valid DICOM ({type(error).__name__})",
        f"Export it again, or try another decoder: {plugins}" if plugins else "Export it again.",
    )
