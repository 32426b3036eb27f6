"""The encoders of a preset, opened for training and written for serving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from mmedrag.encoders.image import ImageEncoder
from mmedrag.encoders.pretrained import Pretrained
from mmedrag.encoders.text import TextEncoder
from mmedrag.encoders.transformers import TransformersImageEncoder, TransformersTextEncoder
from mmedrag.errors import QueryError
from mmedrag.presets import find_preset, offline_encoders
from mmedrag.torch_import import default_device

Freeze = Literal["image", "text", "both", "none"]


@dataclass(frozen=True, slots=True, eq=False)
class Backbones:
    """Both encoders, and which of them are fine-tuned (those are of transformers)."""

    images: ImageEncoder
    texts: TextEncoder
    tuned: tuple[str, ...]
    device: torch.device


def open_backbones(preset: str, models: Mapping[str, str], freeze: Freeze) -> Backbones:
    """Load the encoders of a preset that joins two encoders by heads.

    Args:
        preset: ``offline``, whose encoders stay frozen, or one with the models image and text.
        models: by role, hub ids or folders that replace the preset's own.
        freeze: what is not fine-tuned.

    Raises:
        QueryError: for another preset, a role that is unknown, or ``offline`` not frozen.
        ModelError: where an encoder cannot be loaded.
    """
    defaults = find_preset(preset).models
    tuned = {"both": (), "image": ("text",), "text": ("image",), "none": ("image", "text")}[freeze]
    if unknown := sorted(models.keys() - defaults.keys()):
        raise QueryError(f"The preset {preset} has no model called {unknown[0]}", "Leave it out.")
    if preset == "offline":
        if tuned:
            raise QueryError("The encoders of offline are frozen", "Give --freeze both.")
        return Backbones(*offline_encoders(), (), torch.device("cpu"))
    chosen = {**defaults, **models}
    if not {"image", "text"} <= defaults.keys() or not chosen["text"]:
        raise QueryError(
            f"The encoders of {preset} share a space already, or it has no text encoder of its own",
            "Train offline or paper, or fit heads beside it: mmedrag adapt.",
        )
    device = default_device()
    image, text = Pretrained.parse(chosen["image"]), Pretrained.parse(chosen["text"])
    return Backbones(
        TransformersImageEncoder.load(image.name, revision=image.revision, device=device),
        TransformersTextEncoder.load(
            text.name, revision=text.revision, pooling="cls", device=device
        ),
        tuned,
        torch.device(device),
    )


def write_backbones(backbones: Backbones, into: Path) -> Backbones:
    """Write what was fine-tuned to ``into/image`` and ``into/text``, and open it from there.

    What is opened is what a preset will serve, so its fingerprint is the one for the heads.
    """
    images, texts = backbones.images, backbones.texts
    device = str(backbones.device)
    if "image" in backbones.tuned and isinstance(images, TransformersImageEncoder):
        images.save(into / "image")
        images = TransformersImageEncoder.load(into / "image", device=device)
    if "text" in backbones.tuned and isinstance(texts, TransformersTextEncoder):
        texts.save(into / "text")
        texts = TransformersTextEncoder.load(into / "text", pooling="cls", device=device)
    return Backbones(images, texts, backbones.tuned, backbones.device)
