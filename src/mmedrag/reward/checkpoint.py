"""The reward model on disk (section 3.6): a checkpoint of kind ``reward``.

Its settings name the scorer, the features, the calibration, τ, and what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmedrag.checkpoint import (
    Checkpoint,
    Fields,
    Tensors,
    read_checkpoint,
    require_fields,
    write_checkpoint,
)
from mmedrag.errors import CheckpointError, QueryError
from mmedrag.protocols import Ontology
from mmedrag.reward.pair_features import FEATURES
from mmedrag.reward.scorers import (
    RANK_COST,
    Calibration,
    ContextScorer,
    PairScorer,
    RewardFilter,
    RewardHead,
    Scorer,
    TextEncoder,
)

KIND = "reward"

ROLE = "dual"
"""Under which a checkpoint records the dual encoder of section 3.3."""

_SETTINGS: Fields = {
    "scorer": str,
    "features": list,
    "embedding_dim": int,
    "tau": (int, float),
    "calibration": dict,
    "metrics": dict,
}
_CALIBRATION: Fields = {"scale": (int, float), "shift": (int, float)}


def save_reward(
    path: Path,
    scorer: ContextScorer | PairScorer,
    *,
    tau: float,
    encoder: str,
    trained_on: Sequence[str],
    metrics: Mapping[str, float],
) -> None:
    """Write a reward model to a new folder, which appears whole or not at all.

    Args:
        path: the folder, which must not exist yet.
        scorer: what was trained.
        tau: the threshold that was chosen on validation data.
        encoder: fingerprint of the embedder whose similarities and vectors it was trained with.
        trained_on: names of the sets it was trained on, for the reader.
        metrics: what was measured, by name, for the reader.

    Raises:
        CheckpointError: if the folder exists or cannot be written.
        QueryError: if ``tau`` is not in 0 ≤ τ ≤ 1.
    """
    RewardFilter(scorer, tau)  # refuses a tau out of range
    pair = isinstance(scorer, PairScorer)
    settings = {
        "scorer": "pair" if pair else "context",
        "features": list(FEATURES) if pair else [],
        "embedding_dim": scorer.embedding_dim if isinstance(scorer, PairScorer) else 0,
        "tau": tau,
        "calibration": {"scale": scorer.calibration.scale, "shift": scorer.calibration.shift},
        "metrics": dict(metrics),
    }
    checkpoint = Checkpoint(
        kind=KIND,
        tensors=_tensors(scorer.head),
        encoders={ROLE: encoder},
        training_data=trained_on,
        settings=settings,
    )
    write_checkpoint(path, checkpoint)


def load_reward(
    path: Path,
    encode: TextEncoder | None = None,
    encoder: str | None = None,
    ontology: Ontology | None = None,
) -> RewardFilter:
    """Open what :func:`save_reward` wrote, checking all of it.

    Args:
        path: the folder.
        encode: f_BERT, which a model of kind ``context`` needs.
        encoder: fingerprint of the embedder in use; where given, it must be the recorded one.
        ontology: of the dictionaries in use, which a model of kind ``pair`` reads with.

    Raises:
        UntrainedError: if there is no checkpoint, or it is marked as untrained.
        CheckpointError: if a file is damaged, of another format, or does not fit.
    """
    checkpoint = read_checkpoint(path, KIND)
    checkpoint.require_settings(_SETTINGS)
    require_fields(checkpoint.encoders, {ROLE: str}, f"The reward model {path}")
    if encoder is not None:
        checkpoint.require_encoder(ROLE, encoder)
    scorer = _scorer(path, checkpoint, encode, ontology)
    try:
        rank_cost = RANK_COST if isinstance(scorer, PairScorer) else math.inf
        return RewardFilter(scorer, checkpoint.settings["tau"], rank_cost)
    except QueryError as error:
        raise _bad(f"The reward model {path} has a bad value: {error.what}") from None


def _scorer(
    path: Path,
    checkpoint: Checkpoint,
    encode: TextEncoder | None,
    ontology: Ontology | None,
) -> Scorer:
    settings, head = checkpoint.settings, _head(checkpoint)
    calibration = _calibration(path, settings["calibration"])
    if settings["scorer"] == "context":
        if encode is None:
            raise CheckpointError(
                f"The reward model {path} scores texts and was given no text encoder",
                f"Load it with that of {checkpoint.encoders[ROLE]}.",
            )
        return ContextScorer(encode, head, calibration)
    dim = settings["embedding_dim"]
    if settings["scorer"] != "pair" or dim < 0 or head.width != len(FEATURES) + 4 * dim:
        raise _bad(f"The reward model {path} has a scorer or a width that does not fit")
    if tuple(settings["features"]) != FEATURES:
        raise _bad(f"The reward model {path} was trained with other features than this version's")
    return PairScorer(head, calibration, dim, ontology)


def _calibration(path: Path, values: Mapping[str, Any]) -> Calibration:
    require_fields(values, _CALIBRATION, f"The calibration of the reward model {path}")
    try:
        return Calibration(float(values["scale"]), float(values["shift"]))
    except OverflowError:  # JSON has integers of any length
        raise _bad(f"The calibration of the reward model {path} is too large") from None


def _head(checkpoint: Checkpoint) -> RewardHead:
    tensors = checkpoint.tensors
    layout = {"output": (0,), "bias": (1,)} | {
        name: tensors[name].shape for name in ("output", "hidden", "hidden_bias") if name in tensors
    }
    checkpoint.require(layout)
    bias = float(tensors["bias"][0])
    return RewardHead(tensors["output"], bias, tensors.get("hidden"), tensors.get("hidden_bias"))


def _tensors(head: RewardHead) -> Tensors:
    tensors = {"output": head.output, "bias": np.array([head.bias], dtype=np.float32)}
    if head.hidden is not None and head.hidden_bias is not None:
        tensors |= {"hidden": head.hidden, "hidden_bias": head.hidden_bias}
    return tensors


def _bad(what: str) -> CheckpointError:
    return CheckpointError(what, "Train the reward model again, or get the checkpoint anew.")
