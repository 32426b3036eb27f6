"""Section 3.3 on PyTorch: any image, text or both-tower model that ``transformers`` can load.

ResNet, ViT, DINO (RAD-DINO), EfficientNet and other image models; CLIP and SigLIP; BERT-type text
models. A model is a hub id or a local folder. Importing this module imports neither library.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mmedrag.encoders.image import FeatureMaps, Fit
from mmedrag.encoders.pretrained import Pretrained, weights_digest
from mmedrag.encoders.text import (
    IntMatrix,
    Pooling,
    Window,
    encode_windows,
    padded,
    spread,
    well_formed,
)
from mmedrag.errors import CheckpointError
from mmedrag.torch_import import Foreign, inference, open_torch
from mmedrag.types import Matrix


class TransformersImageEncoder:
    """An image network; implements :class:`~mmedrag.encoders.image.ImageEncoder`.

    Features are a CNN's average-pooled map, a transformer's [CLS] token after its last layer norm,
    or a both-tower model's projected image embedding. CNNs also give ``encode_maps``.

    Args:
        model: from :meth:`Pretrained.model`.
        processor: from :meth:`Pretrained.image_processor`.
        fit: ``"letterbox"`` pads to a square first, so that the model's own resizing and centre
            crop lose no edge of the image; ``"crop"`` leaves all to the model's preprocessing.
        batch_size: images in one call of the network.
    """

    def __init__(
        self, model: Foreign, processor: Foreign, *, fit: Fit = "letterbox", batch_size: int = 16
    ) -> None:
        self._model = model
        self._processor = processor
        self._fit = fit
        self._batch_size = batch_size
        self._padding = _mean_colour(processor)
        self._kept = kept_share(processor)
        self.fingerprint = (
            f"torch-image:{model.config.model_type}:{weights_digest(model)}:"
            f"{_digest(processor.to_dict())}:{fit}"
        )
        probe = self._forward([Image.new("RGB", (64, 64))])
        self.dim = int(self._features(probe).shape[1])
        self.channels = int(probe.last_hidden_state.shape[1]) if _is_map(probe) else 0

    @classmethod
    def load(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        offline: bool = False,
        fit: Fit = "letterbox",
        device: str | None = None,
        batch_size: int = 16,
    ) -> TransformersImageEncoder:
        """Load a hub id or a local folder; see :class:`Pretrained` for device and errors."""
        source = Pretrained(name, revision, offline)
        model = source.model(device)
        return cls(model, source.image_processor(), fit=fit, batch_size=batch_size)

    def encode(self, images: Sequence[Image.Image]) -> Matrix:
        """Features, float32 ``(len(images), dim)``."""
        rows = [np.zeros((0, self.dim), dtype=np.float32)]
        for start in range(0, len(images), self._batch_size):
            output = self._forward(images[start : start + self._batch_size])
            rows.append(_numpy(self._features(output)))
        return np.concatenate(rows)

    def encode_maps(self, images: Sequence[Image.Image]) -> FeatureMaps:
        """A CNN's feature maps, float32 ``(len(images), channels, h, w)``; at least one image.

        Raises:
            CheckpointError: where the model is not a CNN.
        """
        if not self.channels:
            raise CheckpointError(
                f"{self.fingerprint} has no feature maps", "Pool a CNN such as ResNet."
            )
        return np.concatenate(
            [
                _numpy(self._forward(images[i : i + self._batch_size]).last_hidden_state)
                for i in range(0, len(images), self._batch_size)
            ]
        )

    @property
    def network(self) -> Foreign:
        """The PyTorch module, for training."""
        return self._model

    def pixels(self, images: Sequence[Image.Image]) -> Foreign:
        """The network's input: a float32 tensor ``(len(images), 3, h, w)``."""
        prepared = [self._prepare(image.convert("RGB")) for image in images]
        pixels = self._processor(images=prepared, return_tensors="pt")["pixel_values"]
        return pixels.float()

    def features(self, pixels: Foreign) -> Foreign:
        """What :meth:`encode` gives, as a tensor with its graph, ``(n, dim)``."""
        return self._features(self._run(pixels.to(self._model.device)))

    def save(self, folder: Path) -> None:
        """Write the network and its preprocessing so that :meth:`load` reads them."""
        self._model.save_pretrained(folder)
        self._processor.save_pretrained(folder)

    def _forward(self, images: Sequence[Image.Image]) -> Foreign:
        with inference(self._model.device):
            return self._run(self.pixels(images).to(self._model.device))

    def _run(self, pixels: Foreign) -> Foreign:
        if hasattr(self._model, "get_image_features"):
            return self._model.get_image_features(pixel_values=pixels)
        return self._model(pixel_values=pixels)

    def _features(self, output: Foreign) -> Foreign:
        if hasattr(self._model, "get_image_features"):
            return _tower_features(output)
        if _is_map(output):
            pooled = getattr(output, "pooler_output", None)
            return (output.last_hidden_state.mean((2, 3)) if pooled is None else pooled).flatten(1)
        return output.last_hidden_state[:, 0]

    def _prepare(self, image: Image.Image) -> Image.Image:
        if self._fit == "crop":
            return image
        side = round(max(image.size) / self._kept)
        square = Image.new("RGB", (side, side), self._padding)
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        return square


class TransformersTextEncoder:
    """A text network; implements :class:`~mmedrag.encoders.text.TextEncoder`.

    Features are the [CLS] token (section 3.3), the mean over tokens, or a both-tower model's
    projected text embedding; longer texts are cut into overlapping windows and averaged.

    Args:
        model: from :meth:`Pretrained.model`.
        tokenizer: from :meth:`Pretrained.tokenizer`.
        pooling: ``"cls"`` or ``"mean"``; both-tower models pool by themselves.
        window: the longest sequence; ``None`` takes what model and tokeniser allow.
        overlap: tokens that neighbouring windows share; at most a quarter of the window.
        batch_size: windows in one call of the network.
    """

    def __init__(
        self,
        model: Foreign,
        tokenizer: Foreign,
        *,
        pooling: Pooling = "cls",
        window: int | None = None,
        overlap: int = 32,
        batch_size: int = 16,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._pooling = pooling
        self._batch_size = batch_size
        self.window = window or _longest(model, tokenizer)
        self._overlap = min(overlap, self.window // 4)
        # SigLIP is trained on full-width padding that it attends to.
        self.fixed_width = model.config.model_type.startswith("siglip")
        words = hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()[:8]
        way = "tower" if hasattr(model, "get_text_features") else pooling
        self.fingerprint = (
            f"torch-text:{model.config.model_type}:{weights_digest(model)}:{words}:{way}:"
            f"{self.window}/{self._overlap}"
        )
        self.dim = int(self._run(*(np.ones((1, self.window), dtype=np.int64),) * 2).shape[1])

    @classmethod
    def load(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        offline: bool = False,
        pooling: Pooling = "cls",
        window: int | None = None,
        device: str | None = None,
        batch_size: int = 16,
    ) -> TransformersTextEncoder:
        """Load a hub id or a local folder; see :class:`Pretrained` for device and errors."""
        source = Pretrained(name, revision, offline)
        model = source.model(device)
        return cls(model, source.tokenizer(), pooling=pooling, window=window, batch_size=batch_size)

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors, float32 ``(len(texts), dim)``."""
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        return encode_windows(
            self._windows(texts),
            len(texts),
            self._run,
            batch_size=self._batch_size,
            padding_id=self._tokenizer.pad_token_id or 0,
            width=self.window if self.fixed_width else None,
        )

    def _windows(self, texts: Sequence[str]) -> list[Window]:
        encoded = self._tokenizer(
            well_formed(texts),
            truncation=True,
            max_length=self.window,
            stride=self._overlap,
            return_overflowing_tokens=True,
        )
        special = self._tokenizer.num_special_tokens_to_add()
        owners = encoded["overflow_to_sample_mapping"]
        return spread(
            [
                Window(int(owner), ids, max(1, len(ids) - special))
                for owner, ids in zip(owners, encoded["input_ids"], strict=True)
            ]
        )

    @property
    def network(self) -> Foreign:
        """The PyTorch module, for training."""
        return self._model

    def features(self, texts: Sequence[str]) -> Foreign:
        """What :meth:`encode` gives, as a tensor with its graph, ``(len(texts), dim)``."""
        torch, _ = open_torch()
        windows = self._windows(texts)
        width = self.window if self.fixed_width else None
        pooled = self._pooled(*padded(windows, self._tokenizer.pad_token_id or 0, width))
        weights = torch.tensor([window.weight for window in windows], device=pooled.device)
        owners = torch.tensor([window.text for window in windows], device=pooled.device)
        sums = pooled.new_zeros((len(texts), self.dim))
        summed = sums.index_add(0, owners, weights[:, None] * pooled)
        return torch.nn.functional.normalize(summed, dim=1)

    def save(self, folder: Path) -> None:
        """Write the network and its tokeniser so that :meth:`load` reads them."""
        self._model.save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)

    def _run(self, ids: IntMatrix, mask: IntMatrix) -> Matrix:
        with inference(self._model.device):
            return _numpy(self._pooled(ids, mask))

    def _pooled(self, ids: IntMatrix, mask: IntMatrix) -> Foreign:
        torch, _ = open_torch()
        device = self._model.device
        return self.pooled(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device))

    def pooled(self, ids: Foreign, mask: Foreign) -> Foreign:
        """Tensors of token ids and mask ``(n, length)`` to one of features ``(n, dim)``."""
        feed = {"input_ids": ids}
        if not self.fixed_width:
            feed["attention_mask"] = mask
        if hasattr(self._model, "get_text_features"):
            return _tower_features(self._model.get_text_features(**feed))
        states = self._model(**feed).last_hidden_state
        if self._pooling == "cls":
            return states[:, 0]
        weights = mask.to(states)[:, :, None]
        return (states * weights).sum(1) / weights.sum(1)


def kept_share(processor: Foreign) -> float:
    """The share of a square image's side that a processor's resizing and centre crop keep."""
    size = dict(getattr(processor, "size", None) or {})
    edge = size.get("shortest_edge") or min(size.get("height", 0), size.get("width", 0))
    if not edge:
        return 1.0
    crop_share = getattr(processor, "crop_pct", None)
    if crop_share and edge < 384:  # ConvNeXt's rule, which ResNet's processor follows
        return float(crop_share)
    if getattr(processor, "do_center_crop", False):
        crop = dict(processor.crop_size)
        return float(min(1.0, min(crop["height"], crop["width"]) / edge))
    return 1.0


def _is_map(output: Foreign) -> bool:
    states = getattr(output, "last_hidden_state", None)
    return states is not None and states.ndim == 4


def _tower_features(output: Foreign) -> Foreign:
    """In transformers 4 it is the projected tensor itself, in 5 an output that holds it."""
    return getattr(output, "pooler_output", output)


def _numpy(tensor: Foreign) -> Matrix:
    return np.asarray(tensor.float().cpu().numpy(), dtype=np.float32)


def _mean_colour(processor: Foreign) -> tuple[int, int, int]:
    red, green, blue = (round(255 * m) for m in getattr(processor, "image_mean", None) or (0,) * 3)
    return red, green, blue


def _longest(model: Foreign, tokenizer: Foreign) -> int:
    config = getattr(model.config, "text_config", None) or model.config
    return int(min(tokenizer.model_max_length, getattr(config, "max_position_embeddings", 512)))


def _digest(settings: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[
        :8
    ]
