"""DICOM pixels as a radiologist's workstation would show them (PS3.3, C.7.6.3, C.11.1, C.11.2).

Modality LUT or rescale, then VOI LUT or the first window, then inversion of MONOCHROME1. What the
header claims is checked before anything is decoded; where a table or a window would hide what the
data hold, the data are shown over their own range, and the picture says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from copy import copy
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, JPEGBaseline8Bit, RLELossless

from mmedrag.errors import ImageError
from mmedrag.imaging.dicom_files import PARSER_FAILURES, PIXELS, damaged, parse_dicom
from mmedrag.imaging.dicom_tables import palette_colours, read_table, swapped, top_value
from mmedrag.imaging.grey import grey_range, hides, scale, to_8_bit
from mmedrag.imaging.jpeg_segments import BROKEN_OFF, END, LEAST_THERE, rows_there
from mmedrag.imaging.limits import check_size
from mmedrag.imaging.reduction import reduced_array

_FRAME_HEADERS: dict[str, type[ImageFile.ImageFile]] = {
    "1.2.840.10008.1.2.4.50": JpegImageFile,
    "1.2.840.10008.1.2.4.51": JpegImageFile,
    "1.2.840.10008.1.2.4.90": Jpeg2KImageFile,
    "1.2.840.10008.1.2.4.91": Jpeg2KImageFile,
}
MAX_FRAMES = 20_000
_JP2 = b"\0\0\0\x0cjP  "  # how a JPEG 2000 file begins; a frame should be a bare codestream
_DELIMITER = b"\xfe\xff\xdd\xe0"  # of a sequence, in little endian
_ROWS_COMPARED = 256  # to tell the byte order
_SAMPLE = 2**16  # pixels by which it is judged whether a rescaling hides the picture
_PADDED = 64  # bytes at the end of a frame in which its end marker is looked for
_MAX_RUN_LENGTHS = 32 * 2**20
_DEFAULTS = {"SamplesPerPixel": 1, "PixelRepresentation": 0}

_Grey: TypeAlias = NDArray[np.uint8]


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
        raise damaged(name, error) from None


def middle_frame(frames: int) -> int:
    """The frame that stands for a file of so many, counted from 0: the first ones may be empty."""
    return frames // 2


def usual_frame_of_dicom(source: Path | bytes, name: str) -> int:
    """The :func:`middle_frame` of a file, by its header alone.

    Raises:
        ImageError: as :func:`parse_dicom`.
    """
    ds = parse_dicom(source, name)
    try:
        return middle_frame(int(ds.get("NumberOfFrames") or 1))
    except PARSER_FAILURES as error:
        raise damaged(name, error) from None


def decode_dicom(source: Path | bytes, frame: int | None, name: str) -> Image.Image:
    """Decode one frame to an image of mode ``"L"`` or ``"RGB"``, at most a megapixel.

    Without a ``frame`` it is the :func:`middle_frame`. ``image.info["frame"]`` says which of
    several it is, ``image.info["notice"]`` where it is not shown as its header wants it.

    Raises:
        ImageError: as :func:`parse_dicom` and :func:`check_pixels`, or for damaged pixel data.
    """
    ds = parse_dicom(source, name)
    frames = check_pixels(ds, name)
    frame = middle_frame(frames) if frame is None else frame
    if not 0 <= frame < frames:
        raise ImageError(f"{name} has no frame {frame}", f"It has {frames}, counted from 0.")
    try:
        _check_frame(ds, frame, frames, name)
        unfold(ds, frame)
        ends = _ends(ds, frame, frames)
        pixels, properties = get_decoder(_syntax(ds)).as_array(
            ds if ends else _ended(ds, frame, frames),
            index=frame if ends else 0,
            correct_unused_bits=not _is_grey_16(ds),  # type: ignore[arg-type]
        )
        there = 1.0 if ends else _share_there(pixels, name)
        pixels = pixels[: round(there * len(pixels))]
        shown, notice = _shown(ds, pixels, str(properties["photometric_interpretation"]))
        notice = BROKEN_OFF.format(share=1 - there) if there < 1.0 else notice
    except ImageError:
        raise
    except PARSER_FAILURES as error:
        raise _undecoded(ds, name, error) from None
    image = Image.fromarray(shown)
    if notice:
        image.info["notice"] = notice
    if frames > 1:
        image.info["frame"] = frame
    return image


def _ends(ds: FileDataset, frame: int, frames: int) -> bool:
    """Whether a frame is no JPEG picture whose end is missing."""
    if _syntax(ds) != JPEGBaseline8Bit:
        return True
    data = get_frame(ds.PixelData, frame, number_of_frames=frames)
    return END in data[-_PADDED:]


def _ended(ds: FileDataset, frame: int, frames: int) -> FileDataset:
    """The one frame, with the marker that closes it."""
    data = get_frame(ds.PixelData, frame, number_of_frames=frames)
    alone = copy(ds)
    alone.NumberOfFrames = 1
    alone.PixelData = encapsulate([data + END])
    alone["PixelData"].is_undefined_length = True
    return alone


def _share_there(pixels: NDArray[Any], name: str) -> float:
    there = rows_there(pixels) / len(pixels)
    if there < LEAST_THERE:
        raise ImageError(
            f"{name} is truncated: the lowest {1 - there:.0%} of its picture are missing",
            "Export it again.",
        )
    return there


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
    keyword = next((key for key in PIXELS if key in ds), None)
    if keyword is None:
        raise ImageError(f"{name} holds no pixel data", "Leave out files that are not images.")
    lacking = [key for key in ("Rows", "Columns", "BitsAllocated") if ds.get(key) is None]
    if lacking and keyword == "PixelData":
        raise ImageError(f"{name} does not say its {', '.join(lacking)}", "Export it again.")
    for element, usual in _DEFAULTS.items():
        if ds.get(element) is None:
            setattr(ds, element, usual)
    if not ds.get("PhotometricInterpretation"):
        ds.PhotometricInterpretation = "RGB" if ds.SamplesPerPixel == 3 else "MONOCHROME2"
    if ds.get("BitsStored") is None:
        ds.BitsStored = ds.BitsAllocated
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
    _check_boxes(data, name)
    try:
        with plugin(BytesIO(data)) as image:
            size = image.size
    except PARSER_FAILURES:  # such as 12 bits a sample: the decoders know more than this parser
        return
    if size != (int(ds.Columns), int(ds.Rows)) and _DELIMITER in data:
        raise _undecoded(ds, name, ValueError())
    check_size(*size, f"a compressed frame of {name}")


def _undecoded(ds: FileDataset, name: str, error: BaseException) -> ImageError:
    """The error for pixels that no decoder reads; a delimiter among them is named."""
    delimited = False
    with suppress(*PARSER_FAILURES):  # the pixels may be what cannot be read
        delimited = _syntax_is_compressed(ds) and _DELIMITER in bytes(ds.PixelData)[:-8]
    if delimited:
        return ImageError(
            f"{name} has a sequence delimiter inside its compressed pixels",
            "Export it again, uncompressed.",
        )
    return damaged(name, error, _plugins(ds))


def _syntax_is_compressed(ds: FileDataset) -> bool:
    return bool(UID(_syntax(ds)).is_compressed) and "PixelData" in ds


def _check_boxes(data: bytes, name: str) -> None:
    """Refuse a JP2 frame with an empty box, which pydicom's parser would never get past."""
    at = len(_JP2) + 4 if data.startswith(_JP2) else len(data)
    while at < len(data) and data[at + 4 : at + 8] != b"jp2c":
        length = int.from_bytes(data[at : at + 4], "big")
        if not length:
            raise ImageError(f"{name} has an empty box in its JPEG 2000 data", "Export it again.")
        at += length


def _check_run_lengths(ds: FileDataset, length: int, name: str) -> None:
    # Two bytes can unpack to 128, and pydicom compares sizes only once it has unpacked them.
    pixels = int(ds.Rows) * int(ds.Columns) * int(ds.SamplesPerPixel)
    if length > min(_MAX_RUN_LENGTHS, 1024 + 2 * pixels * int(ds.BitsAllocated) // 8):
        raise ImageError(f"{name} has run lengths larger than its pixels", "Export it again.")


def _syntax(ds: FileDataset) -> str:
    return str(ds.file_meta.TransferSyntaxUID)


def _shown(ds: FileDataset, pixels: NDArray[Any], photometric: str) -> tuple[_Grey, str]:
    """The picture, and what to say where it is not as its header wants it."""
    palette = photometric == "PALETTE COLOR"
    pixels, notice = _in_order(ds, pixels) if _is_grey_16(ds) else (pixels, "")
    pixels = reduced_array(pixels, average=not palette)
    if palette:
        return _coloured(ds, pixels)
    if pixels.ndim == 3:
        colours = scale(pixels, 0, float(2 ** int(ds.BitsStored) - 1))
        whole = scale(pixels, float(pixels.min()), float(pixels.max()))
        if hides(colours, whole):
            return whole, "shown over the range of its data: as its header says it would be blank"
        return colours, ""
    grey, reason = _grey(ds, pixels)
    return (255 - grey if photometric == "MONOCHROME1" else grey), notice or reason


def _coloured(ds: FileDataset, pixels: NDArray[Any]) -> tuple[_Grey, str]:
    """The picture in the colours of its palette; its values as grey where these show nothing."""
    values = to_8_bit(pixels)
    try:
        colours, notice = palette_colours(ds, pixels)
    except PARSER_FAILURES:
        return values, "its palette is missing or damaged: its values are shown as grey"
    if hides(colours, values):
        return values, "shown without its palette, with which it would be blank"
    return colours, notice


def _is_grey_16(ds: FileDataset) -> bool:
    return int(ds.SamplesPerPixel) == 1 and int(ds.BitsAllocated) == 16 and "PixelData" in ds


def _in_order(ds: FileDataset, pixels: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """16-bit pixels in the byte order that makes a picture, without bits that hold no pixels."""
    native = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("="), copy=False))
    words = native.view(np.uint16)
    notice = ""
    if swapped(words[:: max(1, len(words) // _ROWS_COMPARED)]):
        notice = "its pixels are in the other byte order than its header says, and were turned"
        native = words.byteswap().view(native.dtype)
    unused = 16 - int(ds.BitsStored)
    return ((native << unused) >> unused if 0 < unused < 16 else native), notice


def _grey(ds: FileDataset, stored: NDArray[Any]) -> tuple[_Grey, str]:
    """The first way of showing the values that hides nothing, and why it is not the header's."""
    values, notice = _rescaled(ds, stored), ""
    step = max(1, math.isqrt(stored.size // _SAMPLE))
    if hides(to_8_bit(values[::step, ::step]), to_8_bit(stored[::step, ::step])):
        values = stored.astype(np.float64)
        notice = "shown without its modality LUT or rescaling, with which it would be blank"
    padding = ds.get("PixelPaddingValue")
    measured = values[stored != padding] if isinstance(padding, int | float) else values
    if 0 < measured.size < values.size:  # what is padded is background (PS3.3, C.7.5.1.1.2)
        light = ds.PhotometricInterpretation == "MONOCHROME1"
        values = np.where(stored == padding, measured.max() if light else measured.min(), values)
    whole = scale(values, *grey_range(measured if measured.size else values))
    for shown in _ways(ds, values):
        if shown is not None and not hides(shown, whole):
            return shown, notice
        notice = notice or "shown without its VOI LUT or window, with which it would be blank"
    return whole, notice


def _ways(ds: FileDataset, values: NDArray[Any]) -> Iterator[_Grey | None]:
    """VOI LUT, window: what the header offers to show the values by, in the standard's order.

    ``None`` stands for a table that lacks entries for the values.
    """
    signed = bool(ds.get("PixelRepresentation")) or float(ds.get("RescaleIntercept") or 0) < 0
    for item in (ds.get("VOILUTSequence") or [])[:1]:
        table = read_table(item, signed)
        if table is not None:
            short = table.lacks(values)
            yield None if short else scale(table(values), 0, top_value(table))
    centre, width = _first(ds.get("WindowCenter")), _first(ds.get("WindowWidth"))
    if centre is not None and width is not None:
        function = str(ds.get("VOILUTFunction") or "LINEAR")
        function = function if function in ("LINEAR", "LINEAR_EXACT", "SIGMOID") else "LINEAR"
        if width >= 1 or (width > 0 and function != "LINEAR"):  # else it is no window
            yield window(values, centre, width, function)


def _rescaled(ds: FileDataset, stored: NDArray[Any]) -> NDArray[Any]:
    """The values after the modality LUT or rescaling; a slope of 0, or none, is no slope."""
    signed = bool(ds.get("PixelRepresentation"))
    for item in (ds.get("ModalityLUTSequence") or [])[:1]:
        table = read_table(item, signed)
        if table is not None and not table.lacks(stored):
            return table(stored)
    slope, intercept = _first(ds.get("RescaleSlope")), _first(ds.get("RescaleIntercept"))
    slope = 1.0 if slope is None or slope == 0 else slope
    return stored.astype(np.float64) * slope + (intercept or 0.0)


def _first(value: Any) -> float | None:  # noqa: ANN401 - whatever the element holds
    """The first number of an element; ``None`` where there is none that is finite."""
    if isinstance(value, str | bytes) or value is None:
        return None
    numbers = list(value) if isinstance(value, Iterable) else [value]
    try:
        number = float(numbers[0]) if numbers and numbers[0] is not None else math.nan
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
