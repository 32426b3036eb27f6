"""How often the cases that look like an image are right, on patients held out.

Images are asked about with their own patient left out of the search. A finding that a record
affirms or rules out gives a question of presence, a diagnosis one of the lead. From those of the
searched patients :class:`mmedrag.answers.agreement.Agreement` is fitted; those of the patients and
of the sets kept apart say how often its replies are right.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmedrag.answers.agreement import (
    BOTH,
    IMAGE,
    LEADS,
    NORMALITY,
    PRESENCE,
    TEXT,
    Agreement,
    Bin,
    Judge,
    to_json,
)
from mmedrag.answers.analysis import CaseAnalyst
from mmedrag.answers.differential import code_of
from mmedrag.answers.support import support_of
from mmedrag.answers.verification import NORMAL
from mmedrag.assembly import load
from mmedrag.datasets.sampling import evenly_spaced
from mmedrag.definitions import Dictionary
from mmedrag.durability import write_durably
from mmedrag.evaluation.task_replies import sampled
from mmedrag.evaluation.tasks import Task, cases_of, held_out, readings_of, same_diagnosis
from mmedrag.pipeline import MMedRAG
from mmedrag.progress import Progress, silent
from mmedrag.types import Brief, Case, Query, Reply
from mmedrag.views.section import Section, Table

Values = NDArray[np.float64]

SURE = 0.95
"""Share of replies that must be right where the reply's own set was not fitted on."""

SHARES = (0.0, 0.15, 0.25, 0.35, 0.45, 0.55, 0.7, 0.85)
ODDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
NEVER = 1.01
"""A threshold that no probability reaches."""

LEAST = 20
"""Replies that a threshold must let through, to be believed."""

_STEPS = 30
_DECAY = 1.0
_OF_A_FILE = 120
FITTED, PATIENTS, SETS = "fitted", "patients held out", "sets held out"


@dataclass(frozen=True, slots=True)
class Trial:
    """A question of yes or no: what the similar cases say, and what is true.

    ``group`` is the set that it is from, ``split`` one of those above.
    """

    kind: str
    group: str
    split: str
    support: Mapping[str, float]
    affirmed: bool


@dataclass(frozen=True, slots=True)
class Lead:
    """A question of diagnosis: the share of the cases for the first one, whether it is right."""

    kind: str
    share: float
    right: bool


def measure_agreement(
    rag: MMedRAG, dictionary: Dictionary, tasks: Sequence[tuple[str, str, Task]],
    progress: Progress = silent,
) -> tuple[Agreement, Section]:  # fmt: skip
    """Ask the tasks, fit the agreement, and say what came out.

    Args:
        rag: whose retrieval is judged.
        dictionary: its dictionary.
        tasks: (split, set, task), of the kinds "is there X", "is it normal", "image alone",
            "image and history" and "history alone"
            (:func:`mmedrag.evaluation.tasks.of_records`).
        progress: told how many more questions are done.
    """
    plain = CaseAnalyst(dictionary, dictionary.concepts, None)
    trials: list[Trial] = []
    leads: list[Lead] = []
    for split, group, task in tasks:
        context = replace(rag, analyst=None).retrieve(_apart(task))
        brief = plain.brief(context.question, context.kept, rag.statistics)
        cases = [e for e in context.kept if isinstance(e.item, Case)]
        if task.reply is not None and cases:
            concept = NORMAL if task.kind.startswith("is it normal") else _concept_of(brief)
            kind = "normality" if concept == NORMAL else "presence"
            support = support_of(concept, brief, cases, dictionary.concepts)
            trials.append(Trial(kind, group, split, support, task.reply is Reply.YES))
        elif task.codes and brief.differential and split != SETS:
            leads.append(_lead(task, brief, dictionary))
        progress(1)
    agreement = fit(trials, leads)
    return agreement, _section(agreement, trials, leads)


def evaluate_agreement(
    data: Sequence[Path],
    casebase: Path,
    most: int,
    into: Path | None,
    unseen: Sequence[Path] = (),
    progress: Progress = silent,
) -> Section:
    """Measure the agreement over a casebase, and write it where that is asked for.

    Args:
        data: record files whose patients the casebase holds; a part of them is held out.
        casebase: that is searched.
        most: questions of each kind and file.
        into: the file that is written.
        unseen: record files of sets that nothing is fitted on.
        progress: told how many more questions are done.

    Raises:
        CorpusError: a file cannot be read.
        CasebaseNotFound: there is no casebase there.
    """
    with load(casebase) as rag:
        source = rag.definitions
        assert isinstance(source, Dictionary)
        tasks = [*_of_files(data, most, source), *_of_unseen(unseen, most, source)]
        tasks = [t for t in tasks if t[2].reply is not None or t[2].codes]
        tasks.sort(key=lambda task: task[2].case_id)  # an image is encoded once
        agreement, section = measure_agreement(rag, source, tasks, progress)
    if into is not None:
        kept = {**to_json(agreement), "source": {"protocol": section.protocol}}
        write_durably(into, json.dumps(kept, indent=1) + "\n")
    return section


def _of_files(
    data: Sequence[Path], most: int, source: Dictionary
) -> Iterator[tuple[str, str, Task]]:
    for file in data:
        for split, cases in zip((FITTED, PATIENTS), held_out(cases_of(file)), strict=True):
            named = [c for c in cases if c.patient_id]
            readings = readings_of(evenly_spaced(named, _OF_A_FILE), source)
            yield from ((split, str(file), task) for task in sampled(readings, source, most))


def _of_unseen(
    files: Sequence[Path], most: int, source: Dictionary
) -> Iterator[tuple[str, str, Task]]:
    for file in files:
        readings = readings_of(evenly_spaced(cases_of(file), _OF_A_FILE), source)
        yield from ((SETS, str(file), task) for task in sampled(readings, source, most))


def _apart(task: Task) -> Query:
    """The query; the patient's own images are left out."""
    quoted = (task.patient or "").replace("'", "''")
    where = f"patient_id != '{quoted}'" if quoted else f"id != '{task.case_id}'"
    return replace(task.query, where=where)


def _concept_of(brief: Brief) -> str:
    return next((c.concept for c in brief.claims), "")


def _lead(task: Task, brief: Brief, dictionary: Dictionary) -> Lead:
    first = brief.differential[0]
    kind = TEXT if task.query.image is None else BOTH if task.query.text else IMAGE
    share = len(first.keys) / max(1, first.of)
    return Lead(kind, share, same_diagnosis(code_of(first), task.codes, dictionary))


def fit(trials: Sequence[Trial], leads: Sequence[Lead]) -> Agreement:
    """Judges of presence and of normality, and how often a lead is right."""
    return Agreement(
        presence=_judge([t for t in trials if t.kind == "presence"], PRESENCE),
        normality=_judge([t for t in trials if t.kind == "normality"], NORMALITY),
        leads={
            kind: _bins([(lead.share, lead.right) for lead in leads if lead.kind == kind], SHARES)
            for kind in LEADS
        },
    )


def _judge(trials: Sequence[Trial], features: tuple[str, ...]) -> Judge:
    """Weights of the fitted patients, thresholds by sets left out, shares of the held-out patients.

    Yes and no count alike, however many questions there are of each. A threshold is the least
    strict one at which :data:`SURE` of the replies are right when each set is judged by weights
    that were fitted on the others.
    """
    fitted = [t for t in trials if t.split == FITTED]
    apart = [t for t in trials if t.split == PATIENTS]
    judge = Judge(features, _weights(fitted, features), NEVER, 1.0 - NEVER, 0.5, 0.5)
    scores = _by_others(fitted, features)
    yes = _threshold([(p, t.affirmed) for p, t in zip(scores, fitted, strict=True)])
    no = 1.0 - _threshold([(1.0 - p, not t.affirmed) for p, t in zip(scores, fitted, strict=True)])
    judge = replace(judge, yes=yes, no=no)
    right = {reply: _right(judge, apart, reply) for reply in (Reply.YES, Reply.NO)}
    odds = [(judge.probability(t.support), t.affirmed) for t in apart]
    return replace(
        judge,
        right_yes=right[Reply.YES],
        right_no=right[Reply.NO],
        odds=_bins(odds, ODDS),
    )


def _by_others(trials: Sequence[Trial], features: tuple[str, ...]) -> list[float]:
    """The probability of each by weights that its own set had no part in."""
    by_group = {
        group: Judge(features, _weights([t for t in trials if t.group != group], features),
                     NEVER, 1.0 - NEVER, 0.5, 0.5)
        for group in {t.group for t in trials}
    }  # fmt: skip
    return [by_group[t.group].probability(t.support) for t in trials]


def _replied(judge: Judge, trial: Trial) -> Reply:
    p = judge.probability(trial.support)
    if trial.support["affirm"] and p >= judge.yes:
        return Reply.YES
    return Reply.NO if trial.support["affirm"] < 1.0 and p <= judge.no else Reply.UNKNOWN


def _right(judge: Judge, trials: Sequence[Trial], reply: Reply) -> float:
    """The share of such replies that are right were yes and no asked for alike."""
    replied = [t for t in trials if _replied(judge, t) is reply]
    weights = _balanced([t.affirmed for t in trials])
    of = {truth: sum(weights[truth] for t in replied if t.affirmed is truth) for truth in weights}
    right = of.get(reply is Reply.YES, 0.0)
    return (right + 1.0) / (sum(of.values()) + 2.0)


def _balanced(affirmed: Sequence[bool]) -> dict[bool, float]:
    """The weight of each trial by its truth, so that both truths weigh alike and 1 on average."""
    count = {truth: affirmed.count(truth) for truth in (True, False)}
    return {truth: len(affirmed) / (2.0 * n) if n else 0.0 for truth, n in count.items()}


def _threshold(scored: Sequence[tuple[float, bool]]) -> float:
    """The lowest score from which on :data:`SURE` are right; above 1 where there is none."""
    weights = _balanced([good for _, good in scored])
    right = total = 0.0
    best = NEVER
    for n, (score, good) in enumerate(sorted(scored, reverse=True), 1):
        total += weights[good]
        right += weights[good] * good
        if right >= SURE * total and n >= LEAST:
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


def _section(agreement: Agreement, trials: Sequence[Trial], leads: Sequence[Lead]) -> Section:
    rows = tuple(
        (kind, f"{b.share:.0%}", str(b.of), f"{b.right / b.of:.0%}")
        for kind, bins in agreement.leads.items()
        for b in bins
    )
    counted = {split: sum(t.split == split for t in trials) for split in (FITTED, PATIENTS, SETS)}
    counts = ", ".join(f"{n} on {split}" for split, n in counted.items())
    return Section(
        name="agreement",
        title="How often the cases that look like an image are right",
        paper="",
        protocol=(
            f"Questions of yes or no: {counts}; {len(leads)} of the diagnosis. Each is asked with "
            "its own patient left out. Logistic regression on the similar cases' support and the "
            "base rate, yes and no weighed alike; thresholds where 95 % are right when each set is "
            "judged by the others; right replies are counted on what nothing was fitted on."
        ),
        verdict=(
            f"Of a finding, {_in_words(agreement.presence)}; of a normal study, "
            f"{_in_words(agreement.normality)}. A lead is called clear from "
            f"{agreement.clear:.0%} on."
        ),
        tables=(_replies_table(agreement, trials), _odds_table(agreement), Table(
            "How often the first diagnosis is right, by the share of the cases that have it",
            ("query", "share from", "asked", "right"), rows)),
        notes=(),
        data={"trials": counted, "leads": len(leads)},
    )  # fmt: skip


def _replies_table(agreement: Agreement, trials: Sequence[Trial]) -> Table:
    rows = []
    for kind in ("presence", "normality"):
        judge: Judge = getattr(agreement, kind)
        for split in (FITTED, PATIENTS, SETS):
            of = [t for t in trials if t.kind == kind and t.split == split]
            replied = [(_replied(judge, t), t.affirmed) for t in of]
            yes = [affirmed for reply, affirmed in replied if reply is Reply.YES]
            no = [not affirmed for reply, affirmed in replied if reply is Reply.NO]
            wrong = len(yes) + len(no) - sum(yes) - sum(no)
            share = f"{wrong / max(1, len(yes) + len(no)):.1%}"
            rows.append((kind, split, str(len(of)), f"{sum(yes)} of {len(yes)}",
                         f"{sum(no)} of {len(no)}", share))  # fmt: skip
    header = ("asked about", "on", "asked", "yes right", "no right", "wrong replies")
    return Table("Replies by the similar cases", header, tuple(rows))


def _odds_table(agreement: Agreement) -> Table:
    rows = tuple(
        (kind, f"{b.share:.0%}", str(b.of), f"{b.right / b.of:.0%}")
        for kind in ("presence", "normality")
        for b in getattr(agreement, kind).odds
    )
    header = ("asked about", "probability from", "asked", "had it")
    return Table("How many had it, on patients held out", header, rows)


def _in_words(judge: Judge) -> str:
    yes = "never said" if judge.yes > 1.0 else f"right in {judge.right_yes:.0%}"
    no = "never said" if judge.no < 0.0 else f"right in {judge.right_no:.0%}"
    return f"yes is {yes} and no {no}"
