"""Both-tower models (CLIP, SigLIP and their medical kin): two encoders of one shared space."""

from __future__ import annotations

from pathlib import Path

from mmedrag.encoders.dual import Remembering
from mmedrag.encoders.image import Fit
from mmedrag.encoders.pretrained import Pretrained
from mmedrag.encoders.towers import Towers
from mmedrag.encoders.transformers import TransformersImageEncoder, TransformersTextEncoder
from mmedrag.errors import CheckpointError


def load_towers(
    name: str | Path,
    *,
    revision: str | None = None,
    offline: bool = False,
    fit: Fit = "letterbox",
    device: str | None = None,
    batch_size: int = 16,
) -> Towers:
    """Load a both-tower model once for both encoders; the last images are remembered.

    Args:
        name: a hub id such as ``openai/clip-vit-base-patch32``, or a local folder.
        revision: the commit of a hub model.
        offline: take it from the local cache and never ask the hub.
        fit: see :class:`~mmedrag.encoders.transformers.TransformersImageEncoder`.
        device: ``"cpu"``, ``"cuda"``, …; the GPU where there is one, by default.
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
