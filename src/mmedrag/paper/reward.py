"""The reward model measured on patients held out (section 3.6, eq. 5 and 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmedrag.assembly import dictionary
from mmedrag.datasets.corpus import codes, patient_of
from mmedrag.evaluation.directions import rounded
from mmedrag.measures.bootstrap import interval
from mmedrag.measures.probabilities import Flags, auroc
from mmedrag.paper.reward_effect import Served, effect, serve
from mmedrag.paper.reward_transfer import leave_one_set_out
from mmedrag.presets import build
from mmedrag.progress import Progress, silent
from mmedrag.protocols import ContextFilter
from mmedrag.reward.scorers import KeepAll, PairScorer, RewardFilter, SimilarityThreshold
from mmedrag.training.bradley_terry import (
    FittedReward,
    Indices,
    Numbers,
    preferences,
    rewards_of,
    right_of,
)
from mmedrag.training.candidates import read_split_cases
from mmedrag.training.contexts import OFF_TOPIC, REJECTED, Example
from mmedrag.training.preference import Mined, fit, measure, mine

SCHEMA = "mmedrag-reward/1"
RECORDS = 80
"""Records taken of each file and split: the default keeps the study under three minutes."""

SHARE = 0.4
"""Of the records that ask when the reward model is trained, the share that asks here."""

SERVED = 150
"""Questions asked of the casebase of held-out patients."""

QUERY_AWARE, PAPER, COSINE = "query-aware", "paper", "cosine alone"
FLOOR = float(np.log1p(np.exp(-1.0)))
"""−log σ(1), below which eq. 6 on σ outputs cannot fall: 0.313."""


@dataclass(frozen=True, slots=True, eq=False)
class RewardFigures:
    """The figures of the reward model.

    ``given`` says that the query-aware model was the preset's and not fitted here, ``sizes`` are
    the examples of the three parts, ``rewards`` those of the test part by model, ``(n,)`` each, and
    ``right`` which of them should be kept.
    """

    figures: dict[str, Any]
    given: bool
    sizes: tuple[int, int, int]
    rewards: Mapping[str, Numbers]
    right: Flags


def measure_reward(
    paths: Sequence[Path],
    *,
    preset: str = "offline",
    models: Mapping[str, str] | None = None,
    records: int = RECORDS,
    seed: int = 0,
    progress: Progress = silent,
) -> RewardFigures:
    """Mine preference data, fit both modes on a part of it, and measure them on held-out patients.

    Where the preset has a trained query-aware reward model, that one is measured instead of the one
    fitted here.

    Args:
        paths: files of the native format, or their folders.
        preset: whose stages serve.
        models: by role, in place of the preset's own; ``reward`` is the model to measure.
        records: taken of each file and split.
        seed: of every draw.
        progress: told how many more records are embedded or have asked.

    Raises:
        CorpusError: where the records cannot be read or give no pairs.
        ModelError: where the preset cannot be loaded.
    """
    stages, definitions = build(preset, models), dictionary()
    split = read_split_cases(paths, records, seed)
    mined = mine(split, stages, definitions, share=SHARE, seed=seed, progress=progress)
    shipped = stages.context_filter
    is_trained = isinstance(shipped, RewardFilter) and isinstance(shipped.scorer, PairScorer)
    paper = fit(mined, stages, definitions, "context", seed=seed)
    filters: dict[str, ContextFilter] = {
        "no filter": KeepAll(),
        "cosine above 0.15": SimilarityThreshold(0.15),
        PAPER: RewardFilter(paper.scorer, paper.tau),
        QUERY_AWARE: shipped
        if is_trained
        else _filter(fit(mined, stages, definitions, "pair", seed=seed)),
    }
    rewards = {
        name: rewards_of(context_filter.scorer, mined.test)
        for name, context_filter in filters.items()
        if isinstance(context_filter, RewardFilter)
    }
    rewards[COSINE] = np.array([e.evidence.similarity for e in mined.test])
    served = serve(mined.held_out, mined.test, stages, definitions, SERVED)
    transfer = leave_one_set_out(mined, definitions.concepts, seed=seed)
    return RewardFigures(
        figures=_measured(mined, rewards, filters, served, paper) | {"unseen_sets": transfer},
        given=is_trained,
        sizes=(len(mined.train), len(mined.calibration), len(mined.test)),
        rewards=rewards,
        right=right_of(mined.test),
    )


def _filter(trained: FittedReward) -> RewardFilter:
    return RewardFilter(trained.scorer, trained.tau)


def _measured(
    mined: Mined,
    rewards: Mapping[str, Numbers],
    filters: Mapping[str, ContextFilter],
    served: Sequence[Served],
    paper: FittedReward,
) -> dict[str, Any]:
    """The figures of the section (docs/notes/reward.md)."""
    test = mined.test
    return {
        "schema": SCHEMA,
        "patients": len({patient_of(e.anchor) for e in test}),
        "questions": len({e.number for e in test}),
        "examples": len(test),
        "right": int(right_of(test).sum()),
        "tau": {n: f.tau for n, f in filters.items() if isinstance(f, RewardFilter)},
        "models": {
            name: _whole(of_model, test, name != COSINE) for name, of_model in rewards.items()
        },
        "by_rejected": {kind: _by_kind(kind, test, rewards) for kind in REJECTED},
        "by_question": {name: _by_asking(name, test, rewards) for name in _askings(test)},
        "served": _effects(filters, served),
        "paper_loss": {
            "first": rounded(paper.losses[0]),
            "last": rounded(paper.losses[-1]),
            "floor": rounded(FLOOR),
        },
    }


def _effects(
    filters: Mapping[str, ContextFilter], served: Sequence[Served]
) -> dict[str, dict[str, dict[str, float | None]]]:
    """By form of the question and by filter."""
    forms = dict.fromkeys(one.form for one in served)
    questions = {form: [one for one in served if one.form == form] for form in forms}
    return {
        form: {
            name: {
                key: _json_number(value)
                for key, value in asdict(effect(context_filter, some)).items()
            }
            for name, context_filter in filters.items()
        }
        for form, some in questions.items()
    }


def _whole(rewards: Numbers, test: Sequence[Example], is_probability: bool) -> dict[str, Any]:
    figures: dict[str, Any] = measure(rewards, test)
    if not is_probability:
        figures["ECE"] = None
    pairs = preferences(test)
    patients = codes(patient_of(test[i].anchor) for i in pairs[:, 0].tolist())
    low, high = interval(_won(rewards, pairs)[:, None], patients)[0]
    return figures | {"pairwise accuracy ci95": [rounded(low), rounded(high)]}


def _won(rewards: Numbers, pairs: Indices) -> Numbers:
    better, worse = rewards[pairs[:, 0]], rewards[pairs[:, 1]]
    return np.asarray((better > worse) + 0.5 * (better == worse), np.float64)


def _by_kind(
    kind: str, test: Sequence[Example], rewards: Mapping[str, Numbers]
) -> dict[str, dict[str, float | None]]:
    """Right contexts against the wrong ones of one kind."""
    chosen = np.array([example.right or example.kind == kind for example in test])
    right = right_of(test)
    pairs = np.array([p for p in preferences(test).tolist() if test[p[1]].kind == kind], np.int64)
    pairs = pairs.reshape(-1, 2)
    return {
        name: {
            "pairwise accuracy": _json_number(float(np.mean(_won(of_model, pairs))))
            if len(pairs)
            else None,
            "AUROC": _json_number(auroc(of_model[chosen], right[chosen])),
            "n": int(np.count_nonzero(chosen & ~right)),
        }
        for name, of_model in rewards.items()
    }


def _askings(test: Sequence[Example]) -> list[str]:
    return list(dict.fromkeys(_asking(e) for e in test if e.kind != OFF_TOPIC))


def _asking(example: Example) -> str:
    return f"{example.form}: {example.words}" if example.words else example.form


def _by_asking(
    name: str, test: Sequence[Example], rewards: Mapping[str, Numbers]
) -> dict[str, dict[str, float | None]]:
    """Questions of one form and source of words; off-topic ones stand in ``by_rejected``."""
    rows = [i for i, e in enumerate(test) if e.kind != OFF_TOPIC and _asking(e) == name]
    right = right_of(test)[rows]
    return {
        scorer: {"AUROC": _json_number(auroc(of_model[rows], right)), "n": len(rows)}
        for scorer, of_model in rewards.items()
    }


def _json_number(value: float) -> float | None:
    """Rounded; ``None`` for what there is nothing to measure by, which JSON has no number for."""
    return None if np.isnan(value) else rounded(value)
