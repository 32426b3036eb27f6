"""What agreement of similar cases is worth: judges fitted on trials, counted on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from mmedrag.answers.agreement import LEADS, NORMALITY, PRESENCE, Agreement, Bin, Judge
from mmedrag.types import Reply

FITTED, PATIENTS, SETS = "fitted", "patients held out", "sets held out"
"""Patients that are fitted on, patients kept apart, and sets of which nothing is fitted on."""

SURE = {"presence": 0.96, "normality": 0.99}
"""Share of replies to fitted patients that must be right. Normal studies are few, and more of them
in the sets that are fitted than elsewhere."""

TRUSTED = 0.92
"""Share of replies to patients held out that must be right; else no such reply is given."""

SHARES = (0.0, 0.15, 0.25, 0.35, 0.45, 0.55, 0.7, 0.85)
ODDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
NEVER = 1.01
"""A threshold that no probability reaches."""

LEAST = 20
"""Replies that a threshold must let through, to be believed."""

_STEPS = 30
_DECAY = 1.0


@dataclass(frozen=True, slots=True)
class Trial:
    """A question of yes or no: what the similar cases say, and what is true.

    ``split`` is one of those above.
    """

    kind: str
    split: str
    support: Mapping[str, float]
    affirmed: bool


@dataclass(frozen=True, slots=True)
class Lead:
    """A question of diagnosis: the share of the cases for the first one, whether it is right."""

    kind: str
    share: float
    right: bool


def fit(trials: Sequence[Trial], leads: Sequence[Lead]) -> Agreement:
    """Judges of presence and of normality, and how often a lead is right."""
    return Agreement(
        presence=_judge("presence", trials, PRESENCE),
        normality=_judge("normality", trials, NORMALITY),
        leads={
            kind: _bins([(lead.share, lead.right) for lead in leads if lead.kind == kind], SHARES)
            for kind in LEADS
        },
    )


def _judge(kind: str, trials: Sequence[Trial], features: tuple[str, ...]) -> Judge:
    """Weights and thresholds of the fitted patients, shares of those held out.

    Yes and no count alike, however many questions there are of each. A threshold is the least
    strict one at which :data:`SURE` of the replies to fitted patients are right; where fewer than
    :data:`TRUSTED` are right for patients held out, no such reply is given.
    """
    fitted = [t for t in trials if t.kind == kind and t.split == FITTED]
    apart = [t for t in trials if t.kind == kind and t.split == PATIENTS]
    sure = SURE[kind]
    judge = Judge(features, _weights(fitted, features), NEVER, 1.0 - NEVER, 0.5, 0.5)
    scored = [(judge.probability(t.support), t.affirmed) for t in fitted]
    yes = _threshold(scored, sure)
    no = 1.0 - _threshold([(1.0 - p, not affirmed) for p, affirmed in scored], sure)
    judge = replace(judge, yes=yes, no=no)
    right_yes, right_no = (_right(judge, apart, reply) for reply in (Reply.YES, Reply.NO))
    odds = [(judge.probability(t.support), t.affirmed) for t in apart]
    return replace(
        judge,
        yes=yes if right_yes >= TRUSTED else NEVER,
        no=no if right_no >= TRUSTED else 1.0 - NEVER,
        right_yes=right_yes,
        right_no=right_no,
        odds=_bins(odds, ODDS),
    )


def replied(judge: Judge, trial: Trial) -> Reply:
    """The direct reply to a trial."""
    p = judge.probability(trial.support)
    if trial.support["affirm"] and p >= judge.yes:
        return Reply.YES
    return Reply.NO if trial.support["affirm"] < 1.0 and p <= judge.no else Reply.UNKNOWN


def _right(judge: Judge, trials: Sequence[Trial], reply: Reply) -> float:
    """The share of such replies that are right were yes and no asked for alike."""
    given = [t for t in trials if replied(judge, t) is reply]
    weights = _balanced([t.affirmed for t in trials])
    of = {truth: sum(weights[truth] for t in given if t.affirmed is truth) for truth in weights}
    right = of.get(reply is Reply.YES, 0.0)
    return (right + 1.0) / (sum(of.values()) + 2.0)


def _balanced(affirmed: Sequence[bool]) -> dict[bool, float]:
    """The weight of each trial by its truth, so that both truths weigh alike and 1 on average."""
    count = {truth: affirmed.count(truth) for truth in (True, False)}
    return {truth: len(affirmed) / (2.0 * n) if n else 0.0 for truth, n in count.items()}


def _threshold(scored: Sequence[tuple[float, bool]], sure: float) -> float:
    """The lowest score from which on a share ``sure`` is right; above 1 where there is none."""
    weights = _balanced([good for _, good in scored])
    right = total = 0.0
    best = NEVER
    for n, (score, good) in enumerate(sorted(scored, reverse=True), 1):
        total += weights[good]
        right += weights[good] * good
        if right >= sure * total and n >= LEAST:
            best = score
    return best


def _bins(scored: Sequence[tuple[float, bool]], edges: Sequence[float]) -> list[Bin]:
    rows = [
        [right for value, right in scored if low <= value < high]
        for low, high in pairwise((*edges, 2.0))
    ]
    return [Bin(low, sum(row), len(row)) for low, row in zip(edges, rows, strict=True) if row]


def _weights(trials: Sequence[Trial], features: tuple[str, ...]) -> tuple[float, ...]:
    """Logistic regression by Newton's method with a little decay, both truths weighed alike."""
    if len({t.affirmed for t in trials}) < 2:
        return (0.0,) * (len(features) + 1)
    values = np.array([[t.support[name] for name in features] for t in trials])
    truth = np.array([t.affirmed for t in trials], np.float64)
    weights = _balanced([t.affirmed for t in trials])
    sample = np.array([weights[t.affirmed] for t in trials])
    mean, spread = values.mean(0), values.std(0) + 1e-9
    design = np.hstack([np.ones((len(values), 1)), (values - mean) / spread])
    solution = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-design @ solution))
        curve = (design.T * (sample * p * (1.0 - p))) @ design + _DECAY * np.eye(len(solution))
        solution -= np.linalg.solve(curve, design.T @ (sample * (p - truth)) + _DECAY * solution)
    slopes = solution[1:] / spread
    return (float(solution[0] - slopes @ mean), *map(float, slopes))
