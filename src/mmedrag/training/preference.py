"""The recipe of the reward model (section 3.6), and preference data for tuning a generator.

``mmedrag train preference`` mines right and wrong contexts (:mod:`mmedrag.training.contexts`), fits
a scorer to them (:mod:`mmedrag.training.bradley_terry`), measures it on patients held out, and
writes the checkpoint. The same pairs can be written for direct preference optimisation (Rafailov et
al. 2023), which the paper's future work asks for (RAG-PT).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from mmedrag.assembly import dictionary
from mmedrag.datasets.records import write_rows
from mmedrag.datasets.ties import set_name
from mmedrag.definitions import Dictionary
from mmedrag.locations import Location
from mmedrag.measures.probabilities import auroc, calibration_bins
from mmedrag.presets import Stages, build
from mmedrag.progress import Progress, silent
from mmedrag.reward.checkpoint import save_reward
from mmedrag.training.bradley_terry import (
    EPOCHS,
    FittedReward,
    Numbers,
    fit_context,
    fit_pair,
    preferences,
    rewards_of,
    right_of,
)
from mmedrag.training.candidates import Candidates, embed_candidates, read_split_cases
from mmedrag.training.contexts import Example, Miner
from mmedrag.training.feedback import judged
from mmedrag.training.splits import Split
from mmedrag.types import Definition

Mode: TypeAlias = Literal["pair", "context"]

RECORDS = 100
"""Records taken of each file and split."""

ASKING = {"train": 600, "calibration": 250, "test": 250}
"""Records of each part that ask questions."""

ASK_OF_IMAGE = "What does the image show?"
"""The prompt of a question that is an image alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Mined:
    """The examples of each part, and the pool that the test's were mined from."""

    train: list[Example]
    calibration: list[Example]
    test: list[Example]
    held_out: Candidates


def train_preference(
    paths: Sequence[Path],
    into: Path,
    *,
    preset: str = "offline",
    models: Mapping[str, str] | None = None,
    mode: Mode = "pair",
    export_to: Path | None = None,
    epochs: int = EPOCHS,
    seed: int = 0,
    splits: Path | None = None,
    feedback: Sequence[Location] = (),
    progress: Progress = silent,
) -> dict[str, float]:
    """Train a reward model, measure it on held-out patients, and write it.

    Args:
        paths: files of the native format, or their folders.
        into: the checkpoint's folder, which must not exist yet.
        preset: whose embedder, classifier and text encoder it is for.
        models: that replace the preset's own, by role.
        mode: ``pair`` sees the question, ``context`` is the paper's.
        export_to: also write the training pairs there (:func:`export`).
        epochs: of training.
        seed: of every draw.
        splits: a split file (train, tune to calibrate on, val) in place of drawing. The split that
            was used is written beside ``into``.
        feedback: casebases whose readers' verdicts are learned from too, beside the mined examples.
        progress: told how many more records are embedded or have asked.

    Returns:
        What was measured, by name.

    Raises:
        CorpusError: where the records cannot be read or give no pairs, or a casebase has no
            feedback.
        CasebaseError: where one of ``feedback`` cannot be opened.
        CheckpointError: where the folder exists or cannot be written.
        ModelError: where the preset cannot be loaded.
    """
    stages, definitions = build(preset, models), dictionary()
    into = Path(into)
    used = into.with_name(f"{into.name}.splits.json")
    split = read_split_cases(paths, RECORDS, seed, splits=splits, write=used)
    mined = mine(split, stages, definitions, seed=seed, progress=progress)
    for casebase in feedback:
        first = 1 + max((example.number for example in mined.train), default=-1)
        mined.train.extend(judged(casebase, stages.embedder, stages.classifier, definitions, first))
    if export_to is not None:
        export(mined.train, export_to)
    trained = fit(mined, stages, definitions, mode, epochs=epochs, seed=seed)
    metrics = measure(rewards_of(trained.scorer, mined.test), mined.test)
    save_reward(
        into,
        trained.scorer,
        tau=trained.tau,
        encoder=stages.embedder.fingerprint,
        trained_on=[set_name(path) for path in paths],
        metrics={**metrics, "final loss": round(float(trained.losses[-1]), 4)},
    )
    return metrics


def mine(
    split: Split,
    stages: Stages,
    definitions: Dictionary,
    *,
    share: float = 1.0,
    seed: int = 0,
    progress: Progress = silent,
) -> Mined:
    """Embed every part and mine it by itself.

    ``share`` is that of the records of :data:`ASKING` that ask.
    """
    embedder, classifier = stages.embedder, stages.classifier
    mined: dict[str, tuple[Candidates, list[Example]]] = {}
    for name, cases in (
        ("train", split.train),
        ("calibration", split.tune),
        ("test", split.held_out),
    ):
        candidates = embed_candidates(cases, embedder, definitions, progress)
        miner = Miner(
            candidates, embedder, classifier, definitions, held_out=name == "test", seed=seed
        )
        mined[name] = candidates, miner.mine(max(1, round(share * ASKING[name])), progress)
    held_out, test = mined["test"]
    return Mined(mined["train"][1], mined["calibration"][1], test, held_out)


def fit(
    mined: Mined,
    stages: Stages,
    definitions: Dictionary,
    mode: Mode,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
) -> FittedReward:
    """Fit a scorer of that mode to the training part, with τ of the calibration part."""
    train, calibration = mined.train, mined.calibration
    if mode == "context":
        return fit_context(train, calibration, stages.texts.encode, epochs=epochs, seed=seed)
    return fit_pair(train, calibration, definitions.concepts, epochs=epochs, seed=seed)


def measure(rewards: Numbers, examples: Sequence[Example]) -> dict[str, float]:
    """Pairwise accuracy within questions, AUROC over all, and expected calibration error.

    ``rewards`` is float64 ``(n,)``.
    """
    right, pairs = right_of(examples), preferences(examples)
    better, worse = rewards[pairs[:, 0]], rewards[pairs[:, 1]]
    won = (better > worse) + 0.5 * (better == worse)
    return {
        "pairwise accuracy": round(float(np.mean(won)), 4),
        "AUROC": round(auroc(rewards, right), 4),
        "ECE": round(calibration_bins(rewards, right).error, 4),
        "examples": len(examples),
    }


def export(examples: Sequence[Example], path: Path) -> int:
    """Write preference pairs as JSON Lines with ``prompt``, ``chosen`` and ``rejected`` (DPO).

    Pairs whose question has an image also have ``images``, a list with its path. A pair is left
    out where a side has no text, or where both sides have the same.

    Returns:
        How many pairs were written.

    Raises:
        CorpusError: where the file cannot be written.
    """
    rows = []
    for i, j in preferences(examples).tolist():
        chosen, rejected = (_evidence_text(examples[index]) for index in (i, j))
        if chosen and rejected and chosen != rejected:
            query = examples[i].question.query
            row = {"prompt": query.text or ASK_OF_IMAGE, "chosen": chosen, "rejected": rejected}
            shown = {} if query.image is None else {"images": [str(query.image)]}
            kinds = {"chosen_kind": examples[i].kind, "rejected_kind": examples[j].kind}
            rows.append(row | shown | kinds)
    return write_rows(rows, path)


def _evidence_text(example: Example) -> str:
    item = example.evidence.item
    return f"{item.term}: {item.text}" if isinstance(item, Definition) else item.text.strip()
