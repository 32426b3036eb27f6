"""The reward model on disk (section 3.6): a folder with ``reward.safetensors`` and ``config.json``.

``config.json`` names the kind of scorer, the features and the encoder it was trained with, the
calibration, τ, what it was trained on, what was measured, and the digest of the weights.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from mmedrag.errors import CheckpointError, QueryError
from mmedrag.pair_features import FEATURES
from mmedrag.reward import (
    Calibration,
    ContextScorer,
    Head,
    PairScorer,
    RewardFilter,
    Scorer,
    TextEncoder,
)

FORMAT = 1
"""Version of the folder's layout."""

LARGEST_FILE = 64 * 2**20
"""Bytes; a file that is larger is not one of ours."""

_CONFIG: Mapping[str, type | tuple[type, ...]] = {
    "kind": str,
    "features": list,
    "embedding_dim": int,
    "encoder": str,
    "tau": (int, float),
    "calibration": dict,
    "trained_on": list,
    "metrics": dict,
    "sha256": str,
}


def save_reward(
    path: Path,
    scorer: ContextScorer | PairScorer,
    *,
    tau: float,
    encoder: str,
    trained_on: Sequence[str],
    metrics: Mapping[str, float],
) -> None:
    """Write a reward model to a new folder: ``reward.safetensors`` and ``config.json``.

    The folder appears whole or not at all.

    Args:
        path: the folder, which must not exist yet.
        scorer: what was trained.
        tau: the threshold that was chosen on validation data.
        encoder: fingerprint of the encoder whose vectors it was trained with.
        trained_on: names of the sets it was trained on, for the reader.
        metrics: what was measured, by name, for the reader.

    Raises:
        CheckpointError: if the folder exists or cannot be written.
        QueryError: if ``tau`` is not in 0 ≤ τ ≤ 1.
    """
    RewardFilter(scorer, tau)  # refuses a tau out of range
    weights = save_tensors(_tensors(scorer.head))
    pair = isinstance(scorer, PairScorer)
    config = {
        "format": FORMAT,
        "kind": "pair" if pair else "context",
        "features": list(FEATURES) if pair else [],
        "embedding_dim": scorer.embedding_dim if isinstance(scorer, PairScorer) else 0,
        "encoder": encoder,
        "tau": tau,
        "calibration": {"scale": scorer.calibration.scale, "shift": scorer.calibration.shift},
        "trained_on": list(trained_on),
        "metrics": dict(metrics),
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    text = json.dumps(config, indent=2, ensure_ascii=False).encode()
    _publish(path, {"reward.safetensors": weights, "config.json": text})


def load_reward(
    path: Path, encode: TextEncoder | None = None, encoder: str | None = None
) -> RewardFilter:
    """Open what :func:`save_reward` wrote, checking all of it.

    Args:
        path: the folder.
        encode: f_BERT, which a model of kind ``context`` needs.
        encoder: fingerprint of the encoder in use; where given, it must be the recorded one.

    Raises:
        CheckpointError: if a file is absent, damaged, of another format, or does not fit.
    """
    config = _read_config(path)
    if encoder is not None and encoder != config["encoder"]:
        raise CheckpointError(
            f"The reward model {path} was trained with {config['encoder']}, not {encoder}",
            "Use that encoder, or train the reward model again.",
        )
    head = _read_head(path, config["sha256"])
    if config["calibration"].keys() != {"scale", "shift"}:
        raise _bad(f"{path / 'config.json'} has no proper 'calibration'")
    try:
        calibration = Calibration(**config["calibration"])
        return RewardFilter(_scorer(path, config, head, calibration, encode), config["tau"])
    except (TypeError, QueryError) as error:
        raise _bad(f"{path / 'config.json'} has bad values: {error}") from error


def _scorer(
    path: Path,
    config: Mapping[str, Any],
    head: Head,
    calibration: Calibration,
    encode: TextEncoder | None,
) -> Scorer:
    if config["kind"] == "context":
        if encode is None:
            raise CheckpointError(
                f"The reward model {path} scores texts and was given no text encoder",
                f"Load it with the encoder {config['encoder']}.",
            )
        return ContextScorer(encode, head, calibration)
    dim = config["embedding_dim"]
    if config["kind"] != "pair" or dim < 0 or head.width != len(FEATURES) + 4 * dim:
        raise _bad(f"The reward model {path} has a kind or a width that does not fit")
    if tuple(config["features"]) != FEATURES:
        raise _bad(f"The reward model {path} was trained with other features than this version's")
    return PairScorer(head, calibration, dim)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(_read(path / "config.json"))
    except (ValueError, RecursionError) as error:
        raise _bad(f"{path / 'config.json'} is not JSON") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise _bad(f"{path / 'config.json'} is not a reward model of format {FORMAT}")
    for name, kind in _CONFIG.items():
        if not isinstance(config.get(name), kind) or isinstance(config[name], bool):
            raise _bad(f"{path / 'config.json'} has no proper {name!r}")
    return config


def _read_head(path: Path, sha256: str) -> Head:
    data = _read(path / "reward.safetensors")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise _bad(f"{path / 'reward.safetensors'} is not the file that config.json describes")
    try:
        tensors = load_tensors(data)
    except SafetensorError as error:
        raise _bad(f"{path / 'reward.safetensors'} is damaged: {error}") from error
    if set(tensors) not in ({"output", "bias"}, {"output", "bias", "hidden", "hidden_bias"}):
        raise _bad(f"{path / 'reward.safetensors'} holds {sorted(tensors)}")
    if any(t.dtype != np.float32 for t in tensors.values()) or tensors["bias"].shape != (1,):
        raise _bad(f"{path / 'reward.safetensors'} has tensors of the wrong type or shape")
    bias = float(tensors["bias"][0])
    return Head(tensors["output"], bias, tensors.get("hidden"), tensors.get("hidden_bias"))


def _tensors(head: Head) -> dict[str, NDArray[np.float32]]:
    tensors = {"output": head.output, "bias": [head.bias]}
    if head.hidden is not None:
        tensors |= {"hidden": head.hidden, "hidden_bias": head.hidden_bias}
    return {name: np.ascontiguousarray(t, dtype=np.float32) for name, t in tensors.items()}


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise _bad(f"{file} is larger than {LARGEST_FILE} bytes")
        return file.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"The reward model's {file} cannot be read ({error.strerror})",
            "Give the folder of a trained reward model.",
        ) from error


def _publish(path: Path, files: Mapping[str, bytes]) -> None:
    """Write the files under a temporary name beside ``path``, then rename the folder."""
    building = path.parent / f".{path.name}.{os.getpid()}"
    try:
        if path.exists():
            raise FileExistsError(17, "it exists already")
        building.mkdir(parents=True)
        for name, content in files.items():
            with (building / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        building.rename(path)
    except OSError as error:
        raise CheckpointError(
            f"The reward model cannot be written to {path} ({error.strerror})",
            "Give a new folder on a disk with space.",
        ) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _bad(what: str) -> CheckpointError:
    return CheckpointError(what, "Train the reward model again, or get the checkpoint anew.")
