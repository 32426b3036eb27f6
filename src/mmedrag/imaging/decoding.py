"""Safe decoding of image files that nobody has vetted.

What a file is, its first bytes say; names and extensions are never trusted. A file is read up to a
limit, its header is checked before a pixel is decoded, and whatever a decoder makes of damaged
contents becomes an :class:`~mmedrag.errors.ImageError`.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from mmedrag.errors import ImageError
from mmedrag.imaging.budget import DECODING
from mmedrag.imaging.grey import hides, to_8_bit
from mmedrag.imaging.jpeg_segments import (
    BROKEN_OFF,
    END,
    LEAST_THERE,
    rows_there,
    without_much_beside,
)
from mmedrag.imaging.limits import DECODER_FAILURES, MAX_BYTES, check_size
from mmedrag.imaging.png_chunks import essential_chunks
from mmedrag.imaging.reduction import MAX_SHOWN, reduced
from mmedrag.imaging.signatures import HEAD, kind_of, kind_of_file
from mmedrag.imaging.tiff_files import TiffFile, check_is_read, is_stack
from mmedrag.types import ImageSource

# At the level DEBUG, Pillow logs the values of Exif and TIFF fields, which may name a patient.
logging.getLogger("PIL").setLevel(logging.INFO)

File: TypeAlias = Path | str | bytes
"""An image file, or its bytes."""

# The plugins are called directly: Image.open would let through whatever else is registered, and
# warns of large pictures by global settings that a library must not change.
_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "png": PngImageFile,
    "jpeg": JpegImageFile,
    "tiff": TiffFile,
    "bmp": BmpImageFile,
}
_BYTES_A_PIXEL = 6  # while a picture is decoded, turned and reduced
_TRANSPARENT = "its transparency would hide it: it is shown without"
_STACK = "its first page is shown; it has more of that size, which the field frame names, from 0"


def read_bytes(source: File) -> bytes:
    """The contents of a regular file of at most :data:`MAX_BYTES`.

    Raises:
        ImageError: where there is no such file, it cannot be read, or it is too large.
    """
    with _opened(source) as file:
        return file.read()


@contextmanager
def _opened(source: File) -> Iterator[BinaryIO]:
    """A regular file of at most :data:`MAX_BYTES`, open for reading; or bytes as such a file."""
    if isinstance(source, bytes):
        with io.BytesIO(source) as memory:
            _check_length(len(source), "the image")
            yield memory
        return
    path = Path(source)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe or a device could block for ever
            raise ImageError(f"{path} is not a file", "Name an image file.")
        file = path.open("rb")
    except FileNotFoundError:
        raise ImageError(f"{path} does not exist", "Check the path.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(
            f"{path} cannot be read ({reason})", "Check the path and rights."
        ) from None
    with file:
        _check_length(_size(file), path)
        yield file


def _size(file: BinaryIO) -> int:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


def usual_frame(source: ImageSource) -> int:
    """The frame that stands for an image: the middle one of a DICOM file, of others the first.

    Raises:
        ImageError: for a DICOM file that cannot be read.
    """
    if not isinstance(source, Path | str | bytes):
        return 0
    kind = kind_of(source[:HEAD]) if isinstance(source, bytes) else kind_of_file(Path(source))
    if kind != "dicom":
        return 0
    from mmedrag.imaging.dicom_pixels import usual_frame_of_dicom  # pydicom is slow to import

    file = source if isinstance(source, bytes) else Path(source)
    return usual_frame_of_dicom(file, _name(file))


def open_image(source: ImageSource, frame: int | None = None) -> Image.Image:
    """Decode a PNG, JPEG, TIFF, BMP or DICOM file completely.

    Args:
        source: a path, the bytes of a file, or pixels: a PIL image, or an array of grey values
            ``(height, width)`` or 8-bit colours ``(height, width, 3 or 4)``.
        frame: the frame of a multi-frame DICOM file or the page of a TIFF, from 0; left out, the
            :func:`usual_frame`.

    Returns:
        An image of mode ``"L"`` or ``"RGB"`` without metadata, of at most
        :data:`~mmedrag.imaging.reduction.MAX_SHOWN` pixels: turned upright by EXIF, alpha laid
        over white, more than 8 bits scaled by :func:`to_8_bit`, DICOM windowed as its header says;
        where that would show nothing, or the last rows are missing, ``image.info["notice"]`` says
        how it is shown instead. ``image.info["frame"]`` says which frame of a multi-frame DICOM
        file it is.

    Raises:
        ImageError: for a file that is damaged, truncated, too large, or of another kind.
    """
    if isinstance(source, Image.Image | np.ndarray):
        return _from_pixels(source)
    source = source if isinstance(source, bytes) else Path(source)
    name = _name(source)
    with _opened(source) as file:
        head = file.read(HEAD)
        check_is_read(head, name)
        kind = kind_of(head)
        file.seek(0)
        if kind == "dicom":
            from mmedrag.imaging.dicom_pixels import decode_dicom  # pydicom is slow to import

            with DECODING.reserve(2 * _size(file)):
                return decode_dicom(source, frame, name)
        if kind:
            whole = without_much_beside(file) if kind == "jpeg" else file
            image = _decode(_PLUGINS[kind], whole, frame or 0, name)
            if not frame and kind == "tiff" and is_stack(file):
                image.info.setdefault("notice", _STACK)
            return image
    raise ImageError(
        f"{name} is not a PNG, JPEG, TIFF, BMP or DICOM file",
        "Convert it to one of these; its first bytes decide, not its name.",
    )


def _name(source: Path | bytes) -> str:
    return "the image" if isinstance(source, bytes) else str(source)


def image_digest(source: File, frame: int = 0) -> str:
    """SHA-256 (hexadecimal) of a file's bytes and the frame that is shown.

    Raises:
        ImageError: where the file cannot be read.
    """
    digest = hashlib.sha256()
    with _opened(source) as file:
        while block := file.read(2**20):
            digest.update(block)
    digest.update(b"\0frame %d" % frame)
    return digest.hexdigest()


def thumbnail(image: Image.Image, side: int = 256) -> bytes:
    """A JPEG of at most ``side`` × ``side`` pixels that carries no metadata."""
    small = _upright_8_bit(image)
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _check_length(size: int, name: object) -> None:
    if not size:
        raise ImageError(f"{name} is empty", "Export it again.")
    if size > MAX_BYTES:
        raise ImageError(
            f"{name} has more than {MAX_BYTES // 2**20} MiB", "Scale it down, or split its frames."
        )


def _decode(
    plugin: type[ImageFile.ImageFile], file: BinaryIO, frame: int, name: str
) -> Image.Image:
    try:
        return _decoded(plugin, file, frame, name)
    except DECODER_FAILURES as error:
        failure = error
    file.seek(0)
    try:
        if plugin is PngImageFile:  # damage may lie in chunks that are no pixels
            return _decoded(plugin, io.BytesIO(essential_chunks(file.read())), frame, name)
        if plugin is JpegImageFile:  # its end may be missing, and little else
            return _decoded(plugin, io.BytesIO(file.read() + END), frame, name, ends=False)
    except DECODER_FAILURES as error:
        failure = error
    reason = str(failure).strip() or type(failure).__name__
    raise ImageError(
        f"{name} is damaged or truncated ({reason})", "Copy or export it again."
    ) from None


def _decoded(
    plugin: type[ImageFile.ImageFile],
    file: BinaryIO,
    frame: int,
    name: str,
    *,
    ends: bool = True,
) -> Image.Image:
    with plugin(file) as image:  # reads the header only
        check_size(*image.size, name)
        _select(image, frame, name)
        check_size(*image.size, name)
        if isinstance(image, JpegImageFile):
            share = (MAX_SHOWN / (image.width * image.height)) ** 0.5
            image.draft("", (int(image.width * share), int(image.height * share)))
        with DECODING.reserve(_BYTES_A_PIXEL * image.width * image.height):
            image.load()
            return _upright_8_bit(image) if ends else _what_is_there(image, name)


def _what_is_there(image: Image.Image, name: str) -> Image.Image:
    """A JPEG picture that breaks off, without the rows that are missing, if those are few."""
    there = rows_there(np.asarray(image)) / image.height
    if there < LEAST_THERE or "progressive" in image.info:
        what = "details" if "progressive" in image.info else f"the lowest {1 - there:.0%}"
        raise ImageError(
            f"{name} is damaged or truncated: {what} of its picture are missing",
            "Copy or export it again.",
        )
    if there == 1.0:
        return _upright_8_bit(image)
    part = _upright_8_bit(image.crop((0, 0, image.width, round(there * image.height))))
    part.info["notice"] = BROKEN_OFF.format(share=1 - there)
    return part


def _from_pixels(source: Image.Image | NDArray[Any]) -> Image.Image:
    try:
        picture = source if isinstance(source, Image.Image) else _from_array(source)
        check_size(*picture.size, "the image")
        return _upright_8_bit(picture)
    except DECODER_FAILURES as error:  # a PIL image may be a file that is not decoded yet
        raise ImageError(f"The image cannot be decoded ({error})", "Open it again.") from None


def _from_array(values: NDArray[Any]) -> Image.Image:
    if values.ndim in (2, 3):
        check_size(values.shape[1], values.shape[0], "the array")
    if values.ndim == 2 and values.size and values.dtype.kind in "buif":
        values = values.astype(np.uint8) * 255 if values.dtype == np.bool_ else values
        return Image.fromarray(values if values.dtype == np.uint8 else to_8_bit(values))
    if values.ndim == 3 and values.shape[2] in (3, 4) and values.size and values.dtype == np.uint8:
        return Image.fromarray(values)
    raise ImageError(
        f"An array of shape {values.shape} and type {values.dtype} is not an image",
        "Give grey values (height, width) or 8-bit colours (height, width, 3).",
    )


def _select(image: ImageFile.ImageFile, frame: int, name: str) -> None:
    if frame == 0:
        return
    try:
        image.seek(frame)
    except EOFError:
        raise ImageError(f"{name} has no frame {frame}", "Frames count from 0.") from None


def _upright_8_bit(image: Image.Image) -> Image.Image:
    upright = _upright(reduced(image))
    clean = _grey_or_colour(upright).copy()
    clean.info.clear()  # comments, EXIF, XMP and colour profiles can name a patient
    if upright.has_transparency_data:
        opaque = upright.convert("RGBA").convert(clean.mode)
        if hides(np.asarray(clean), np.asarray(opaque)):
            clean = opaque
            clean.info = {"notice": _TRANSPARENT}
    return ImageOps.invert(clean) if getattr(image, "is_negative", False) else clean


def _upright(image: Image.Image) -> Image.Image:
    """Turned as EXIF says; as it is where EXIF cannot be read."""
    try:
        return ImageOps.exif_transpose(image) or image
    except (*DECODER_FAILURES, Warning):  # a warning, where warnings are errors
        return image


def _grey_or_colour(image: Image.Image) -> Image.Image:
    """Mode ``"L"`` or ``"RGB"``."""
    if image.mode in ("L", "RGB"):
        return image if "transparency" not in image.info else _over_white(image)
    if image.mode == "1":
        return image.convert("L")
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(to_8_bit(np.asarray(image)))
    if image.has_transparency_data or image.mode.lower() in ("la", "rgba"):
        return _over_white(image)
    return image.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    grey = image.mode in ("L", "LA", "La")
    layer = image.convert("RGBA")
    page = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(page, layer).convert("L" if grey else "RGB")
