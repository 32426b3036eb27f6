"""Safe decoding of image files that nobody has vetted.

What a file is, its first bytes say; names and extensions are never trusted. A file is read up to a
limit, its header is checked before a pixel is decoded, and whatever a decoder makes of damaged
contents becomes an :class:`~mmedrag.errors.ImageError`.
"""

from __future__ import annotations

import hashlib
import io
import stat
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageFile, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from mmedrag.errors import ImageError
from mmedrag.imaging.grey import to_8_bit
from mmedrag.imaging.limits import DECODER_FAILURES, MAX_BYTES, check_size

Source: TypeAlias = Path | str | bytes
"""An image file, or its bytes."""

# The plugins are called directly: Image.open would let through whatever else is registered, and
# warns of large pictures by global settings that a library must not change.
_PLUGINS: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"\xff\xd8\xff", JpegImageFile),
    (b"II*\x00", TiffImageFile),
    (b"MM\x00*", TiffImageFile),
    (b"BM", BmpImageFile),
)


def read_bytes(source: Source) -> bytes:
    """The contents of a regular file of at most :data:`MAX_BYTES`.

    Raises:
        ImageError: where there is no such file, it cannot be read, or it is too large.
    """
    if isinstance(source, bytes):
        return _limited(source, "the image")
    path = Path(source)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe or a device could block for ever
            raise ImageError(f"{path} is not a file", "Name an image file.")
        with path.open("rb") as file:
            return _limited(file.read(MAX_BYTES + 1), path)
    except FileNotFoundError:
        raise ImageError(f"{path} does not exist", "Check the path.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(
            f"{path} cannot be read ({reason})", "Check the path and rights."
        ) from None


def is_dicom(data: bytes) -> bool:
    """Whether a file's first bytes are those of DICOM (PS3.10, section 7.1)."""
    return data[128:132] == b"DICM"


def open_image(source: Source, frame: int = 0) -> Image.Image:
    """Decode a PNG, JPEG, TIFF, BMP or DICOM file completely.

    Args:
        source: a path, or the bytes of a file.
        frame: the frame of a multi-frame DICOM file or the page of a TIFF, from 0.

    Returns:
        An image of mode ``"L"`` or ``"RGB"`` without metadata: turned upright by EXIF, alpha laid
        over white, more than 8 bits scaled by :func:`to_8_bit`, DICOM windowed as its header says.

    Raises:
        ImageError: for a file that is damaged, truncated, too large, or of another kind.
    """
    data = read_bytes(source)
    name = "the image" if isinstance(source, bytes) else str(source)
    if is_dicom(data):
        from mmedrag.imaging.dicom_pixels import decode_dicom  # pydicom is slow to import

        return decode_dicom(data, frame, name)
    for magic, plugin in _PLUGINS:
        if data.startswith(magic):
            return _decode(plugin, data, frame, name)
    raise ImageError(
        f"{name} is not a PNG, JPEG, TIFF, BMP or DICOM file",
        "Convert it to one of these; its first bytes decide, not its name.",
    )


def image_digest(source: Source, frame: int = 0) -> str:
    """SHA-256 (hexadecimal) of a file's bytes and the frame that is shown.

    Raises:
        ImageError: where the file cannot be read.
    """
    digest = hashlib.sha256(read_bytes(source))
    digest.update(b"\0frame %d" % frame)
    return digest.hexdigest()


def thumbnail(image: Image.Image, side: int = 256) -> bytes:
    """A JPEG of at most ``side`` × ``side`` pixels that carries no metadata."""
    small = _upright_8_bit(image)
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _limited(data: bytes, name: object) -> bytes:
    if not data:
        raise ImageError(f"{name} is empty", "Export it again.")
    if len(data) > MAX_BYTES:
        raise ImageError(
            f"{name} has more than {MAX_BYTES // 2**20} MiB", "Scale it down, or split its frames."
        )
    return data


def _decode(plugin: type[ImageFile.ImageFile], data: bytes, frame: int, name: str) -> Image.Image:
    try:
        with plugin(io.BytesIO(data)) as image:  # reads the header only
            check_size(*image.size, name)
            _select(image, frame, name)
            check_size(*image.size, name)
            return _upright_8_bit(image)
    except DECODER_FAILURES as error:
        reason = str(error).strip() or type(error).__name__
        raise ImageError(
            f"{name} is damaged or truncated ({reason})", "Copy or export it again."
        ) from None


def _select(image: ImageFile.ImageFile, frame: int, name: str) -> None:
    if frame == 0:
        return
    try:
        image.seek(frame)
    except EOFError:
        raise ImageError(f"{name} has no frame {frame}", "Frames count from 0.") from None


def _upright_8_bit(image: Image.Image) -> Image.Image:
    image.load()
    upright = ImageOps.exif_transpose(image) or image
    clean = _grey_or_colour(upright).copy()
    clean.info.clear()  # comments, EXIF, XMP and colour profiles can name a patient
    return clean


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
