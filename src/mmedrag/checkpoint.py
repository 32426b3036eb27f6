"""The format of learned parts: a folder with ``weights.safetensors`` and ``config.json``.

``config.json`` names the kind of part, whether it was trained and on what, the encoders whose
features it takes, and the SHA-256 of the weights. Nothing is pickled. See docs/notes/encoders.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from mmedrag.durability import sync_folder, write_durably
from mmedrag.errors import CheckpointError, UntrainedError

FORMAT = 1
WEIGHTS = "weights.safetensors"
CONFIG = "config.json"

LARGEST = {WEIGHTS: 2**30, CONFIG: 2**20}
"""Bytes by file; one that is larger is not ours and is not read."""

Tensors = Mapping[str, NDArray[np.float32]]
"""Weights by name."""

Layout = Mapping[str, tuple[int, ...]]
"""The shape that each tensor must have, by name."""

Fields: TypeAlias = Mapping[str, type | tuple[type, ...]]
"""The type that each field of a config must have, by name."""

_CONFIG: Fields = {
    "kind": str,
    "sha256": str,
    "encoders": dict,
    "training_data": list,
    "settings": dict,
}

TRAIN = (
    "Train it and pass the checkpoint's folder (docs/notes/encoders.md), "
    "or take a preset without it."
)


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
        shapes = {name: t.shape for name, t in self.tensors.items()}
        wrong = sorted(n for n in shapes.keys() | layout.keys() if shapes.get(n) != layout.get(n))
        if wrong:
            name = wrong[0]
            raise CheckpointError(
                f"The {self.kind} checkpoint has {name} of shape {shapes.get(name)}, "
                f"not {layout.get(name)}",
                "It was made for other encoders or sizes; train it again.",
            )

    def require_settings(self, fields: Fields) -> None:
        """Check that the settings of these names are there, of these types.

        Raises:
            CheckpointError: where one is absent or of another type.
        """
        require_fields(self.settings, fields, f"The {self.kind} checkpoint")

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
        CheckpointError: where its files are damaged or too large, or hold another kind of part.
    """
    folder = Path(folder)
    try:
        config = _read_config(folder / CONFIG)
    except FileNotFoundError:
        raise UntrainedError(f"There is no trained {kind} at {folder}", TRAIN) from None
    if config["kind"] != kind:
        raise CheckpointError(
            f"{folder} holds a {config['kind']}, not a {kind}", "Give the right folder."
        )
    if config.get("trained") is not True:
        raise UntrainedError(f"The {kind} at {folder} is marked as untrained", TRAIN)
    return Checkpoint(
        kind=kind,
        tensors=_read_weights(folder / WEIGHTS, config["sha256"]),
        encoders=config["encoders"],
        training_data=tuple(config["training_data"]),
        settings=config["settings"],
    )


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a learned part, whole or not at all (a temporary folder, then a rename).

    Raises:
        CheckpointError: where the folder exists already or cannot be written.
    """
    folder = Path(folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    weights = _pack(checkpoint.tensors)
    files = {WEIGHTS: weights, CONFIG: _config(checkpoint, weights)}
    for name, contents in files.items():
        _check_size(folder / name, len(contents))
    try:
        if folder.exists():
            raise CheckpointError(
                f"{folder} exists already", "Choose another folder, or remove it."
            )
        temporary.mkdir(parents=True)
        for name, contents in files.items():
            write_durably(temporary / name, contents)
        temporary.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise CheckpointError(
            f"{folder} cannot be written ({error.strerror})", "Check space and rights."
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def require_fields(values: Mapping[str, Any], fields: Fields, where: str) -> None:
    """Check that fields read from JSON are there, of these types; ``true`` is not a number.

    Raises:
        CheckpointError: where one is absent or of another type; it names ``where``.
    """
    for name, kind in fields.items():
        value = values.get(name)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise CheckpointError(
                f"{where} has no proper {name!r}", "Restore the folder, or train the part again."
            )


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
        sample = random.normal(0.0, scale, shape)
        constant = {"bias": 0.0, "gain": 1.0}.get(name.rsplit(".", 1)[-1])
        values = sample if constant is None else np.full(shape, constant)
        tensors[name] = values.astype(np.float32)
    return tensors


def _pack(tensors: Tensors) -> bytes:
    ordered = {n: np.ascontiguousarray(tensors[n], dtype=np.float32) for n in sorted(tensors)}
    return bytes(save(ordered))


def _config(checkpoint: Checkpoint, weights: bytes) -> bytes:
    config = {
        "format": FORMAT,
        "kind": checkpoint.kind,
        "trained": checkpoint.trained,
        "sha256": hashlib.sha256(weights).hexdigest(),
        "encoders": dict(checkpoint.encoders),
        "training_data": list(checkpoint.training_data),
        "settings": dict(checkpoint.settings),
    }
    return json.dumps(config, indent=2).encode() + b"\n"


def _read_config(path: Path) -> dict[str, Any]:
    """The config with its fields checked; raises FileNotFoundError where there is none."""
    try:
        config = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON ({error})", "Restore the folder.") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is not a checkpoint of format {FORMAT}",
            "Restore the folder, or update MMedRAG if a newer version wrote it.",
        )
    require_fields(config, _CONFIG, str(path))
    require_fields(config["encoders"], dict.fromkeys(config["encoders"], str), str(path))
    if not all(isinstance(name, str) for name in config["training_data"]):
        raise CheckpointError(f"{path} has no proper 'training_data'", "Restore the folder.")
    return config


def _read_weights(path: Path, sha256: str) -> dict[str, NDArray[np.float32]]:
    try:
        contents = _read(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing", "Restore the folder.") from None
    if hashlib.sha256(contents).hexdigest() != sha256:
        raise CheckpointError(f"{path} does not have the digest of its config", "Restore it.")
    try:
        tensors = load(contents)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} is not a safetensors file ({error})", "Restore it."
        ) from None
    if any(t.dtype != np.float32 for t in tensors.values()):
        raise CheckpointError(f"{path} holds weights that are not float32", "Save them as float32.")
    if not all(np.isfinite(t).all() for t in tensors.values()):
        raise CheckpointError(f"{path} holds weights that are not finite", "Train it again.")
    return tensors


def _read(path: Path) -> bytes:
    try:
        _check_size(path, path.stat().st_size)
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(*error.args) from None
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror})", "Check the path and your rights to it."
        ) from None


def _check_size(path: Path, size: int) -> None:
    if size > LARGEST[path.name]:
        raise CheckpointError(
            f"{path} has {size:,} bytes, more than the {LARGEST[path.name]:,} of a checkpoint",
            "Give the folder of a learned part.",
        )
