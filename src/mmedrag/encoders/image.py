"""The vision encoder of section 3.3: images to features."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmedrag.encoders.onnx import OnnxModel
from mmedrag.errors import CheckpointError
from mmedrag.types import Matrix

FeatureMaps = NDArray[np.float32]
"""What a CNN sees before pooling, shape ``(n, channels, height, width)``."""


Interpolation = Literal["bicubic", "bilinear"]
Fit = Literal["letterbox", "crop"]


@runtime_checkable
class ImageEncoder(Protocol):
    """Images to features, as the model gives them: rows are not normalised.

    Laws: ``encode([])`` is ``(0, dim)``; rows are float32 and finite, one an image, in order; the
    composition of batches does not matter (to 1e-4 of a row's norm). Equal fingerprints mean equal
    features.
    """

    @property
    def dim(self) -> int:
        """The width of a row."""
        ...

    @property
    def fingerprint(self) -> str:
        """The weights and settings, in a line."""
        ...

    def encode(self, images: Sequence[Image.Image]) -> Matrix:
        """Features, ``(len(images), dim)``."""
        ...


@runtime_checkable
class MapEncoder(Protocol):
    """A CNN without its last pooling: what :mod:`mmedrag.encoders.pooling` works on."""

    @property
    def channels(self) -> int:
        """The number of maps."""
        ...

    @property
    def fingerprint(self) -> str:
        """The weights and settings, in a line."""
        ...

    def encode_maps(self, images: Sequence[Image.Image]) -> FeatureMaps:
        """Feature maps, ``(len(images), channels, h, w)``."""
        ...


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """From a PIL image to a network's input, ``(x / 255 - mean) / std``.

    ``fit="letterbox"`` scales the longer side to ``size`` and pads to a square, so that no edge of
    a medical image is lost: costophrenic angles, a laterality marker and the fundus rim all lie
    there. The padding is zero after normalisation, which is what the network's own convolutions
    pad with. ``fit="crop"`` scales the shorter side and cuts the centre, as ImageNet models are
    tested. Scaling is antialiased (Pillow's filters widen with the reduction).
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Interpolation = "bicubic"
    fit: Fit = "letterbox"

    def __call__(self, image: Image.Image) -> NDArray[np.float32]:
        """One image of any mode and size as float32 ``(3, size, size)``."""
        scaled = self._scale(image if image.mode == "L" else image.convert("RGB"))
        bands = scaled.split() if scaled.mode == "RGB" else (scaled,) * 3
        left, top = (self.size - scaled.width) // 2, (self.size - scaled.height) // 2
        square = np.zeros((3, self.size, self.size), dtype=np.float32)
        inner = square[:, top : top + scaled.height, left : left + scaled.width]
        for plane, band, mean, std in zip(inner, bands, self.mean, self.std, strict=True):
            np.divide(np.asarray(band), 255, out=plane, dtype=np.float32)
            plane -= np.float32(mean)
            plane /= np.float32(std)
        return square

    def _scale(self, image: Image.Image) -> Image.Image:
        method = Image.Resampling[self.interpolation.upper()]
        if self.fit == "letterbox":
            longest = max(image.size)
            width, height = (max(1, round(side * self.size / longest)) for side in image.size)
            return image.resize((width, height), method)
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        box = (left, top, left + edge, top + edge)
        return image.resize((self.size, self.size), method, box=box)

    @property
    def fingerprint(self) -> str:
        """The settings in words."""
        return f"{self.size}px-{self.fit}-{self.interpolation}"


class OnnxImageEncoder:
    """An image network in ONNX Runtime; implements :class:`ImageEncoder` and :class:`MapEncoder`.

    Args:
        model: the ONNX file; its input ``image`` takes float32 ``(n, 3, size, size)``.
        preprocessing: what the network expects.
        features: the name of the output ``(n, dim)``.
        maps: the name of the output ``(n, channels, h, w)`` before pooling, where it has one.
        threads: of ONNX Runtime; 0 takes all cores.
        batch_size: images in one call of the network.
        sha256: the digest that the file must have.
        known_as: the weights in the fingerprint, where the file was rewritten and its features
            stayed; by default the beginning of its digest.

    Raises:
        CheckpointError: where the model is damaged or lacks an input or output.
    """

    def __init__(
        self,
        model: Path,
        preprocessing: Preprocessing,
        *,
        features: str = "pooled",
        maps: str | None = None,
        threads: int = 0,
        batch_size: int = 8,
        sha256: str | None = None,
        known_as: str = "",
    ) -> None:
        self._model = OnnxModel(model, threads=threads, sha256=sha256)
        self._model.require_inputs("image")
        self._preprocessing = preprocessing
        self._features = features
        self._maps = maps
        self._batch_size = batch_size
        self.dim = self._model.width(features)
        self.channels = self._model.width(maps) if maps else 0
        statistics = ",".join(f"{x:g}" for x in (*preprocessing.mean, *preprocessing.std))
        weights = known_as or self._model.sha256[:16]
        self.fingerprint = f"onnx:{weights}:{features}:{preprocessing.fingerprint}:{statistics}"

    @classmethod
    def from_card(cls, card: Path, *, threads: int = 0, batch_size: int = 8) -> OnnxImageEncoder:
        """The model beside ``card``: ``x.json`` holds the settings of ``x.onnx`` or ``x.onnx.gz``.

        Raises:
            CheckpointError: where either file is absent, damaged or incomplete.
        """
        settings = _read_card(card)
        try:
            preprocessing = Preprocessing(
                size=int(settings["size"]),
                mean=_triple(settings["mean"]),
                std=_triple(settings["std"]),
                interpolation=_INTERPOLATIONS[settings.get("interpolation", "bicubic")],
                fit=_FITS[settings.get("fit", "letterbox")],
            )
            features, maps = str(settings["features"]), settings.get("map")
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{card} lacks a setting or holds a wrong one ({error})",
                "It needs size, mean, std and features; see docs/notes/encoders.md.",
            ) from None
        plain = card.with_suffix(".onnx")
        return cls(
            plain if plain.exists() else card.with_suffix(".onnx.gz"),
            preprocessing,
            features=features,
            maps=maps,
            threads=threads,
            batch_size=batch_size,
            sha256=settings.get("sha256"),
            known_as=str(settings.get("known_as", "")),
        )

    def encode(self, images: Sequence[Image.Image]) -> Matrix:
        """Features, float32 ``(len(images), dim)``."""
        if not images:
            return np.zeros((0, self.dim), dtype=np.float32)
        return self._run(self._features, images)

    def encode_maps(self, images: Sequence[Image.Image]) -> FeatureMaps:
        """Feature maps, float32 ``(len(images), channels, h, w)``; at least one image.

        Raises:
            CheckpointError: where the model has no such output.
        """
        if self._maps is None:
            raise CheckpointError(
                f"{self._model.path} has no feature map output",
                "Name one by maps=, or pool with the model's own GAP.",
            )
        return self._run(self._maps, images)

    def _run(self, output: str, images: Sequence[Image.Image]) -> Matrix:
        rows = []
        for start in range(0, len(images), self._batch_size):
            batch = np.stack(
                [self._preprocessing(i) for i in images[start : start + self._batch_size]]
            )
            rows.append(self._model.run([output], {"image": batch})[0].astype(np.float32))
        return np.concatenate(rows)


_INTERPOLATIONS: dict[str, Interpolation] = {"bicubic": "bicubic", "bilinear": "bilinear"}
_FITS: dict[str, Fit] = {"letterbox": "letterbox", "crop": "crop"}


def _read_card(card: Path) -> dict[str, Any]:
    try:
        settings = json.loads(card.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"The model card {card} cannot be read ({error})",
            "Install the package again, or give the path of a card beside its ONNX file.",
        ) from None
    if not isinstance(settings, dict):
        raise CheckpointError(
            f"{card} holds no settings", "See docs/notes/encoders.md for its fields."
        )
    return settings


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(v) for v in values)
    return red, green, blue
