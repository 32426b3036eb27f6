"""The chunks of a PNG file that make its picture, without the others (PNG, section 4.7)."""

from __future__ import annotations

import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_ORIENTATION = b"eXIf"


def essential_chunks(data: bytes) -> bytes:
    """A PNG file without its comments, profiles, times and animation.

    A picture whose pixels are sound is not lost to damage in what only accompanies it. Chunks of
    the picture are kept as they are, damage included; others only where their checksum holds and
    they turn the picture.
    """
    chunks = [_SIGNATURE]
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if kind in _PICTURE or (kind == _ORIENTATION and _is_sound(data[at + 4 : end])):
            chunks.append(data[at:end])
        if kind == b"IEND":
            break
        at = end
    return b"".join(chunks)


def _is_sound(chunk: bytes) -> bool:
    return zlib.crc32(chunk[:-4]).to_bytes(4, "big") == chunk[-4:]
