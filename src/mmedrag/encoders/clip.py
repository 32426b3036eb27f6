"""Both-tower models (CLIP, SigLIP and their medical kin): two encoders of one shared space."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmedrag.encoders.dual import DualEncoder, Remembering
from mmedrag.encoders.fusion import SharedSpace
from mmedrag.encoders.image import Fit, ImageEncoder
from mmedrag.encoders.pretrained import Pretrained
from mmedrag.encoders.text import TextEncoder
from mmedrag.encoders.transformers import TransformersImageEncoder, TransformersTextEncoder
from mmedrag.errors import CheckpointError


@dataclass(frozen=True, slots=True, eq=False)
class Towers:
    """An image encoder and a text encoder whose features can be compared (sections 3.2 and 3.3)."""

    images: ImageEncoder
    texts: TextEncoder

    def embedder(self, image_share: float = 0.5) -> DualEncoder:
        """The embedder of the shared space; no projection heads are needed."""
        return DualEncoder(self.images, self.texts, SharedSpace(self.images.dim, image_share))


def load_towers(
    name: str | Path,
    *,
    revision: str | None = None,
    offline: bool = False,
    fit: Fit = "letterbox",
    device: str = "cpu",
    batch_size: int = 16,
) -> Towers:
    """Load a both-tower model once for both encoders; the last images are remembered.

    Args:
        name: a hub id such as ``openai/clip-vit-base-patch32``, or a local folder.
        revision: the commit of a hub model.
        offline: take it from the local cache and never ask the hub.
        fit: see :class:`~mmedrag.encoders.transformers.TransformersImageEncoder`.
        device: ``"cpu"``, ``"cuda"``, …
        batch_size: images or texts in one call.

    Raises:
        MissingExtra: without PyTorch and transformers.
        CheckpointError: where it is absent or damaged, or has one tower only.
    """
    source = Pretrained(name, revision, offline)
    model = source.model(device)
    if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
        raise CheckpointError(
            f"{name} ({model.config.model_type}) has not both an image and a text tower",
            "Choose a CLIP or SigLIP type model, or two encoders with projection heads.",
        )
    images = TransformersImageEncoder(
        model, source.image_processor(), fit=fit, batch_size=batch_size
    )
    texts = TransformersTextEncoder(model, source.tokenizer(), batch_size=batch_size)
    return Towers(Remembering(images), Remembering(texts))
