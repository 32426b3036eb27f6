"""Contrastive training of a dual encoder on your own pairs (section 3.3, docs/guide/training.md).

Symmetric InfoNCE with a learned temperature, where equal captions and images of one study are
positives of each other; AdamW with warm-up and a cosine; R@k on other patients after each epoch
chooses the weights, and the held-out part is measured once, at the end.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from mmedrag.checkpoint import Checkpoint, write_checkpoint
from mmedrag.durability import write_durably
from mmedrag.encoders.fusion import LearnedFusion, load_fusion
from mmedrag.errors import CheckpointError, QueryError
from mmedrag.measures.cosines import unit_rows
from mmedrag.progress import Log
from mmedrag.training.backbones import Backbones, Freeze, open_backbones, write_backbones
from mmedrag.training.features import cached_rows, image_rows, text_rows
from mmedrag.training.journal import Epoch, best_of, draw_curves, is_over, read_log, write_log
from mmedrag.training.learner import Learner
from mmedrag.training.recalls import Recalls, measure_recalls
from mmedrag.training.run_state import STATE, RunState, read_state, write_state
from mmedrag.training.schedule import Schedule
from mmedrag.training.splits import Split, patient_codes, positive_groups, read_split_pairs
from mmedrag.training.towers import FrozenTower, ImageTower, TextTower, Tower
from mmedrag.types import Case, Matrix

EPOCHS, BATCH, MICRO = 40, 512, 32
PATIENCE = 10
"""Epochs without a better recall after which training stops."""

DIM = 256
"""The width of the shared space (section 3.3)."""

REPORT = "report.json"
"""Written last: a folder that has it holds a finished run."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedEncoders:
    """Where the result is, what was measured on the held-out part, and how it came about.

    ``figures`` is the JSON of ``into/report.json``; ``serve`` are the ``--model`` options.
    """

    into: Path
    split: Split
    epochs: tuple[Epoch, ...]
    figures: Mapping[str, Any]
    serve: Mapping[str, str]

    def __str__(self) -> str:
        """The figures with their intervals, and how to use the result."""
        recalls, ends = self.figures["val"], self.figures["ci95"]
        rows = [
            f"{direction.replace('_', ' '):<14}"
            + "".join(
                f"  {rank} {100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
                for rank, value in ranks.items()
                for low, high in [ends[direction][rank]]
            )
            for direction, ranks in recalls.items()
        ]
        cases, chance = self.figures["cases"]["val"], self.figures["chance@1"]
        options = " ".join(f"--model {role}={folder}" for role, folder in self.serve.items())
        return "\n".join(
            [
                f"held out: {cases} pairs of {self.figures['patients']} patients, "
                f"chance of R@1 {100 * chance:.1f} %; epoch {self.figures['best_epoch'] + 1}",
                *rows,
                f"use it: mmedrag index … --preset {self.figures['settings']['preset']} {options}",
            ]
        )


def train_contrastive(
    paths: Sequence[Path],
    into: Path,
    *,
    preset: str = "offline",
    models: Mapping[str, str] | None = None,
    epochs: int = EPOCHS,
    batch: int = BATCH,
    micro: int = MICRO,
    freeze: Freeze = "both",
    splits: Path | None = None,
    seed: int = 0,
    resume: bool = False,
    log: Log = lambda line: None,
    on_epoch: Callable[[Epoch], object] = lambda epoch: None,
) -> TrainedEncoders:
    """Train heads, and the encoders that are not frozen, on records of the native format.

    Writes ``heads`` (a fusion), ``image`` and ``text`` where they were fine-tuned, ``splits.json``,
    ``log.jsonl``, ``curves.svg``, ``report.json`` and what ``resume`` needs. The same seed gives
    the same weights on the same machine.

    Args:
        paths: files or folders of records; those with an image and a text are used.
        into: a folder, which must not hold a finished run.
        preset: whose encoders are joined: ``offline``, ``paper`` or ``paper-resnet50``.
        models: by role, hub ids or folders that replace the preset's own.
        epochs: at most; it stops earlier where :data:`PATIENCE` of them bring nothing.
        batch: items that are each other's negatives.
        micro: items of a batch held in memory at a time where an encoder is fine-tuned.
        freeze: the encoders that are not fine-tuned.
        splits: a split file, in place of the records' own parts.
        seed: of the split, weights, batches, dropout and augmentation.
        resume: go on with the run that ``into`` holds.
        log: given a line on each thing done.
        on_epoch: given every epoch.

    Raises:
        CorpusError: where records or split cannot be read.
        LeakError: where the parts are tied to each other; it names the pairs.
        QueryError: for an impossible setting.
        ModelError: where an encoder cannot be loaded, or the run not resumed.
    """
    _check_settings(epochs=epochs, batch=batch, micro=micro)
    _check_free(into, resume)
    split = read_split_pairs(
        paths, into, splits=into / "splits.json" if resume else splits, seed=seed, log=log
    )
    log(f"{split}; no patient, study, picture or long text is on two sides")
    backbones = open_backbones(preset, models or {}, freeze)
    schedule = Schedule(epochs, batch, micro if backbones.tuned else batch)
    learner = _learner(backbones, split, into, schedule, seed)
    settings = {"preset": preset, "epochs": epochs, "batch": batch, "freeze": freeze, "seed": seed}
    done = _fit(learner, split, into, settings, resume, on_epoch)
    fusion, served = _write(learner, backbones, split, into, settings)
    recalls = _recalls(fusion, served, split.held_out, into)
    figures = _figures(recalls, split, done, settings)
    draw_curves(into, done)
    write_durably(into / REPORT, json.dumps(figures, indent=2) + "\n")
    roles = (*served.tuned, "heads")
    return TrainedEncoders(
        into, split, tuple(done), figures, {role: str(into / role) for role in roles}
    )


def _learner(
    backbones: Backbones, split: Split, into: Path, schedule: Schedule, seed: int
) -> Learner:
    cases = (*split.train, *split.tune)
    return Learner(
        *_towers(backbones, cases, into / "features", seed),
        positive_groups(cases),
        range(len(split.train)),
        schedule,
        dim=DIM,
        seed=seed,
        device=backbones.device,
    )


def _towers(
    backbones: Backbones, cases: Sequence[Case], cache: Path, seed: int
) -> tuple[Tower, Tower]:
    images, texts = backbones.images, backbones.texts
    one: Tower = (
        ImageTower(images, cases, seed)  # type: ignore[arg-type]
        if "image" in backbones.tuned
        else FrozenTower(_image_rows(backbones, cases, cache), backbones.device)
    )
    other: Tower = (
        TextTower(texts, cases)  # type: ignore[arg-type]
        if "text" in backbones.tuned
        else FrozenTower(_text_rows(backbones, cases, cache), backbones.device)
    )
    return one, other


def _fit(
    learner: Learner,
    split: Split,
    into: Path,
    settings: Mapping[str, Any],
    resume: bool,
    on_epoch: Callable[[Epoch], object],
) -> list[Epoch]:
    """Train to the last epoch or until it brings nothing; the learner then has the best weights."""
    done: list[Epoch] = []
    best = learner.state()
    if resume:
        state = read_state(into / "state", settings)
        done = read_log(into)[: state.epochs]
        learner.set_state(state.weights)
        learner.set_moments(state.moments)
        best = dict(state.best)
    tune = range(len(split.train), len(split.train) + len(split.tune))
    groups = positive_groups(split.tune)
    while len(done) < settings["epochs"] and not is_over(done, PATIENCE):
        started, number = perf_counter(), len(done)
        loss = learner.learn(number)
        recalls = measure_recalls(*learner.embed(tune), groups)
        done.append(_epoch(number, loss, learner, recalls, perf_counter() - started))
        if best_of(done) is done[-1]:
            best = {name: tensor.clone() for name, tensor in learner.state().items()}
        write_log(into, done)
        write_state(
            into / "state",
            RunState(len(done), settings, learner.state(), learner.moments(), best),
        )
        on_epoch(done[-1])
    learner.set_state(best)
    return done


def _epoch(number: int, loss: float, learner: Learner, recalls: Recalls, seconds: float) -> Epoch:
    temperature = 1 / float(learner.heads.scale.detach())
    return Epoch(
        epoch=number,
        loss=round(loss, 6),
        temperature=round(temperature, 6),
        recall=recalls.mean,
        tune=recalls.figures(),
        seconds=round(seconds, 2),
    )


def _write(
    learner: Learner,
    backbones: Backbones,
    split: Split,
    into: Path,
    settings: Mapping[str, Any],
) -> tuple[LearnedFusion, Backbones]:
    """Heads and fine-tuned encoders, read back as a preset reads them."""
    for role in ("heads", "image", "text"):  # what a run that was ended while it wrote has left
        shutil.rmtree(into / role, ignore_errors=True)
    served = write_backbones(backbones, into)
    checkpoint = Checkpoint(
        kind="fusion",
        tensors=learner.heads.tensors(),
        encoders={"image": served.images.fingerprint, "text": served.texts.fingerprint},
        training_data=sorted({case.id.partition("/")[0] for case in split.train}),
        settings={
            "strategy": "contrastive",
            "image_dim": served.images.dim,
            "text_dim": served.texts.dim,
            "dim": DIM,
            **settings,
        },
    )
    write_checkpoint(into / "heads", checkpoint)
    fusion = load_fusion(
        into / "heads",
        image_encoder=served.images.fingerprint,
        text_encoder=served.texts.fingerprint,
    )
    return fusion, served


def _recalls(
    fusion: LearnedFusion, served: Backbones, cases: Sequence[Case], into: Path
) -> Recalls:
    """R@k of what was written, by the way a preset takes."""
    images = _image_rows(served, cases, into / "features")
    texts = _text_rows(served, cases, into / "features")
    there, absent = np.ones(len(cases), np.bool_), np.zeros(len(cases), np.bool_)
    return measure_recalls(
        unit_rows(fusion.fuse(images, None, there, absent)),
        unit_rows(fusion.fuse(None, texts, absent, there)),
        positive_groups(cases),
    )


def _figures(
    recalls: Recalls, split: Split, done: Sequence[Epoch], settings: Mapping[str, Any]
) -> dict[str, Any]:
    patients = patient_codes(split.held_out)
    return {
        "settings": dict(settings),
        "cases": {"train": len(split.train), "tune": len(split.tune), "val": len(split.held_out)},
        "patients": len(np.unique(patients)),
        "best_epoch": best_of(done).epoch,
        "chance@1": round(recalls.chance, 4),
        "val": recalls.figures(),
        "ci95": recalls.intervals(patients),
    }


def _image_rows(backbones: Backbones, cases: Sequence[Case], cache: Path) -> Matrix:
    encoder = backbones.images
    return cached_rows(cache, encoder.fingerprint, cases, lambda c: image_rows(c, encoder))


def _text_rows(backbones: Backbones, cases: Sequence[Case], cache: Path) -> Matrix:
    encoder = backbones.texts
    return cached_rows(cache, encoder.fingerprint, cases, lambda c: text_rows(c, encoder))


def _check_free(into: Path, resume: bool) -> None:
    if (into / REPORT).exists():
        raise CheckpointError(f"{into} holds a finished run", "Choose another folder.")
    if not resume and ((into / "heads").exists() or (into / "state" / STATE).exists()):
        raise CheckpointError(
            f"{into} holds a run already", "Choose another folder, or go on with --resume."
        )


def _check_settings(**least_one: int) -> None:
    for name, value in least_one.items():
        if value < 1 or (name == "batch" and value < 2):
            raise QueryError(f"{name} is {value}", f"Give at least {2 if name == 'batch' else 1}.")
