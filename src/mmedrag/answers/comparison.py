"""Compared with before: what became of a patient's findings since the earlier studies.

The later side is what the question describes where it describes findings, else the latest study
that the casebase has of the patient until the time of the question. The earlier side are the
studies before it of the same part of the body and modality.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from mmedrag.answers.findings import FLAT
from mmedrag.answers.questions import kind_of, requests
from mmedrag.courses.changes import changes_since
from mmedrag.courses.sides import states_by_side
from mmedrag.courses.studies import Study, studies_of
from mmedrag.courses.wording import change_lines
from mmedrag.dates import axis_of, first_day, last_day, offset_of
from mmedrag.protocols import Ontology
from mmedrag.text.quotations import clean, label
from mmedrag.types import (
    Assertion,
    Brief,
    Case,
    Change,
    Evidence,
    Question,
    QuestionKind,
    Reply,
    Trend,
)

DESCRIBED = ""
"""The key of the question itself, where it describes the later study."""

_NOWHERE = np.zeros(0, np.float32)


def with_changes(
    brief: Brief, question: Question, cases: Sequence[Evidence], ontology: Ontology
) -> Brief:
    """The brief of a comparison: its changes, the studies compared, and the reply.

    Args:
        brief: to be filled.
        question: that asks for a comparison; its query or its filter names the patient.
        cases: of that patient, their mentions as the recogniser reads them now.
        ontology: relations of the findings.
    """
    if not _names_patient(question, cases):
        why = "no earlier study of this patient was named"
        return replace(brief, reply=Reply.UNKNOWN, reason=why)
    studies = studies_of(cases, ontology)
    described = _described(question, [c for s in studies for c in s.cases], ontology)
    if described is not None:
        *earlier, latest = *studies, described
    else:
        timed = [s for s in studies if s.time is not None]
        *earlier, latest = timed or studies
    before = [s for s in earlier if s.comparable(latest)]
    compared = tuple(s.key for s in (*before, latest))
    brief = replace(brief, compared=compared)
    if not before:
        why = "no earlier study of the same part of the body and modality is known"
        return replace(brief, reply=Reply.UNKNOWN, reason=why)
    changes = _wanted_changes(question, changes_since(before, latest, ontology), ontology)
    if latest.key == DESCRIBED:  # what no report speaks of cannot be cited
        changes = [c for c in changes if c.earlier and c.concept]
    reply, reason = _reply(changes)
    if changes and (missed := _asked_in_vain(question, changes, ontology)):
        reply, reason = Reply.UNKNOWN, f"{_NOT_TOLD}{missed}"
    return replace(brief, changes=tuple(changes), reply=reply, reason=reason)


_NOT_TOLD = "No change is told of what is asked about, "
"""Begins the reason where the studies tell of changes, and of none that was asked about."""


def comparison_lines(brief: Brief, cases: Sequence[Evidence]) -> list[str]:
    """The comparison in words: which studies, what changed, what contradicts itself."""
    studies = {s.key: s for s in studies_of(cases, FLAT)}
    *earlier, latest = brief.compared
    others = [s for key, s in studies.items() if key not in brief.compared]
    lines = []
    if earlier:
        now = "what you describe" if latest == DESCRIBED else _named(studies[latest])
        named = ", ".join(_named(studies[key]) for key in earlier)
        lines.append(f"Compared: {now}, with {named}.")
        keys = ", ".join(key for key in brief.compared if key)
        none = f"No change is told of between them ({brief.reason}) [{keys}]."
        if brief.reason.startswith(_NOT_TOLD):
            lines.append(f"{brief.reason} [{keys}]; of the rest:")
        lines += _changes(brief, studies) or [none]
    else:
        keys = ", ".join(studies)
        lines.append(f"A change cannot be read: {brief.reason} [{keys}].")
    if others:
        named = ", ".join(_named(s) for s in others)
        lines.append(
            f"Not compared (another part of the body, modality, or unknown time): {named}."
        )
    return lines


def _named(study: Study) -> str:
    kind = f", {label(study.modality)}" if study.modality else ""
    return f"{label(study.when)}{kind} [{', '.join(e.key for e in study.evidence)}]"


def _changes(brief: Brief, studies: dict[str, Study]) -> list[str]:
    if brief.compared[-1] != DESCRIBED:
        return list(change_lines(brief.changes, studies))
    return [_since(change, studies[change.earlier]) for change in brief.changes]


def _since(change: Change, earlier: Study) -> str:
    """A change of what the question describes; the report before is cited for what it says."""
    sided = states_by_side(earlier, change.concept).get(change.side)
    state = sided or earlier.states.get(change.concept, Assertion.AFFIRMED)
    wording = {Assertion.NEGATED: "no ", Assertion.UNCERTAIN: "possible "}.get(state, "")
    why = f"; measured {change.measured}" if change.measured else ""
    why += f"; contradiction: {change.contradiction}" if change.contradiction else ""
    return (f"- {change.trend.capitalize()} by your text: {label(earlier.when)} had "
            f"{wording}{label(change.name)} [{earlier.key}]{why}")  # fmt: skip


def _names_patient(question: Question, cases: Sequence[Evidence]) -> bool:
    """Whether all cases are of the one patient whom the query or its filter names."""
    where = question.query.where or ""
    named = bool(question.query.patient_id) or "patient_id" in where or "study_id" in where
    patients = {e.item.patient_id for e in cases if isinstance(e.item, Case)}
    return named and len(patients) == 1 and "" not in patients


def _described(question: Question, cases: Collection[Case], ontology: Ontology) -> Study | None:
    """The study that the question's own words describe, beside the sentence that asks."""
    text = question.query.text
    request_spans = [
        _span(text, sentence) for sentence in requests(clean(text)) if _compares(sentence)
    ]
    stated = tuple(
        m for m in question.mentions if not any(a <= m.start < b for a, b in request_spans)
    )
    case = Case(id="question", text=text, meta=_time_of(question, cases))
    (study,) = studies_of((Evidence(DESCRIBED, case, _NOWHERE, 0.0, 0.0, stated),), ontology)
    if not study.states:
        return None
    return study


def _compares(sentence: str) -> bool:
    return kind_of(sentence, has_image=False)[0] is QuestionKind.COMPARISON


def _span(text: str, sentence: str) -> tuple[int, int]:
    start = text.find(sentence)
    return start, start + len(sentence)


def _time_of(question: Question, cases: Collection[Case]) -> dict[str, float]:
    """The time of the question on the axis of the patient's cases, where it is known."""
    at = question.query.at
    if isinstance(at, int | float):
        return {"offset_days": float(at)} if axis_of(cases) is offset_of else {}
    day = first_day(at or "")
    is_one_day = day is not None and day == last_day(at or "") and axis_of(cases) is not offset_of
    return {"offset_days": float(day)} if is_one_day and day is not None else {}


def _wanted_changes(
    question: Question, changes: Sequence[Change], ontology: Ontology
) -> list[Change]:
    """The changes of what is asked about, where any is; else all."""
    intent = question.intent
    concepts = intent.concepts if intent else ()
    return [
        c for c in changes if any(ontology.is_a(c.concept, wanted) for wanted in concepts)
    ] or list(changes)


def _asked_in_vain(question: Question, changes: Sequence[Change], ontology: Ontology) -> str:
    """The findings that are asked about, where no change is of any of them; else nothing."""
    concepts = question.intent.concepts if question.intent else ()
    named = {m.concept: m.term for m in question.mentions if m.kind.is_finding}
    terms = {c: named[c] for c in concepts if c in named}
    told = any(ontology.is_a(change.concept, c) for change in changes for c in terms)
    return "" if told else " or ".join(map(label, terms.values()))


def _reply(changes: Sequence[Change]) -> tuple[Reply, str]:
    if not changes:
        return Reply.UNKNOWN, "their reports speak of no finding in common and name no change"
    if all(c.trend is Trend.UNCHANGED for c in changes):
        return Reply.NO, "what both reports name is unchanged"
    return Reply.YES, "the reports tell of a change"
