"""Reward models on the same contexts: ``python benchmarks/reward_models.py ../shared/data FOLDER``.

The model that ships and those of the folders (``mmedrag train preference``) judge contexts that the
glossary and the recogniser of today give, of patients whom none has learned from and of whole sets
that none has learned from (the role ``unseen`` of ``recipes/paper.toml``). Intervals of differences
are of the paired bootstrap over the patients who ask.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "recipes"))
import shipped_weights

from mmedrag.datasets.corpus import codes, patient_of
from mmedrag.definitions import Dictionary, glossary
from mmedrag.measures.probabilities import auroc, calibration_bins
from mmedrag.presets import MODELS, Stages, build
from mmedrag.reward.checkpoint import load_reward
from mmedrag.reward.scorers import RewardFilter
from mmedrag.training.bradley_terry import preferences, rewards_of, right_of
from mmedrag.training.candidates import embed_candidates, read_split_cases
from mmedrag.training.contexts import Example, Miner
from mmedrag.training.preference import ASKING, RECORDS, measure
from mmedrag.types import Case

PAPER = Path(__file__).parents[1] / "recipes" / "paper.toml"
FIGURES = ("pairwise accuracy", "AUROC", "ECE")
SAMPLES = 500
SEED = 0


def examples_of(cases: Sequence[Case], stages: Stages, definitions: Dictionary) -> list[Example]:
    """Contexts as ``train preference`` mines those that it measures on."""
    candidates = embed_candidates(cases, stages.embedder, definitions)
    miner = Miner(
        candidates, stages.embedder, stages.classifier, definitions, held_out=True, seed=SEED
    )
    return miner.mine(ASKING["test"])


def of_patients(files: Sequence[Path]) -> Sequence[Case]:
    """The patients whom ``train preference`` holds out."""
    return read_split_cases(files, RECORDS, SEED).held_out


def of_sets(files: Sequence[Path]) -> Sequence[Case]:
    """A sample of whole sets."""
    split = read_split_cases(files, RECORDS, SEED)
    return (*split.train, *split.tune, *split.held_out)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Which contexts are right and who asked, pairs of them, and the rewards of a model."""

    right: np.ndarray
    patients: np.ndarray
    pairs: np.ndarray
    rewards: np.ndarray

    @classmethod
    def by(cls, model: RewardFilter, examples: Sequence[Example]) -> Judged:
        """The examples, as a model judges them."""
        patients = codes(patient_of(e.anchor) for e in examples)
        return cls(
            right_of(examples),
            patients,
            preferences(examples),
            rewards_of(model.scorer, examples),
        )

    def figures(self, times: np.ndarray) -> np.ndarray:
        """:data:`FIGURES` where every patient counts so many times, ``(3,)``."""
        rows = np.repeat(np.arange(len(self.right)), times[self.patients])
        better, worse = self.rewards[self.pairs].T
        won = (better > worse) + 0.5 * (better == worse)
        weights = times[self.patients[self.pairs[:, 0]]]
        rewards, right = self.rewards[rows], self.right[rows]
        return np.array([
            np.average(won, weights=weights),
            auroc(rewards, right),
            calibration_bins(rewards, right).error,
        ])  # fmt: skip


def differences(old: Judged, new: Judged) -> Iterator[str]:
    """Each figure of both, and what the new one has more, with its interval."""
    n = int(old.patients.max()) + 1
    rng = np.random.default_rng(SEED)
    drawn = rng.multinomial(n, np.full(n, 1.0 / n), SAMPLES)
    sampled = np.array([new.figures(times) - old.figures(times) for times in drawn])
    low, high = np.quantile(sampled, [0.025, 0.975], axis=0)
    once = np.ones(n, np.int64)
    for i, (a, b) in enumerate(zip(old.figures(once), new.figures(once), strict=True)):
        yield f"{FIGURES[i]} {a:.4f} -> {b:.4f} ({b - a:+.4f}, {low[i]:+.4f} to {high[i]:+.4f})"


def main() -> None:
    """Mine, judge, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("data", type=Path, metavar="ROOT")
    options.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    options.add_argument("--preset", default="offline")
    given = options.parse_args()
    roles = tomllib.loads(PAPER.read_text("utf-8"))["roles"]
    taught = [shipped_weights.records(given.data, name) for name in shipped_weights.REWARD_SETS]
    unseen = [given.data / Path(name).relative_to("../../shared/data") for name in roles["unseen"]]
    stages, definitions = build(given.preset), glossary()
    shipped = MODELS / ("tuned/reward" if given.preset == "tuned" else "reward")
    models = {
        str(folder): load_reward(
            folder, encoder=stages.embedder.fingerprint, ontology=definitions.concepts
        )
        for folder in (shipped, *given.folders)
    }
    for title, cases in (
        ("held-out patients", of_patients([file for file in taught if file.exists()])),
        ("held-out sets", of_sets([file for file in unseen if file.exists()])),
    ):
        examples = examples_of(cases, stages, definitions)
        judged = {name: Judged.by(model, examples) for name, model in models.items()}
        print(f"\n{title}: {len(cases)} cases, {len(examples)} contexts", flush=True)
        first = judged[str(shipped)]
        for name, found in judged.items():
            print(name, measure(found.rewards, examples), flush=True)
            if found is not first:
                print("  " + "\n  ".join(differences(first, found)), flush=True)


if __name__ == "__main__":
    main()
