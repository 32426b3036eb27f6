"""Both-tower models as ONNX files, so that serving needs no torch: ``mmedrag export-encoder``."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mmedrag.durability import write_durably
from mmedrag.encoders.exported import CARD, load_exported
from mmedrag.encoders.pretrained import Pretrained
from mmedrag.encoders.transformers import TransformersImageEncoder, TransformersTextEncoder
from mmedrag.errors import CheckpointError, MissingExtra, QueryError
from mmedrag.torch_import import Foreign, open_torch
from mmedrag.types import Matrix

_INTERPOLATIONS = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers
_OPSET = 17
CLOSEST = 0.99
"""The least cosine between a probe's features before and after; below it an export is refused."""

_TEXTS = (
    "normal", "small left pleural effusion, no pneumothorax",
    "invasive ductal carcinoma, moderately differentiated, with lymphovascular invasion",
    "microaneurysms and hard exudates; the optic disc is unremarkable " * 12,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Export:
    """What was written, and the least cosine of a probe's features with those of the original."""

    into: Path
    dim: int
    megabytes: float
    images: float
    texts: float

    def __str__(self) -> str:
        """Sizes and fidelity, and how to use it."""
        return (
            f"{self.into}: {self.dim} dimensions, {self.megabytes:.0f} MB; least cosine with the "
            f"original {self.images:.5f} (images), {self.texts:.5f} (texts)\n"
            f"use it: mmedrag index … --preset exported --model folder={self.into}"
        )


def export_towers(source: str, into: Path, *, int8: bool = False) -> Export:
    """Write a both-tower model as ``image.onnx``, ``text.onnx``, a tokeniser and a card.

    Args:
        source: a hub id with ``@`` and a revision, or a folder.
        into: a folder; what it holds of an earlier export is replaced.
        int8: store matrices as 8-bit integers (one scale an output); a quarter of the size.

    Raises:
        MissingExtra: without PyTorch, transformers and onnx.
        CheckpointError: where the model cannot be loaded, has one tower only, or does not come
            out as it went in.
        QueryError: where its preprocessing has no counterpart.
    """
    pretrained = Pretrained.parse(source)
    model = pretrained.model("cpu")
    if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
        raise CheckpointError(f"{source} has not both towers", "Export a CLIP or SigLIP model.")
    if hasattr(model, "set_attn_implementation"):
        model.set_attn_implementation("eager")  # the only kind that the exporter can follow
    images = TransformersImageEncoder(model, pretrained.image_processor())
    texts = TransformersTextEncoder(model, pretrained.tokenizer())
    into.mkdir(parents=True, exist_ok=True)
    card = _card(source, pretrained.image_processor(), pretrained.tokenizer(), texts)
    _write_image(images, into / "image.onnx", int(card["size"]))
    _write_text(texts, into / "text.onnx", int(card["window"]))
    if int8:
        _quantise(into / "image.onnx", into / "text.onnx")
    for tower in ("image", "text"):
        card[f"{tower}_sha256"] = hashlib.sha256((into / f"{tower}.onnx").read_bytes()).hexdigest()
    pretrained.tokenizer().backend_tokenizer.save(str(into / "tokenizer.json"))
    write_durably(into / CARD, json.dumps(card, indent=2) + "\n")
    return _checked(into, images, texts)


def _card(
    source: str, processor: Foreign, tokenizer: Foreign, texts: TransformersTextEncoder
) -> dict[str, Foreign]:
    size = dict(processor.size)
    edge = size.get("height") or size.get("shortest_edge")
    cropped = getattr(processor, "do_center_crop", False)
    side = dict(processor.crop_size)["height"] if cropped else edge
    interpolation = _INTERPOLATIONS.get(int(getattr(processor, "resample", 3)))
    if not edge or not side or interpolation is None:
        raise QueryError(f"The preprocessing of {source} has no counterpart", "Use it with torch.")
    return {
        "source": source,
        "size": side,
        "edge": edge,
        "mean": list(processor.image_mean),
        "std": list(processor.image_std),
        "interpolation": interpolation,
        "window": texts.window,
        "padding": tokenizer.pad_token_id or 0,
        "fixed_width": texts.fixed_width,
    }


def _write_image(images: TransformersImageEncoder, path: Path, side: int) -> None:
    torch, _ = open_torch()

    class ImageTower(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.model = images.network

        def forward(self, pixels: Foreign) -> Foreign:
            return images.features(pixels)

    _export(ImageTower(), (torch.zeros(1, 3, side, side),), path, {"image": {0: "n"}})


def _write_text(texts: TransformersTextEncoder, path: Path, window: int) -> None:
    torch, _ = open_torch()

    class TextTower(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.model = texts.network

        def forward(self, input_ids: Foreign, attention_mask: Foreign) -> Foreign:
            return texts.pooled(input_ids, attention_mask)

    ids = torch.ones(2, window, dtype=torch.int64)
    axes = {name: {0: "n", 1: "length"} for name in ("input_ids", "attention_mask")}
    _export(TextTower(), (ids, ids.clone()), path, axes)


def _export(
    network: Foreign, example: tuple[Foreign, ...], path: Path, axes: dict[str, dict[int, str]]
) -> None:
    torch, _ = open_torch()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of the tracing exporter, about shapes that are fixed
        torch.onnx.export(
            network.eval(),
            example,
            str(path),
            input_names=list(axes),
            output_names=["features"],
            dynamic_axes={**axes, "features": {0: "n"}},
            opset_version=_OPSET,
            dynamo=False,
        )


def _quantise(*models: Path) -> None:
    try:
        from mmedrag.training.int8 import quantise_weights
    except ImportError as error:
        raise MissingExtra(
            f"int8 needs onnx ({error})", 'Run: pip install "mmedrag[train]"'
        ) from None
    for model in models:
        quantise_weights(model)


def _checked(
    into: Path, images: TransformersImageEncoder, texts: TransformersTextEncoder
) -> Export:
    """The export, opened as the preset opens it and compared with the original on probes."""
    towers = load_exported(into)
    random = np.random.default_rng(0)
    probes = [
        Image.fromarray(random.integers(0, 256, (9, 9, 3), np.uint8)).resize(size, 3)
        for size in ((300, 300), (400, 200), (150, 260))
    ]
    image_cosine = _least_cosine(towers.images.encode(probes), images.encode(probes))
    text_cosine = _least_cosine(towers.texts.encode(_TEXTS), texts.encode(_TEXTS))
    if min(image_cosine, text_cosine) < CLOSEST:
        raise CheckpointError(
            f"The export gives other features than the original (cosine {image_cosine:.3f} for "
            f"images, {text_cosine:.3f} for texts)",
            "Use the model with torch, or export it without int8.",
        )
    size = sum(file.stat().st_size for file in into.glob("*.onnx")) / 1e6
    return Export(into, towers.images.dim, size, image_cosine, text_cosine)


def _least_cosine(one: Matrix, other: Matrix) -> float:
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(axis=1) / norms).min())
