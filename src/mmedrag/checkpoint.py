"""The format of learned parts: a folder with ``weights.safetensors`` and ``config.json``.

``config.json`` names the kind of part, whether it was trained and on what, the encoders whose
features it takes, and the SHA-256 of the weights. Nothing is pickled. See docs/encoders.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from mmedrag.errors import CheckpointError, UntrainedError

FORMAT = 1
WEIGHTS = "weights.safetensors"
CONFIG = "config.json"

Tensors = Mapping[str, NDArray[np.float32]]
"""Weights by name."""

Layout = Mapping[str, tuple[int, ...]]
"""The shape that each tensor must have, by name."""

TRAIN = "Train it and pass the checkpoint's folder (docs/encoders.md), or take a preset without it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A learned part read from its folder, checked against its digest.

    ``encoders`` are the fingerprints of the encoders whose features it was trained on (empty where
    it takes any); ``training_data`` names the sets; ``settings`` are what else the part needs.
    """

    kind: str
    tensors: Tensors
    encoders: Mapping[str, str] = field(default_factory=dict)
    training_data: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    trained: bool = True

    @property
    def fingerprint(self) -> str:
        """Kind and digest of tensors and settings; untrained weights are called so."""
        label = self.kind if self.trained else f"{self.kind}-untrained"
        settings = json.dumps(dict(self.settings), sort_keys=True).encode()
        return f"{label}:{hashlib.sha256(_pack(self.tensors) + settings).hexdigest()[:16]}"

    def require(self, layout: Layout) -> None:
        """Check names and shapes.

        Raises:
            CheckpointError: where a tensor is missing, unknown or of another shape.
        """
        found = {name: t.shape for name, t in self.tensors.items()}
        wrong = sorted(n for n in found.keys() | layout.keys() if found.get(n) != layout.get(n))
        if wrong:
            name = wrong[0]
            raise CheckpointError(
                f"The {self.kind} checkpoint has {name} of shape {found.get(name)}, "
                f"not {layout.get(name)}",
                "It was made for other encoders or sizes; train it again.",
            )

    def require_encoder(self, role: str, fingerprint: str) -> None:
        """Check that the part was trained on the features of this encoder.

        Raises:
            CheckpointError: where it was trained on another's.
        """
        trained_on = self.encoders.get(role)
        if trained_on is not None and trained_on != fingerprint:
            raise CheckpointError(
                f"The {self.kind} was trained on the {role} encoder {trained_on}, "
                f"not {fingerprint}",
                "Use that encoder, or train it again on this one.",
            )


def read_checkpoint(folder: Path, kind: str) -> Checkpoint:
    """Read and check a learned part.

    Raises:
        UntrainedError: where there is no such folder, or its weights are marked as untrained.
        CheckpointError: where its files are damaged, or hold another kind of part.
    """
    folder = Path(folder)
    if not (folder / CONFIG).exists():
        raise UntrainedError(f"There is no trained {kind} at {folder}", TRAIN)
    config = _read_config(folder / CONFIG)
    if config.get("kind") != kind:
        raise CheckpointError(
            f"{folder} holds a {config.get('kind')}, not a {kind}", "Give the right folder."
        )
    if config.get("trained") is not True:
        raise UntrainedError(f"The {kind} at {folder} is marked as untrained", TRAIN)
    return Checkpoint(
        kind=kind,
        tensors=_read_weights(folder / WEIGHTS, str(config.get("sha256"))),
        encoders=dict(config.get("encoders", {})),
        training_data=tuple(config.get("training_data", ())),
        settings=dict(config.get("settings", {})),
    )


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a learned part, whole or not at all (a temporary folder, then a rename).

    Raises:
        CheckpointError: where the folder exists already or cannot be written.
    """
    folder = Path(folder)
    if folder.exists():
        raise CheckpointError(f"{folder} exists already", "Choose another folder, or remove it.")
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    weights = _pack(checkpoint.tensors)
    config = {
        "format": FORMAT,
        "kind": checkpoint.kind,
        "trained": checkpoint.trained,
        "sha256": hashlib.sha256(weights).hexdigest(),
        "encoders": dict(checkpoint.encoders),
        "training_data": list(checkpoint.training_data),
        "settings": dict(checkpoint.settings),
    }
    try:
        temporary.mkdir(parents=True)
        (temporary / WEIGHTS).write_bytes(weights)
        (temporary / CONFIG).write_text(json.dumps(config, indent=2) + "\n", "utf-8")
        temporary.rename(folder)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise CheckpointError(
            f"{folder} cannot be written ({error.strerror})", "Check space and rights."
        ) from None


def random_tensors(layout: Layout, seed: int) -> dict[str, NDArray[np.float32]]:
    """Untrained weights: Glorot-normal matrices, biases of zero, gains of one, small tokens.

    Names that end in ``bias`` start at 0 and those that end in ``gain`` at 1; other vectors are
    drawn with a deviation of 0.02 (Glorot and Bengio 2010; tokens as in BERT).
    """
    random = np.random.default_rng(seed)
    tensors = {}
    for name in sorted(layout):
        shape = layout[name]
        scale = np.sqrt(2 / sum(shape)) if len(shape) == 2 else 0.02
        drawn = random.normal(0.0, scale, shape)
        constant = {"bias": 0.0, "gain": 1.0}.get(name.rsplit(".", 1)[-1])
        values = drawn if constant is None else np.full(shape, constant)
        tensors[name] = values.astype(np.float32)
    return tensors


def _pack(tensors: Tensors) -> bytes:
    ordered = {n: np.ascontiguousarray(tensors[n], dtype=np.float32) for n in sorted(tensors)}
    return bytes(save(ordered))


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read ({error})", "Restore the folder.") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is not a checkpoint of format {FORMAT}",
            "Restore the folder, or update mmedrag if a newer version wrote it.",
        )
    return config


def _read_weights(path: Path, sha256: str) -> dict[str, NDArray[np.float32]]:
    try:
        contents = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror})", "Restore the folder."
        ) from None
    if hashlib.sha256(contents).hexdigest() != sha256:
        raise CheckpointError(f"{path} does not have the digest of its config", "Restore it.")
    try:
        tensors = load(contents)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} is not a safetensors file ({error})", "Restore it."
        ) from None
    if not all(np.isfinite(t).all() for t in tensors.values()):
        raise CheckpointError(f"{path} holds weights that are not finite", "Train it again.")
    return {name: t.astype(np.float32) for name, t in tensors.items()}
