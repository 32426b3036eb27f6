"""Image files that nobody has vetted, opened safely (see :mod:`mmedrag.imaging`)."""

from __future__ import annotations

from mmedrag.imaging.decoding import image_digest, open_image, read_bytes, thumbnail

__all__ = ["image_digest", "open_image", "read_bytes", "thumbnail"]
