"""DICOM files opened from their bytes, as they are and not only as they should be.

Files without preamble, without a transfer syntax or with stray delimiters are read; what cannot be
read is named, without quoting a value of the header.
"""

from __future__ import annotations

import logging
import warnings
from io import BytesIO
from pathlib import Path

from pydicom import config, dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSNearLossless,
    RLELossless,
)

from mmedrag.errors import ImageError
from mmedrag.imaging.limits import DECODER_FAILURES

PARSER_FAILURES = (*DECODER_FAILURES, InvalidDicomError, BytesLengthException, Warning)
"""Everything that pydicom raises on damaged contents, or warns of where warnings are errors."""

# pydicom's warnings and its log quote values of the header: a patient's name must not go there.
config.settings.reading_validation_mode = config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module=r"pydicom\b")

DEFLATED = b"1.2.840.10008.1.2.1.99"
"""The transfer syntax in which the whole data set is compressed."""

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_PIXEL_TAGS = {0x7FE00008, 0x7FE00009, 0x7FE00010}
_DELIMITERS = 0xFFFE
_FRAMES: dict[int, str] = {  # by the marker of a JPEG frame (ISO 10918-1, table B.1)
    0xC0: JPEGBaseline8Bit,
    0xC1: JPEGExtended12Bit,
    0xC3: JPEGLosslessSV1,
    0xF7: JPEGLSNearLossless,
}


def parse_dicom(source: Path | bytes, name: str) -> FileDataset:
    """Read a DICOM file; large elements of a path are read when they are needed.

    Raises:
        ImageError: where it is damaged, or deflated as a whole (a few kilobytes of which could
            inflate to gigabytes before any limit applies).
    """
    try:
        if _is_deflated(source):
            raise ImageError(
                f"{name} is deflated DICOM", "Convert it to explicit VR little endian."
            )
        ds = _read(source)
        if not len(ds) and getattr(ds, "file_meta", None):
            ds = _up_to_its_pixels(source)
        for tag in [tag for tag in ds.keys() if tag.group == _DELIMITERS]:  # noqa: SIM118
            del ds[tag]  # delimiters of items, where there is none
        if not len(ds) and getattr(ds, "file_meta", None):
            raise ImageError(f"{name} is truncated: it ends within its header", "Copy it again.")
        if not ds.get("SOPClassUID") and not any(keyword in ds for keyword in (*PIXELS, "Rows")):
            raise ImageError(
                f"{name} holds no image that can be found",
                "It may lack its preamble of 128 bytes and the letters DICM: export it again.",
            )
        if not getattr(ds, "file_meta", None):
            ds.file_meta = FileMetaDataset()
        if not ds.file_meta.get("TransferSyntaxUID"):
            ds.file_meta.TransferSyntaxUID = UID(_likely_syntax(ds))
    except PARSER_FAILURES as error:
        raise damaged(name, error) from None
    return ds


def damaged(name: str, error: BaseException, plugins: str = "") -> ImageError:
    """The error for contents that cannot be read.

    Its reason is the kind of failure only: pydicom's messages can quote the header's values.
    """
    return ImageError(
        f"{name} is damaged or not valid DICOM ({type(error).__name__})",
        f"Export it again, or try another decoder: {plugins}" if plugins else "Export it again.",
    )


def _read(source: Path | bytes) -> FileDataset:
    if isinstance(source, bytes):
        whole = source[128:132] == b"DICM"
        data = source.removeprefix(b"DICM") if not whole else source
        return dcmread(BytesIO(data), force=not whole)
    with source.open("rb") as file:
        head = file.read(132)
    if head[128:] == b"DICM":
        return dcmread(source, defer_size=2**20)
    return _read(source.read_bytes())


def _up_to_its_pixels(source: Path | bytes) -> FileDataset:
    """A data set without what follows its pixels, which may be padding that no parser reads."""
    seen = False

    def follows(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        nonlocal seen
        seen, beyond = tag in _PIXEL_TAGS or seen, seen
        return beyond

    with BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        return read_partial(file, follows)


def _is_deflated(source: Path | bytes) -> bool:
    if isinstance(source, bytes):
        return DEFLATED in source
    with source.open("rb") as file:
        rest = b""
        while block := file.read(2**20):
            if DEFLATED in rest + block:
                return True
            rest = block[-len(DEFLATED) :]
    return False


def _likely_syntax(ds: FileDataset) -> str:
    """The transfer syntax of a data set that does not name one, by its elements and first frame."""
    implicit, little = ds.original_encoding
    if "PixelData" not in ds or not ds["PixelData"].is_undefined_length:
        if implicit:
            return str(ImplicitVRLittleEndian)
        return str(ExplicitVRLittleEndian if little else ExplicitVRBigEndian)
    frame = next(generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames") or 1)))
    if frame.startswith(b"\xff\x4f\xff\x51") or frame[4:8] == b"jP  ":
        return str(JPEG2000)
    if frame.startswith(b"\xff\xd8"):
        return str(next((uid for m, uid in _FRAMES.items() if b"\xff%c" % m in frame), ""))
    return str(RLELossless)
