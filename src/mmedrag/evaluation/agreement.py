"""How often the neighbours of an image are right, on patients held out: what answers may claim.

Images of the searched records are asked about with their own patient left out. A finding that a
report affirms or rules out gives one question of presence; a diagnosis gives one of the lead. From
these :class:`mmedrag.answers.agreement.Agreement` is fitted: on one half of the patients, and the
share of right replies is counted on the other half.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmedrag.answers.agreement import Agreement, Bin, Judge, features, to_json
from mmedrag.answers.analysis import CaseAnalyst, code_of, whole
from mmedrag.answers.verification import NORMAL
from mmedrag.assembly import load
from mmedrag.datasets.sampling import evenly_spaced
from mmedrag.definitions import Dictionary
from mmedrag.durability import write_durably
from mmedrag.evaluation.task_replies import drawn
from mmedrag.evaluation.tasks import (
    Task,
    cases_of,
    digest,
    held_out,
    readings_of,
    same_diagnosis,
)
from mmedrag.pipeline import MMedRAG
from mmedrag.progress import Progress, silent
from mmedrag.types import Assertion, Brief, Claim, Query, Reply
from mmedrag.views.section import Section, Table

Values = NDArray[np.float64]

SURE = 0.96
"""Share of replies that must be right on the half that thresholds are chosen on."""

SHARES = (0.0, 0.15, 0.25, 0.35, 0.45, 0.55, 0.7, 0.85)
TRUSTED = 0.85
"""Share of replies that must be right on the other half too; else no such reply is given."""

NEVER = 1.01
"""A threshold that no probability reaches."""

_STEPS = 4000
_OF_A_FILE = 150


@dataclass(frozen=True, slots=True)
class _Presence:
    """A question of presence: what the neighbours say, and what is true."""

    kind: str
    patient: int
    values: tuple[float, ...]
    affirmed: bool
    yes: int
    no: int
    of: int


@dataclass(frozen=True, slots=True)
class _Lead:
    """A question of diagnosis: the share of the first one, and whether it is right."""

    kind: str
    share: float
    right: bool


def measure_agreement(
    rag: MMedRAG, dictionary: Dictionary, tasks: Sequence[Task], progress: Progress = silent
) -> tuple[Agreement, Section]:
    """Ask the tasks, fit the agreement, and say what came out.

    Args:
        rag: whose retrieval is judged.
        dictionary: its dictionary.
        tasks: with a patient each, of kinds "is there X", "is it normal", "image alone" and
            "image and history" (:func:`mmedrag.evaluation.tasks.of_records`).
        progress: told how many more questions are done.
    """
    plain = CaseAnalyst(dictionary, dictionary.concepts, None)
    presence, leads = [], []
    for task in tasks:
        context = replace(rag, analyst=None).retrieve(_apart(task))
        brief = plain.brief(context.question, context.kept, rag.statistics)
        if task.reply is not None:
            presence += [p for p in [_presence(task, brief)] if p]
        elif task.codes and brief.differential:
            leads.append(_lead(task, brief, dictionary))
        progress(1)
    agreement = fit(presence, leads)
    return agreement, _section(agreement, presence, leads)


def evaluate_agreement(
    data: Sequence[Path], casebase: Path, most: int, into: Path | None, progress: Progress = silent
) -> Section:
    """Measure the agreement on records that a casebase holds, and write it where that is asked for.

    Raises:
        CorpusError: a file cannot be read.
        CasebaseNotFound: there is no casebase there.
    """
    with load(casebase) as rag:
        source = rag.definitions
        assert isinstance(source, Dictionary)
        known = [[c for c in held_out(cases_of(file))[0] if c.patient_id] for file in data]
        searched = [c for cases in known for c in evenly_spaced(cases, _OF_A_FILE)]
        tasks = drawn(readings_of(searched, source), source, most)
        agreement, section = measure_agreement(rag, source, tasks, progress)
    if into is not None:
        kept = {**to_json(agreement), "source": {"protocol": section.protocol}}
        write_durably(into, json.dumps(kept, indent=1) + "\n")
    return section


def _apart(task: Task) -> Query:
    """The query; the patient's own images are left out."""
    quoted = (task.patient or "").replace("'", "''")
    where = f"patient_id != '{quoted}'" if quoted else f"id != '{task.case_id}'"
    return replace(task.query, where=where)


def _presence(task: Task, brief: Brief) -> _Presence | None:
    first = next((c.concept for c in brief.claims if whole(c)), "")
    claims = [c for c in brief.claims if c.concept == first and whole(c)]
    if not claims:
        return None
    yes, no, unsure = (_count(claims, a) for a in
                       (Assertion.AFFIRMED, Assertion.NEGATED, Assertion.UNCERTAIN))  # fmt: skip
    of, rate = claims[0].of, claims[0].prevalence
    values = features(yes, no, unsure, of, rate)
    kind = "normality" if first == NORMAL else "presence"
    return _Presence(kind, digest(task.patient or task.case_id), values, task.reply is Reply.YES,
                     yes, no, of)  # fmt: skip


def _count(claims: Sequence[Claim], assertion: Assertion) -> int:
    return sum(len(c.keys) for c in claims if c.assertion is assertion)


def _lead(task: Task, brief: Brief, dictionary: Dictionary) -> _Lead:
    first = brief.differential[0]
    kind = "image and text" if task.query.text else "image"
    share = len(first.keys) / max(1, first.of)
    return _Lead(kind, share, same_diagnosis(code_of(first), task.codes, dictionary))


def fit(presence: Sequence[_Presence], leads: Sequence[_Lead]) -> Agreement:
    """Judges of presence and of normality, and how often a lead is right."""
    by_kind = {k: [p for p in presence if p.kind == k] for k in ("presence", "normality")}
    return Agreement(
        presence=_judge(by_kind["presence"]),
        normality=_judge(by_kind["normality"]),
        leads=_bins(leads),
    )


def _judge(rows: Sequence[_Presence]) -> Judge:
    """Weights and thresholds from one half of the patients, shares of right replies from the other.

    Thresholds are the least strict ones at which :data:`SURE` of the replies were right.
    """
    first = [p for p in rows if p.patient % 2 == 0]
    second = [p for p in rows if p.patient % 2]
    weights = _logistic(np.array([p.values for p in first]), np.array([p.affirmed for p in first]))
    judge = Judge(tuple(weights), NEVER, -1.0, 0.0, 0.0)
    scored = [(judge.probability(p.values), p) for p in first]
    yes = _threshold([(s, p.affirmed) for s, p in scored if p.yes])
    no = 1.0 - _threshold([(1.0 - s, not p.affirmed) for s, p in scored if p.of > p.yes])
    later = [(judge.probability(p.values), p) for p in second]
    said_yes = [p.affirmed for s, p in later if p.yes and s >= yes]
    said_no = [not p.affirmed for s, p in later if p.of > p.yes and s <= no]
    right_yes, right_no = _smoothed(said_yes), _smoothed(said_no)
    return Judge(
        tuple(weights),
        yes if right_yes >= TRUSTED else NEVER,
        no if right_no >= TRUSTED else 1.0 - NEVER,
        right_yes,
        right_no,
    )


def _smoothed(right: Sequence[bool]) -> float:
    return (sum(right) + 1) / (len(right) + 2)


def _threshold(scored: Sequence[tuple[float, bool]]) -> float:
    """The lowest score from which on :data:`SURE` are right; above 1 where there is none."""
    right = 0
    best = NEVER
    for n, (score, good) in enumerate(sorted(scored, reverse=True), 1):
        right += good
        if right / n >= SURE and n >= 10:
            best = score
    return best


def _bins(leads: Sequence[_Lead]) -> dict[str, list[Bin]]:
    found = {}
    for kind in ("image", "image and text"):
        of_kind = [lead for lead in leads if lead.kind == kind]
        edges = (*SHARES, 2.0)
        rows = [
            [lead.right for lead in of_kind if low <= lead.share < high]
            for low, high in pairwise(edges)
        ]
        found[kind] = [
            Bin(low, sum(row), len(row)) for low, row in zip(SHARES, rows, strict=True)
            if row or low == 0.0
        ]  # fmt: skip
    return found


def _logistic(values: Values, affirmed: NDArray[np.bool_]) -> list[float]:
    """Weights by gradient descent with a little decay; few features, few rows."""
    if not len(values):
        return [0.0] * 5
    design = np.hstack([np.ones((len(values), 1)), values])
    truth = affirmed.astype(np.float64)
    weights = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-design @ weights))
        weights -= 0.5 * (design.T @ (p - truth) / len(truth) + 1e-4 * weights)
    return [float(w) for w in weights]


def _section(
    agreement: Agreement, presence: Sequence[_Presence], leads: Sequence[_Lead]
) -> Section:
    affirmed = sum(p.affirmed for p in presence)
    rows = tuple(
        (kind, f"{b.share:.0%}", str(b.of), f"{b.right / b.of:.0%}" if b.of else "")
        for kind, bins in agreement.leads.items()
        for b in bins
    )
    return Section(
        name="agreement",
        title="How often the neighbours of an image are right",
        paper="",
        protocol=(
            f"{len(presence)} questions of presence ({affirmed} affirmed) and {len(leads)} of the "
            "diagnosis on images of the searched records that name their patient, each with that "
            "patient left out. "
            "Logistic regression on the shares of neighbours that affirm, rule out and doubt, and "
            "on the base rate; fitted and its thresholds chosen on one half of the patients, right "
            "replies counted on the other."
        ),
        verdict=(
            f"On patients not fitted on, {_told(agreement.presence)} of a finding, and "
            f"{_told(agreement.normality)} of a normal study. A lead is called clear from "
            f"{agreement.clear:.0%} on."
        ),
        tables=(
            Table(
                "How often the first diagnosis is right, by the share of neighbours that have it",
                ("query", "share from", "asked", "right"),
                rows,
            ),
        ),
        notes=(),
        data={"presence": len(presence), "leads": len(leads)},
    )


def _told(judge: Judge) -> str:
    yes = "never said" if judge.yes >= 1.0 else f"right in {judge.right_yes:.0%}"
    no = "never said" if judge.no < 0.0 else f"right in {judge.right_no:.0%}"
    return f"yes is {yes} and no {no}"
