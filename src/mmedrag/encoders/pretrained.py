"""Finding and loading pretrained models for PyTorch: a hub id or a local folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from mmedrag.encoders import open_clip
from mmedrag.errors import CheckpointError
from mmedrag.torch_import import Foreign, default_device, open_torch, quiet


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

    @classmethod
    def parse(cls, source: str) -> Pretrained:
        """``"owner/model@revision"``, or a folder (which has no revision)."""
        if Path(source).is_dir():
            return cls(source)
        name, _, revision = source.partition("@")
        return cls(name, revision or None)

    def model(self, device: str | None = None) -> Foreign:
        """The network with weights in float32, ready for inference.

        Args:
            device: ``"cpu"``, ``"cuda"``, …; the GPU where there is one, by default.

        Raises:
            MissingExtra: without PyTorch and transformers.
            CheckpointError: where it is absent, damaged, incomplete, or of an unknown kind.
        """
        torch, _ = open_torch()
        device = device or default_device()
        if (settings := self._open_clip()) is not None:
            return open_clip.open_model(self.name, settings, self._weights()).eval().to(device)
        # Beside PEFT the hub is asked for an adapter, by settings of its own.
        adapter = {"local_files_only": self.offline}
        model, report = self._load("AutoModel", output_loading_info=True, adapter_kwargs=adapter)
        absent = set(report["missing_keys"])
        if used := [key for key in absent if "pooler" not in key]:
            raise CheckpointError(
                f"The weights of {self.name} lack {len(used)} tensors, as {min(used)}",
                "Download the model again, or choose one saved with all its layers.",
            )
        with torch.no_grad():  # a pooler that is not used must not make the digest random
            for key in absent:
                model.state_dict()[key].zero_()
        return model.float().eval().to(device)

    def image_processor(self) -> Foreign:
        """The model's own preprocessing, on Pillow (torchvision is not needed).

        Raises:
            MissingExtra: without PyTorch and transformers.
            CheckpointError: where it is absent or damaged.
        """
        _, transformers = open_torch()
        if (settings := self._open_clip()) is not None:
            return open_clip.image_processor(settings)
        modern = int(transformers.__version__.split(".")[0]) >= 5
        return self._load("AutoImageProcessor", **({"backend": "pil"} if modern else _SLOW))

    def tokenizer(self) -> Foreign:
        """The model's tokeniser.

        Raises:
            MissingExtra: without PyTorch and transformers.
            CheckpointError: where it is absent, damaged, or has no fast version.
        """
        tokenizer = self._tokenizer()
        if not tokenizer.is_fast:
            raise CheckpointError(
                f"The tokeniser of {self.name} has no fast version",
                "Save it with a tokenizer.json, or choose another model.",
            )
        return tokenizer

    def _open_clip(self) -> dict[str, Any] | None:
        """The configuration, where the checkpoint has the layout of OpenCLIP."""
        for name in open_clip.CONFIGS:
            if (path := self._file(name)) is not None:
                return open_clip.read_settings(path)
        return None

    def _weights(self) -> Path:
        for name in open_clip.WEIGHTS:
            if (path := self._file(name)) is not None:
                return path
        raise CheckpointError(
            f"{self.name} has no weights ({' or '.join(open_clip.WEIGHTS)})", self._remedy()
        )

    def _tokenizer(self) -> Foreign:
        """The checkpoint's own, or that which an OpenCLIP configuration names."""
        if (path := self._file(open_clip.CONCH_TOKENIZER)) is not None:
            return open_clip.conch_tokenizer(path)
        settings = self._open_clip()
        if settings is not None and self._file("tokenizer_config.json") is None:
            text = settings["model_cfg"]["text_cfg"]
            named = text.get("hf_tokenizer_name") or text.get("hf_model_name") or _CLIP_TOKENIZER
            return Pretrained(named, offline=self.offline).tokenizer()
        return self._load("AutoTokenizer")

    def _file(self, name: str) -> Path | None:
        """A file of the checkpoint; ``None`` where it has none of that name."""
        _, transformers = open_torch()
        if Path(self.name).is_dir():
            path = Path(self.name) / name
            return path if path.is_file() else None
        try:
            cached: str | None = transformers.utils.cached_file(
                str(self.name),
                name,
                revision=self.revision or "main",
                local_files_only=self.offline,
                _raise_exceptions_for_missing_entries=False,
                _raise_exceptions_for_connection_errors=False,
                _raise_exceptions_for_gated_repo=False,
            )
        except OSError:  # a name that no hub has; loading it says so
            return None
        return None if cached is None else Path(cached)

    def _load(self, factory: str, **options: Foreign) -> Foreign:
        _, transformers = open_torch()
        local = self.offline or Path(self.name).is_dir()
        try:
            with quiet(transformers.utils.logging, bars=local):
                return getattr(transformers, factory).from_pretrained(
                    str(self.name),
                    revision=self.revision or "main",
                    local_files_only=local,
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


_CLIP_TOKENIZER = "openai/clip-vit-base-patch32"
_SLOW = {"use_fast": False}
_LOADING_FAILURES = (
    OSError,
    ValueError,
    RuntimeError,
    KeyError,
    TypeError,
    AttributeError,
    SafetensorError,
)
