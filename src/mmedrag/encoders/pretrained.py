"""Finding and loading pretrained models for PyTorch: a hub id or a local folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mmedrag.encoders.door import open_torch
from mmedrag.errors import CheckpointError

Foreign: TypeAlias = Any
"""An object of PyTorch or transformers, which are not imported here and so have no types."""


@dataclass(frozen=True, slots=True)
class Pretrained:
    """Where a model comes from.

    Args:
        name: a hub id such as ``microsoft/resnet-101``, or a local folder.
        revision: the commit of a hub model; presets pin one.
        offline: take it from the local cache and never ask the hub.
    """

    name: str | Path
    revision: str | None = None
    offline: bool = False

    def model(self, device: str = "cpu") -> Foreign:
        """The network in float32, ready for inference.

        Raises:
            MissingExtra: without PyTorch and transformers.
            CheckpointError: where it is absent, damaged, incomplete, or of an unknown kind.
        """
        model, report = self._load("AutoModel", output_loading_info=True)
        # Heads that this package does not use may be absent; anything else would be random.
        absent = [key for key in report["missing_keys"] if "pooler" not in key]
        if absent:
            raise CheckpointError(
                f"The weights of {self.name} lack {len(absent)} tensors, as {min(absent)}",
                "Download the model again, or choose one saved with all its layers.",
            )
        return model.float().eval().to(device)

    def image_processor(self) -> Foreign:
        """The model's own preprocessing, on Pillow (torchvision is not needed).

        Raises:
            MissingExtra: without PyTorch and transformers.
            CheckpointError: where it is absent or damaged.
        """
        _, transformers = open_torch()
        modern = int(transformers.__version__.split(".")[0]) >= 5
        return self._load("AutoImageProcessor", **({"backend": "pil"} if modern else _SLOW))

    def tokenizer(self) -> Foreign:
        """The model's tokeniser.

        Raises:
            MissingExtra: without PyTorch and transformers.
            CheckpointError: where it is absent, damaged, or has no fast version.
        """
        tokenizer = self._load("AutoTokenizer")
        if not tokenizer.is_fast:
            raise CheckpointError(
                f"The tokeniser of {self.name} has no fast version",
                "Save it with a tokenizer.json, or choose another model.",
            )
        return tokenizer

    def _load(self, factory: str, **options: Foreign) -> Foreign:
        _, transformers = open_torch()
        try:
            return getattr(transformers, factory).from_pretrained(
                str(self.name),
                revision=self.revision or "main",
                local_files_only=self.offline or Path(self.name).is_dir(),
                **options,
            )
        except _LOADING_FAILURES as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise CheckpointError(
                f"The model {self.name} cannot be loaded ({reason})", self._remedy()
            ) from error

    def _remedy(self) -> str:
        if Path(self.name).is_dir():
            return "Give a folder written by save_pretrained, with config.json and weights."
        revision = f" --revision {self.revision}" if self.revision else ""
        return (
            f"With a connection, run: hf download {self.name}{revision} (gated models: hf auth "
            "login first), or give the path of a local folder."
        )


def weights_digest(model: Foreign) -> str:
    """A digest of all weights: equal for equal weights, wherever they were loaded from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
    return digest.hexdigest()[:16]


_SLOW = {"use_fast": False}
_LOADING_FAILURES = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError)
