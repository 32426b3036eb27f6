"""TIFF files in more of the forms that microscopes write than Pillow reads by itself."""

from __future__ import annotations

from contextlib import suppress
from typing import BinaryIO

from PIL.TiffImagePlugin import TiffImageFile

from mmedrag.errors import ImageError
from mmedrag.imaging.limits import DECODER_FAILURES

BIG_ENDIAN_BIGTIFF = b"MM\x00+"
_PHOTOMETRIC, _BITS, _FORMAT = 262, 258, 339  # TIFF 6.0, sections 3 and 19
_MIN_IS_WHITE, _MIN_IS_BLACK = 0, 1
_UNSIGNED = (1,)
_KINDS = {1: "unsigned integers", 2: "signed integers", 3: "floating point numbers"}


class TiffFile(TiffImageFile):
    """A TIFF whose grey values may stand in any order of bytes, and mean white by 0.

    Attributes:
        is_negative: whether white is 0 in the pixels as they are loaded. Pillow turns pictures of
            8 bits itself, and refuses most others, which are loaded as if black were 0.
    """

    is_negative = False

    def _setup(self) -> None:
        bits = self.tag_v2.get(_BITS, (1,))
        plain = max(bits) <= 8 and self.tag_v2.get(_FORMAT, _UNSIGNED) == _UNSIGNED
        self.is_negative = self.tag_v2.get(_PHOTOMETRIC) == _MIN_IS_WHITE and not plain
        if self.is_negative:
            self.tag_v2[_PHOTOMETRIC] = _MIN_IS_BLACK
        try:
            super()._setup()
        except SyntaxError as error:
            if "pixel mode" not in str(error):
                raise
            kind = _KINDS.get(self.tag_v2.get(_FORMAT, _UNSIGNED)[0], "values")
            raise ImageError(
                f"The TIFF holds {max(bits)}-bit {kind} in a form that is not read",
                "Save it with 8 or 16 bits a pixel.",
            ) from error


def is_stack(file: BinaryIO) -> bool:
    """Whether the second page of a TIFF is as large as the first: not so in pyramids of a slide."""
    file.seek(0)
    with suppress(*DECODER_FAILURES), TiffFile(file) as image:
        first = image.size
        image.seek(1)
        return image.size == first
    return False


def check_is_read(head: bytes, name: str) -> None:
    """Refuse a kind of TIFF by its first bytes.

    Raises:
        ImageError: it is a BigTIFF with the higher byte first.
    """
    if head.startswith(BIG_ENDIAN_BIGTIFF):
        raise ImageError(
            f"{name} is a BigTIFF with the higher byte first (big-endian), which is not read",
            "Save it as a plain TIFF.",
        )
