"""The public door to :mod:`mmedrag.imaging`: an image file that nobody has vetted, opened safely.

``from mmedrag.images import open_image`` is what users' scripts have imported since the first
release; nothing inside the package imports this module.
"""

from __future__ import annotations

from mmedrag.imaging.decoding import image_digest, open_image, read_bytes, thumbnail

__all__ = ["image_digest", "open_image", "read_bytes", "thumbnail"]
