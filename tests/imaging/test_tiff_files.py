"""TIFF: sample formats, orders of bytes and meanings of 0, made from nothing."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from mmedrag.errors import ImageError
from mmedrag.imaging.decoding import open_image

RAMP = np.tile(np.arange(256), (16, 1))
FORMATS = {"u": 1, "i": 2, "f": 3}


def tiff(values: np.ndarray, order: str = "<", white: bool = False, big: bool = False) -> bytes:
    """A strip of grey values; ``white`` where 0 means white."""
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    (rows, columns), bits = values.shape, 8 * values.dtype.itemsize
    short, long = (3, "HHHH" if big else "HH"), (4, "II" if big else "I")
    fields = [
        (256, *long, columns), (257, *long, rows), (258, *short, bits), (259, *short, 1),
        (262, *short, 0 if white else 1), (273, *long, None), (277, *short, 1), (278, *long, rows),
        (279, *long, len(data)), (339, *short, FORMATS[values.dtype.kind]),
    ]  # fmt: skip
    entry, head = (20, 16) if big else (12, 8)
    at = head + (8 if big else 2) + entry * len(fields) + (8 if big else 4)
    mark = b"II" if order == "<" else b"MM"
    body = mark + struct.pack(order + ("HHHQQ" if big else "HIH"), *(
        (43, 8, 0, 16, len(fields)) if big else (42, 8, len(fields))
    ))  # fmt: skip
    for tag, kind, form, value in fields:
        number = at if value is None else value
        body += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, 1)
        body += struct.pack(order + form, number, *[0] * (len(form) - 1))
    return body + struct.pack(order + ("Q" if big else "I"), 0) + data


def ends(data: bytes) -> tuple[int, int]:
    shown = np.asarray(open_image(data))
    return int(shown[0, 0]), int(shown[0, -1])


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f4"])
@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
def test_black_and_white_in_every_form(dtype, order, big):
    values = RAMP.astype(dtype) * (1 if dtype == "u1" else 16)
    assert ends(tiff(values, order, big=big)) == (0, 255)
    assert ends(tiff(values, order, white=True, big=big)) == (255, 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tiff(RAMP.astype("f8")), "64-bit floating point numbers"),
        (tiff(RAMP.astype("u4"), ">"), "32-bit unsigned integers"),
        (tiff(RAMP.astype("u2"), ">", big=True), "BigTIFF with the higher byte first"),
    ],
)
def test_what_is_not_read_is_named_and_not_called_damaged(data, reason):
    with pytest.raises(ImageError, match=reason) as refused:
        open_image(data)
    assert "damaged" not in str(refused.value)
