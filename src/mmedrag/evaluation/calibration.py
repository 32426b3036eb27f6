"""What agreement of similar cases is worth: judges fitted on trials, counted on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from mmedrag.answers.agreement import (
    LEAD,
    LEADS,
    LEAST_EXPECTED,
    NEVER,
    NORMALITY,
    PRESENCE,
    UNTRIED,
    Absence,
    Agreement,
    Bin,
    Judge,
    is_telling,
)
from mmedrag.types import Reply

FITTED, PATIENTS, SETS = "fitted", "patients held out", "sets held out"
"""Patients that are fitted on, patients kept apart, and sets of which nothing is fitted on."""

STRANGERS = {FITTED: "fitted, source left out", PATIENTS: "held out, source left out"}
"""The same patients as strangers: no case of the source of their image is searched."""

SURE = {"presence": 0.95, "absence": 0.95, "normality": 0.99, "lead": 0.95}
"""Share of replies to fitted patients that must be right. Normal studies are few, and more of them
in the sets that are fitted than elsewhere."""

TRUSTED = {"presence": 0.88, "absence": 0.92, "normality": 0.92, "lead": 0.85}
"""Share of replies to patients held out that must be right; else no such reply is given. A lead is
shown with those behind it and their counts, so that less is asked of it."""

ODDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
EXPECTED = tuple(round(LEAST_EXPECTED + 0.05 * i, 2) for i in range(9))
"""Shares of the records of the similar cases' sources from which on silence may say no."""

NEAREST = (0.0, *(round(0.4 + 0.02 * i, 2) for i in range(26)))
"""Similarities of the nearest case below which a reply may be withheld."""

FAR = 0.05
"""Share of the fitted images whose nearest case is so far that nothing is said of them."""

LEAST = 20
"""Replies that a threshold must let through, to be believed."""

_STEPS = 30
_DECAY = 1.0


@dataclass(frozen=True, slots=True)
class Trial:
    """A question of yes or no: what the similar cases say, and what is true.

    ``split`` is one of those above, ``of`` the set of the image.
    """

    kind: str
    split: str
    support: Mapping[str, float]
    affirmed: bool
    of: str = ""


@dataclass(frozen=True, slots=True)
class Lead:
    """A question of diagnosis, side or grade: what speaks for the first, whether it is right.

    ``kind`` is one of :data:`mmedrag.answers.agreement.LEADS`.
    """

    kind: str
    split: str
    support: Mapping[str, float]
    right: bool


def fit(trials: Sequence[Trial], leads: Sequence[Lead]) -> Agreement:
    """Judges of presence and of normality, and how often a lead is right."""
    return Agreement(
        presence=_judge("presence", trials, PRESENCE),
        normality=_judge("normality", trials, NORMALITY),
        leads={kind: _lead_judge([x for x in leads if x.kind == kind]) for kind in LEADS},
        absence=_absence([t for t in trials if t.kind == "presence"]),
        abnormality=_absence([t for t in trials if t.kind == "normality"]),
        known=_known([t for t in trials if t.split == FITTED]),
    )


def _known(fitted: Sequence[Trial]) -> float:
    """How near a case is at least to all but :data:`FAR` of the fitted images."""
    return float(np.quantile([t.support["nearest"] for t in fitted], FAR)) if fitted else 0.0


def _absence(trials: Sequence[Trial]) -> Absence:
    """The least of :data:`EXPECTED` whose noes are right for fitted patients, and for others.

    They must be right in both halves of the sets, so that no kind of set stands in for another.
    Images farther from all cases than :data:`FAR` of the fitted ones get none, nor do those that
    are as far as strangers to whom it would be wrong.
    """
    fitted, apart = ([t for t in trials if t.split == split] for split in (FITTED, PATIENTS))
    strange = [t for t in trials if t.split == STRANGERS[FITTED]]
    known = _known(fitted)
    for expected in EXPECTED:
        tried = Absence(expected, 0.5)
        wrong = _nearest([(t, not t.affirmed) for t in noes(tried, strange)], SURE["absence"])
        tried = replace(tried, nearest=max(known, wrong))
        judged = [p for p in (fitted, *halves(fitted)) if len(noes(tried, p)) >= LEAST]
        if judged and all(right_noes(tried, p) >= SURE["absence"] for p in judged):
            right = right_noes(tried, apart, prior=1.0)
            return replace(tried, right=right) if right >= TRUSTED["absence"] else UNTRIED
    return UNTRIED


def _nearest(given: Sequence[tuple[Trial, bool]], sure: float) -> float:
    """The least similarity of the nearest case from which on replies to strangers are right."""
    for nearest in NEAREST:
        right = [is_right for t, is_right in given if t.support["nearest"] >= nearest]
        if sum(right) >= sure * len(right):
            return nearest
    return NEVER


def halves(trials: Sequence[Trial]) -> list[list[Trial]]:
    """The trials of every other set by name, and those of the rest."""
    names = sorted({t.of for t in trials})
    return [[t for t in trials if t.of in names[i::2]] for i in (0, 1)]


def noes(absence: Absence, trials: Sequence[Trial]) -> list[Trial]:
    """Those that silence says no to."""
    return [t for t in trials if absence.holds(t.support)]


def right_noes(absence: Absence, trials: Sequence[Trial], prior: float = 0.0) -> float:
    """The share of its noes that are right were yes and no asked for alike; 0.5 of none.

    ``prior`` is how many right and how many wrong ones are taken to have been there before.
    """
    return _share_right(noes(absence, trials), trials, truth=False, prior=prior)


def _judge(kind: str, trials: Sequence[Trial], features: tuple[str, ...]) -> Judge:
    """Weights and thresholds of the fitted patients, shares of those held out.

    Yes and no count alike, however many questions there are of each. A threshold is the least
    strict one at which :data:`SURE` of the replies to fitted patients are right; where fewer than
    :data:`TRUSTED` are right for patients held out, no such reply is given. Yes is said of no image
    that is as far from all cases as strangers are to whom it would be wrong.
    """
    fitted, apart, strange = (
        [t for t in trials if t.kind == kind and t.split == split]
        for split in (FITTED, PATIENTS, STRANGERS[FITTED])
    )
    sure, trusted = SURE[kind], TRUSTED[kind]
    outcomes = [(t.support, t.affirmed) for t in fitted]
    weights = _weights(outcomes, features, _balanced([t.affirmed for t in fitted]))
    judge = Judge(features, weights, NEVER, 1.0 - NEVER, 0.5, 0.5)
    scored = [(judge.probability(t.support), t.affirmed) for t in fitted]
    yes = _threshold(scored, sure, _balanced([affirmed for _, affirmed in scored]))
    reverse = [(1.0 - p, not affirmed) for p, affirmed in scored]
    no = 1.0 - _threshold(reverse, sure, _balanced([denied for _, denied in reverse]))
    judge = replace(judge, yes=yes, no=no)
    given = [(t, t.affirmed) for t in strange if judge.reply(t.support) is Reply.YES]
    judge = replace(judge, nearest=_nearest(given, sure))
    right_yes, right_no = (_right(judge, apart, reply) for reply in (Reply.YES, Reply.NO))
    normality = kind == "normality"
    telling = [t for t in apart if is_telling(t.support, normality=normality)]
    odds = [(judge.probability(t.support), t.affirmed) for t in telling]
    return replace(
        judge,
        yes=yes if right_yes >= trusted else NEVER,
        no=no if right_no >= trusted else 1.0 - NEVER,
        right_yes=right_yes,
        right_no=right_no,
        odds=_bins(odds, ODDS),
    )


def _lead_judge(leads: Sequence[Lead]) -> Judge:
    """The same of leads, each of which counts as it comes; no is never said of one."""
    fitted = [lead for lead in leads if lead.split == FITTED]
    apart = [lead for lead in leads if lead.split == PATIENTS]
    outcomes = [(lead.support, lead.right) for lead in fitted]
    judge = Judge(LEAD, _weights(outcomes, LEAD, _ALIKE), NEVER, 1.0 - NEVER, 0.5, 0.5)
    scored = [(judge.probability(support), right) for support, right in outcomes]
    yes = _threshold(scored, SURE["lead"], _ALIKE)
    odds = [(judge.probability(lead.support), lead.right) for lead in apart]
    given = [right for p, right in odds if p >= yes]
    right_yes = (sum(given) + 1.0) / (len(given) + 2.0)
    trusted = right_yes >= TRUSTED["lead"]
    return replace(
        judge, yes=yes if trusted else NEVER, right_yes=right_yes, odds=_bins(odds, ODDS)
    )


def _right(judge: Judge, trials: Sequence[Trial], reply: Reply) -> float:
    """The share of such replies that are right were yes and no asked for alike."""
    given = [t for t in trials if judge.reply(t.support) is reply]
    return _share_right(given, trials, truth=reply is Reply.YES, prior=1.0)


def _share_right(
    given: Sequence[Trial], trials: Sequence[Trial], *, truth: bool, prior: float
) -> float:
    """How many of the given ones are of that truth, both truths of all trials weighed alike."""
    weights = _balanced([t.affirmed for t in trials])
    of = {value: sum(weights[value] for t in given if t.affirmed is value) for value in weights}
    total = sum(of.values()) + 2.0 * prior
    return (of[truth] + prior) / total if total else 0.5


def _balanced(affirmed: Sequence[bool]) -> dict[bool, float]:
    """The weight of each trial by its truth, so that both truths weigh alike and 1 on average."""
    count = {truth: affirmed.count(truth) for truth in (True, False)}
    return {truth: len(affirmed) / (2.0 * n) if n else 0.0 for truth, n in count.items()}


_ALIKE = {True: 1.0, False: 1.0}


def _threshold(
    scored: Sequence[tuple[float, bool]], sure: float, weights: Mapping[bool, float]
) -> float:
    """The lowest score from which on a share ``sure`` is right; above 1 where there is none.

    Trials of one score stand or fall together.
    """
    right = total = 0.0
    best = NEVER
    ordered = sorted(scored, reverse=True)
    for n, (score, good) in enumerate(ordered, 1):
        total += weights[good]
        right += weights[good] * good
        is_last = n == len(ordered) or ordered[n][0] < score
        if is_last and right >= sure * total and n >= LEAST:
            best = score
    return best


def _bins(scored: Sequence[tuple[float, bool]], edges: Sequence[float]) -> list[Bin]:
    """How many were right from each edge on; neighbours whose order contradicts theirs are joined.

    A higher probability is never said to have been right less often (isotonic regression).
    """
    rows = [
        [right for value, right in scored if low <= value < high]
        for low, high in pairwise((*edges, 2.0))
    ]
    bins: list[Bin] = []
    for low, row in zip(edges, rows, strict=True):
        if not row:
            continue
        bins.append(Bin(low, sum(row), len(row)))
        while len(bins) > 1 and bins[-2].right * bins[-1].of >= bins[-1].right * bins[-2].of:
            last, before = bins.pop(), bins.pop()
            bins.append(Bin(before.share, before.right + last.right, before.of + last.of))
    return bins


OPPOSING = frozenset({"rule out", "rule out count", "normal", "another"})
"""What can only speak against a yes; everything else can only speak for it."""


def _weights(
    outcomes: Sequence[tuple[Mapping[str, float], bool]],
    features: tuple[str, ...],
    weights: Mapping[bool, float],
) -> tuple[float, ...]:
    """Logistic regression in which no feature counts against its meaning.

    Questions made of records are no sample of what people ask: rare findings are asked about where
    they are there, and reports deny what was looked for. A feature that gets the wrong sign by this
    is left out (weight 0), and the others are fitted again.
    """
    used = features
    while True:
        fitted = _regression(outcomes, used, weights)
        wrong = [
            name
            for name, weight in zip(used, fitted[1:], strict=True)
            if (weight > 0.0 if name in OPPOSING else weight < 0.0)
        ]
        if not wrong:
            by_name = dict(zip(used, fitted[1:], strict=True))
            return (fitted[0], *(by_name.get(name, 0.0) for name in features))
        used = tuple(name for name in used if name not in wrong)


def _regression(
    outcomes: Sequence[tuple[Mapping[str, float], bool]],
    features: tuple[str, ...],
    weights: Mapping[bool, float],
) -> tuple[float, ...]:
    """Logistic regression by Newton's method with a little decay; ``weights`` are by the truth."""
    if len({right for _, right in outcomes}) < 2:
        return (0.0,) * (len(features) + 1)
    values = np.array([[support[name] for name in features] for support, _ in outcomes])
    truth = np.array([right for _, right in outcomes], np.float64)
    sample = np.array([weights[right] for _, right in outcomes])
    mean, spread = values.mean(0), values.std(0) + 1e-9
    design = np.hstack([np.ones((len(values), 1)), (values - mean) / spread])
    solution = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-design @ solution))
        curve = (design.T * (sample * p * (1.0 - p))) @ design + _DECAY * np.eye(len(solution))
        solution -= np.linalg.solve(curve, design.T @ (sample * (p - truth)) + _DECAY * solution)
    slopes = solution[1:] / spread
    return (float(solution[0] - slopes @ mean), *map(float, slopes))
