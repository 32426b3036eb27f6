"""Pixels for the viewer of the page: 16 bits of a grey DICOM as they are, all else as PNG."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
from PIL.Image import Image
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder

from mmedrag.errors import ImageError
from mmedrag.imaging.decoding import open_image
from mmedrag.imaging.dicom_files import parse_dicom
from mmedrag.imaging.dicom_pixels import check_pixels, middle_frame, unfold
from mmedrag.imaging.reduction import reduced_array
from mmedrag.imaging.signatures import HEAD, kind_of

# pydicom's modules import each other in circles: imported by two threads at once, from two of its
# ends, it is left in halves. So it is imported here, before a service has threads.

_FAILURES = (ValueError, TypeError, KeyError, AttributeError, RuntimeError, OverflowError)


@dataclass(frozen=True, slots=True)
class Pixels:
    """A body for a browser, its media type, and headers that say how to read it."""

    body: bytes
    media_type: str
    headers: dict[str, str] = field(default_factory=dict)


def pixels_of(file: bytes) -> Pixels:
    """What a viewer needs of an image file.

    Of a grey DICOM of 16 bits: little-endian float32 after rescaling, with ``X-Width``,
    ``X-Height`` and the header's window (``X-Window``: centre, width), so that any window can be
    chosen, and ``X-Units: HU`` where the values are Hounsfield units. Of everything else, a PNG.

    Raises:
        ImageError: it cannot be decoded.
    """
    if kind_of(file[:HEAD]) == "dicom":
        grey = _grey_16(file)
        if grey is not None:
            return grey
    return Pixels(png(open_image(file)), "image/png")


def png(image: Image) -> bytes:
    """An image as PNG, without loss."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _grey_16(file: bytes) -> Pixels | None:
    """The rescaled values; ``None`` where it is no grey DICOM of 16 bits with plain rescaling."""
    ds = parse_dicom(file, "the image")
    frame = middle_frame(check_pixels(ds, "the image"))
    try:
        if int(ds.SamplesPerPixel) != 1 or int(ds.BitsAllocated) != 16:
            return None
        unfold(ds, frame)  # an enhanced CT has its rescaling and its window there
        stored, _ = get_decoder(ds.file_meta.TransferSyntaxUID).as_array(ds, index=frame)
        values = reduced_array(stored.astype(np.float32))
        slope = float(ds.get("RescaleSlope") or 1.0)
        with np.errstate(over="ignore", invalid="ignore"):
            values = values * slope + float(ds.get("RescaleIntercept") or 0.0)
        if not np.isfinite(values).all():
            return None
        if ds.PhotometricInterpretation == "MONOCHROME1":
            values = values.max() + values.min() - values
        centre, width = _window(ds.get("WindowCenter"), ds.get("WindowWidth"), values)
    except ImageError:
        raise
    except _FAILURES:
        return None
    headers = {
        "X-Width": str(values.shape[1]),
        "X-Height": str(values.shape[0]),
        "X-Window": f"{centre:g},{width:g}",
    }
    if _in_hounsfield_units(ds):
        headers["X-Units"] = "HU"
    return Pixels(values.astype("<f4").tobytes(), "application/octet-stream", headers)


def _in_hounsfield_units(ds: Dataset) -> bool:
    """By its own word, else where it is a CT: values of radiographs and MR have no such unit."""
    unit = str(ds.get("RescaleType", "")).strip().upper()
    return unit == "HU" or (not unit and str(ds.get("Modality", "")) == "CT")


def _window(centre: object, width: object, values: np.ndarray) -> tuple[float, float]:
    """The header's first window, else one over the values."""
    numbers = [v[0] if isinstance(v, list | tuple) or hasattr(v, "__getitem__") else v
               for v in (centre, width)]  # fmt: skip
    try:
        c, w = (float(str(n)) for n in numbers)
    except ValueError:
        c = w = float("nan")
    if np.isfinite([c, w]).all() and w >= 1:
        return c, w
    low, high = np.percentile(values, (1, 99))
    return float((low + high) / 2), float(max(high - low, 1.0))
