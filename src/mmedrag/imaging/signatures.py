"""What a file is, by its first bytes; names and extensions are never trusted."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["png", "jpeg", "tiff", "bmp", "dicom", ""]

HEAD = 1024
"""How many of a file's first bytes tell its kind."""

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00\x08\x00\x00\x00", "tiff"),  # BigTIFF
    (b"MM\x00+\x00\x08\x00\x00", "tiff"),
    (b"BM", "bmp"),
)
_PREFIX = b"DICM"
_VRS = frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR"
    b" US UT UV".split()
)
_META = b"\x02\x00"
_LONGEST_FIRST = 1024  # bytes of the first element of a data set: a length, a UID, a character set


def kind_of(head: bytes) -> Kind:
    """The kind of a file that begins with these bytes (:data:`HEAD` of them are enough)."""
    if head[128:132] == _PREFIX:
        return "dicom"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    return "dicom" if head.startswith(_PREFIX) or _is_data_set(head) else ""


def kind_of_file(path: Path) -> Kind:
    """The kind of a file; ``""`` too for what is no regular file, or cannot be read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe could block for ever
            return ""
        with path.open("rb") as file:
            return kind_of(file.read(HEAD))
    except (OSError, ValueError):
        return ""


def _is_data_set(head: bytes) -> bool:
    """Whether DICOM begins at once, without its preamble of 128 bytes and the letters DICM.

    The first element is then of the file's meta information (group 2) or of the identifying group
    (8), with a value representation or, in implicit form, a small even length.
    """
    for order in ("little", "big"):
        group, element = (int.from_bytes(head[i : i + 2], order) for i in (0, 2))
        if group not in (2, 8) or element > 0x0070 or len(head) < 16:
            continue
        if head[4:6] in _VRS:
            return True
        length = int.from_bytes(head[4:8], order)
        if group == 8 and length % 2 == 0 and length <= _LONGEST_FIRST:
            following = head[8 + length : 10 + length]
            if following and int.from_bytes(following, order) in (8, 16):
                return True
    return False
