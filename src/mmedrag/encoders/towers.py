"""An image encoder and a text encoder of one space."""

from __future__ import annotations

from dataclasses import dataclass

from mmedrag.encoders.dual import DualEncoder
from mmedrag.encoders.fusion import SharedSpace
from mmedrag.encoders.image import ImageEncoder
from mmedrag.encoders.text import TextEncoder


@dataclass(frozen=True, slots=True, eq=False)
class Towers:
    """Two encoders whose features can be compared (sections 3.2 and 3.3)."""

    images: ImageEncoder
    texts: TextEncoder

    def embedder(self, image_share: float = 0.5) -> DualEncoder:
        """The embedder of the shared space; no projection heads are needed."""
        return DualEncoder(self.images, self.texts, SharedSpace(self.images.dim, image_share))
