"""Both towers from ONNX files that ``mmedrag export-encoder`` wrote; no torch is needed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer

from mmedrag.checkpoint import require_fields
from mmedrag.encoders.dual import Remembering
from mmedrag.encoders.image import OnnxImageEncoder, Preprocessing
from mmedrag.encoders.onnx import OnnxModel
from mmedrag.encoders.text import (
    MOST_TOKENS,
    IntMatrix,
    Window,
    encode_windows,
    spread,
    well_formed,
)
from mmedrag.encoders.towers import Towers
from mmedrag.errors import CheckpointError
from mmedrag.types import Matrix

CARD = "towers.json"
OVERLAP = 32
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "size": int, "edge": int, "mean": list, "std": list, "interpolation": str, "window": int,
    "padding": int, "fixed_width": bool, "image_sha256": str, "text_sha256": str,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SquarePreprocessing(Preprocessing):
    """What :class:`~mmedrag.encoders.transformers.TransformersImageEncoder` does before a tower.

    An image is padded to a square, so wide that resizing to ``edge`` and cropping the centre of
    ``size`` keep all of it.
    """

    edge: int = 224

    def __call__(self, image: Image.Image) -> NDArray[np.float32]:
        """One image of any mode and size as float32 ``(3, size, size)``."""
        image = image.convert("RGB")
        side = round(max(image.size) * self.edge / self.size)
        red, green, blue = (round(255 * mean) for mean in self.mean)
        square = Image.new("RGB", (side, side), (red, green, blue))
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        method = Image.Resampling[self.interpolation.upper()]
        edge = (self.edge - self.size) // 2
        cropped = square.resize((self.edge, self.edge), method).crop(
            (edge, edge, edge + self.size, edge + self.size)
        )
        pixels = np.asarray(cropped, dtype=np.float32) / np.float32(255)
        normal = (pixels - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return np.asarray(normal.transpose(2, 0, 1), dtype=np.float32)

    @property
    def fingerprint(self) -> str:
        """The settings in words."""
        return f"{self.edge}/{self.size}px-square-{self.interpolation}"


class ExportedTextEncoder:
    """A text tower in ONNX Runtime; implements :class:`~mmedrag.encoders.text.TextEncoder`.

    Args:
        model: inputs ``input_ids`` and ``attention_mask``, output ``features`` ``(b, dim)``.
        tokenizer: ``tokenizer.json`` of the model.
        window: the longest sequence.
        padding: the token that fills up.
        fixed_width: pad every batch to the window, for models that were trained so (SigLIP).
        sha256: the digest that the model must have.
        batch_size: windows in one call of the network.

    Raises:
        CheckpointError: where a file is absent or damaged.
    """

    def __init__(
        self,
        model: Path,
        tokenizer: Path,
        *,
        window: int,
        padding: int,
        fixed_width: bool,
        sha256: str,
        batch_size: int = 8,
    ) -> None:
        self._model = OnnxModel(model, sha256=sha256)
        try:
            words = tokenizer.read_bytes()
            self._tokenizer = Tokenizer.from_str(words.decode("utf-8"))
        except Exception as error:  # noqa: BLE001  # the library raises plain exceptions
            raise CheckpointError(
                f"The tokeniser {tokenizer} cannot be read ({error})", "Export the model again."
            ) from None
        self._tokenizer.enable_truncation(window, stride=min(OVERLAP, window // 4))
        self._tokenizer.no_padding()
        self._special = self._tokenizer.num_special_tokens_to_add(False)
        self._padding, self._batch_size = padding, batch_size
        self._width = window if fixed_width else None
        self.dim = self._model.width("features")
        digest = hashlib.sha256(words).hexdigest()[:8]
        self.fingerprint = f"onnx:{self._model.sha256[:16]}:tower:{digest}:{window}"

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors, float32 ``(len(texts), dim)``."""
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        windows = [
            Window(text, window.ids, max(1, len(window.ids) - self._special))
            for text, encoding in enumerate(self._tokenizer.encode_batch(well_formed(texts)))
            for window in (encoding, *encoding.overflowing)
        ]
        return encode_windows(
            spread(windows),
            len(texts),
            self._run,
            batch_size=self._batch_size,
            padding_id=self._padding,
            width=self._width,
            most_tokens=MOST_TOKENS,
        )

    def _run(self, ids: IntMatrix, mask: IntMatrix) -> Matrix:
        feed = {"input_ids": ids, "attention_mask": mask}
        used = {name: feed[name] for name in self._model.inputs}
        return np.asarray(self._model.run(["features"], used)[0], dtype=np.float32)


def load_exported(folder: Path) -> Towers:
    """Both towers of an export.

    Raises:
        CheckpointError: where a file is absent, damaged, or not of this export.
    """
    card = _read_card(folder / CARD)
    red, green, blue = (float(x) for x in card["mean"])
    deviations = tuple(float(x) for x in card["std"])
    images = OnnxImageEncoder(
        folder / "image.onnx",
        SquarePreprocessing(
            int(card["size"]),
            (red, green, blue),
            (deviations[0], deviations[1], deviations[2]),
            "bilinear" if card["interpolation"] == "bilinear" else "bicubic",
            edge=int(card["edge"]),
        ),
        features="features",
        sha256=card["image_sha256"],
    )
    texts = ExportedTextEncoder(
        folder / "text.onnx",
        folder / "tokenizer.json",
        window=card["window"],
        padding=card["padding"],
        fixed_width=card["fixed_width"],
        sha256=card["text_sha256"],
    )
    return Towers(Remembering(images), Remembering(texts))


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text("utf-8"))
        if not isinstance(card, dict):
            raise TypeError("no object")
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"The export {path} cannot be read ({error})",
            "Give a folder of mmedrag export-encoder.",
        ) from None
    require_fields(card, _FIELDS, f"The export {path}")
    if len(card["mean"]) != 3 or len(card["std"]) != 3:
        raise CheckpointError(f"{path} needs three channels", "Export the model again.")
    return card
