"""Fitting a preset to one's own reports: ``mmedrag adapt`` (sections 3.3 and 3.6).

A casebase holds pairs of image and report. Linear heads are fitted to those of some patients
(:mod:`mmedrag.training.correlation`), how much they count beside the preset is chosen on others,
and a third part, which neither has seen, says whether it helps. Then the reward model and its
threshold are trained on the adapted embedder. Minutes on two cores; no encoder is tuned.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmedrag.assembly import models_of
from mmedrag.checkpoint import Checkpoint, write_checkpoint
from mmedrag.datasets.records import write_records
from mmedrag.durability import write_durably
from mmedrag.encoders.adapted import KIND, Adapted, own_heads
from mmedrag.encoders.dual import DualEncoder
from mmedrag.encoders.fusion import Fusion
from mmedrag.errors import CheckpointError, CorpusError, QueryError
from mmedrag.locations import Location
from mmedrag.measures.bootstrap import PairedTest, paired_test
from mmedrag.measures.cosines import unit_rows
from mmedrag.presets import build
from mmedrag.progress import Log
from mmedrag.stores import open_store
from mmedrag.training.correlation import canonical_heads
from mmedrag.training.features import image_rows, text_rows
from mmedrag.training.preference import train_preference
from mmedrag.training.recalls import Recalls, measure_recalls
from mmedrag.training.splits import (
    HELD_OUT,
    Split,
    draw_split,
    patient_codes,
    positive_groups,
    readable,
    write_used_split,
)
from mmedrag.types import Case, Matrix

FEWEST = 60
"""Pairs below which nothing is fitted: too few to choose by and to report on."""

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Of the own heads, tried on the tuning part."""

DIM = 128


@dataclass(frozen=True, slots=True, eq=False)
class Adaptation:
    """What was written, and what the part that nothing was fitted to says of it.

    ``gain`` compares the mean of R@1, R@5 and R@10 in both directions, adapted less preset;
    ``reward`` are the figures of the reward model, empty where none could be trained.
    """

    into: Path
    preset: str
    models: Mapping[str, str]
    split: Split
    share: float
    before: Recalls
    after: Recalls
    gain: PairedTest
    reward: Mapping[str, float]

    @property
    def figures(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "preset": self.preset,
            "share": self.share,
            "pairs": {
                "train": len(self.split.train),
                "tune": len(self.split.tune),
                "held out": len(self.split.held_out),
            },
            "chance R@1": round(self.before.chance, 4),
            "before": self.before.figures(),
            "after": self.after.figures(),
            "gain": {
                "mean recall": round(self.gain.difference, 4),
                "ci95": [round(end, 4) for end in self.gain.interval],
                "p": round(self.gain.p_value, 4),
            },
            "reward": {name: round(value, 4) for name, value in self.reward.items()},
        }

    def __str__(self) -> str:
        """Before and after, and how to use it."""
        after, rows = self.after.figures(), []
        for direction, ranks in self.before.figures().items():
            changes = (
                f"{k} {100 * v:.1f} -> {100 * after[direction][k]:.1f} %" for k, v in ranks.items()
            )
            rows.append(f"{direction.replace('_', ' '):<14}  " + "  ".join(changes))
        low, high = self.gain.interval
        certain = "" if low > 0 else "; the interval holds 0, so more reports would tell more"
        options = " ".join(f"--model {role}={folder}" for role, folder in self.models.items())
        return "\n".join(
            [
                f"{self.split}; own heads count {100 * self.share:.0f} %",
                *rows,
                f"mean recall {100 * self.gain.difference:+.1f} points "
                f"(95 % interval {100 * low:+.1f} to {100 * high:+.1f}){certain}",
                *[f"reward {name}: {value:.3f}" for name, value in self.reward.items()],
                f"use it: mmedrag index … --preset {self.preset} {options}",
            ]
        )


def adapt(path: Location, into: Path, *, seed: int = 0, log: Log = lambda line: None) -> Adaptation:
    """Fit heads, reward model and threshold to the image-report pairs of a casebase.

    Writes ``into/heads`` (the role ``adapted`` of every preset), ``into/reward``,
    ``into/splits.json`` and ``into/report.json``. The casebase stays as it is.

    Args:
        path: of the casebase, or its URL; the image files that it names must still be there.
        into: a folder that does not exist yet, or holds no adaptation.
        seed: of the split and of the reward model's draws.
        log: told what is done.

    Raises:
        CasebaseNotFound: there is none.
        CorpusError: where too few pairs can be read.
        CheckpointError: where ``into`` holds an adaptation.
        QueryError: where adapting does not help on the patients held out: nothing is written.
    """
    if (into / "heads").exists():
        raise CheckpointError(f"{into} holds an adaptation already", "Choose another folder.")
    with open_store(path, readonly=True) as casebase:
        preset = casebase.preset
        models = {k: v for k, v in models_of(casebase).items() if k not in ("adapted", "reward")}
        cases = _pairs(casebase.cases(), log)
    encoder = build(preset, models).embedder
    if not isinstance(encoder, DualEncoder):
        raise QueryError(f"The preset {preset} has no image and text encoder", "Use another.")
    split = draw_split(cases, seed=seed)
    log(f"{split}; encoding")
    encoded = [_Encoded.of(subset, encoder) for subset in (split.train, split.tune, split.held_out)]
    adapted, checkpoint = _fit(encoded[0], encoded[1], encoder)
    before, after = (_recalls(fusion, encoded[2]) for fusion in (encoder.fusion, adapted))
    gain = paired_test(_by_case(after), _by_case(before), patient_codes(split.held_out))
    if gain.difference <= 0:
        raise QueryError(
            f"Adapting to these {len(cases)} pairs does not help: mean recall on the "
            f"{len(split.held_out)} held out changes by {100 * gain.difference:+.1f} points",
            "Stay with the preset, or try again with more reports.",
        )
    into.mkdir(parents=True, exist_ok=True)
    write_checkpoint(into / "heads", checkpoint)
    names = {"train": split.train, "tune": split.tune, "val": split.held_out}
    write_used_split(into / "splits.json", cases, names, HELD_OUT, seed)
    used = {**models, "adapted": str(into / "heads")}
    log("training the reward model")
    reward = _train_reward(split, into / "reward", preset, used, seed, log)
    if reward:
        used["reward"] = str(into / "reward")
    done = Adaptation(into, preset, used, split, adapted.share, before, after, gain, reward)
    write_durably(into / "report.json", json.dumps(done.figures, indent=2) + "\n")
    return done


@dataclass(frozen=True, slots=True, eq=False)
class _Encoded:
    cases: Sequence[Case]
    images: Matrix
    texts: Matrix

    @classmethod
    def of(cls, cases: Sequence[Case], encoder: DualEncoder) -> _Encoded:
        return cls(cases, image_rows(cases, encoder.images), text_rows(cases, encoder.texts))


def _pairs(cases: Iterator[Case], log: Log) -> list[Case]:
    """The cases with a report and an image that can still be decoded."""
    pairs = readable([c for c in cases if c.image is not None and c.text.strip()], log)
    if len(pairs) < FEWEST:
        raise CorpusError(
            f"Only {len(pairs)} cases have a report and an image file that can be read "
            f"({FEWEST} are needed)",
            "Index more pairs, and keep the image files where they were indexed from.",
        )
    return pairs


def _fit(train: _Encoded, tune: _Encoded, encoder: DualEncoder) -> tuple[Adapted, Checkpoint]:
    """Heads of the training part, with the share that serves the tuning part best."""
    base = encoder.fusion
    ones = np.ones(len(train.cases))
    widest = min(DIM, len(train.cases) // 2, encoder.images.dim, encoder.texts.dim)
    tensors = canonical_heads(train.images, train.texts, ones, dim=widest // 8 * 8)
    width = len(tensors["image.bias"])
    checkpoint = Checkpoint(
        kind=KIND,
        tensors=tensors,
        encoders={
            "image": encoder.images.fingerprint,
            "text": encoder.texts.fingerprint,
            "fusion": base.fingerprint,
        },
        training_data=["the user's own cases"],
        settings={
            "share": 0.5,
            "dim": width,
            "image_dim": encoder.images.dim,
            "text_dim": encoder.texts.dim,
        },
    )
    own = own_heads(checkpoint)
    share = max(SHARES, key=lambda s: _recalls(Adapted(base, own, s), tune).mean)
    checkpoint = replace(checkpoint, settings={**checkpoint.settings, "share": share})
    return Adapted(base, own_heads(checkpoint), share), checkpoint


def _recalls(fusion: Fusion, encoded: _Encoded) -> Recalls:
    """Images ask for reports and reports for images, each by itself, as queries do."""
    there, absent = (np.full(len(encoded.cases), there, np.bool_) for there in (True, False))
    return measure_recalls(
        unit_rows(fusion.fuse(encoded.images, None, there, absent)),
        unit_rows(fusion.fuse(None, encoded.texts, absent, there)),
        positive_groups(encoded.cases),
    )


def _by_case(recalls: Recalls) -> NDArray[np.float64]:
    """The mean over ranks and directions by case, ``(n,)``."""
    rows = [values.mean(axis=1) for values in recalls.by_direction.values()]
    return np.asarray(np.mean(rows, axis=0))


def _train_reward(
    split: Split, into: Path, preset: str, models: Mapping[str, str], seed: int, log: Log
) -> dict[str, float]:
    """A reward model measured on the patients held out; ``{}`` where they give no questions."""
    named = {"train": (*split.train, *split.tune), "val": split.held_out}
    cases = [replace(case, split=name) for name, subset in named.items() for case in subset]
    with tempfile.TemporaryDirectory() as temporary:
        records = Path(temporary) / "cases.jsonl"
        write_records(cases, records)
        try:
            return train_preference([records], into, preset=preset, models=models, seed=seed)
        except CorpusError as error:
            log(f"no reward model: {error}")
            return {}
