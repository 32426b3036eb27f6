"""In which encoding a text file of unknown origin is written: UTF-8, UTF-16 or Windows-1252."""

from __future__ import annotations

STRAY = 8
"""Zero bytes in the first block of a text: they are left out; more make no text."""

FOREIGN = "not UTF-8 text: it was read as Windows-1252"


def utf16_of(head: bytes) -> str:
    """The kind of UTF-16 that a file begins with, by its mark or by its zero bytes; else empty."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    first, second = head[0::2].count(0), head[1::2].count(0)
    if max(first, second) < max(STRAY, len(head) // 4):
        return ""
    if not first:
        return "utf-16-le"
    return "" if second else "utf-16-be"


def line_of(data: bytes) -> tuple[str, bool]:
    """A line in UTF-8, else in Windows-1252; and whether it is UTF-8."""
    try:
        return data.decode(), True
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace"), False
