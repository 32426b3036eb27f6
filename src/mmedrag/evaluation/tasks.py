"""Task questions: what is asked about patients kept apart, and the reply that would be right.

Made by code from what records state of themselves (report, diagnosis, labels), and by hand
(``tasks.jsonl``: what is to be declined, terms to be explained, short histories with their
diagnosis, questions that are in scope).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import numpy as np

from mmedrag.answers.differential import FROM_REPORT, UNNAMED, diagnoses_of, normal_form
from mmedrag.answers.statements import CaseReading, grades_of, is_normal, read_cases
from mmedrag.datasets.records import readable
from mmedrag.definitions import Dictionary
from mmedrag.definitions.tables import read_glossary
from mmedrag.types import Assertion, Case, Evidence, Kind, Query, Reply

_NOWHERE = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Task:
    """A question and what would be right.

    ``kind`` is the row of the table. ``reply`` is the right direct reply of a question of yes or
    no. ``codes`` are diagnoses (as :func:`mmedrag.answers.differential.diagnoses_of` names them)
    or concepts of definitions, one of which must be shown. ``detail`` is the right side or grade.
    ``patient`` is left out of the search. ``source`` is where the image comes from.
    """

    kind: str
    query: Query
    reply: Reply | None = None
    codes: frozenset[str] = frozenset()
    declined: bool = False
    detail: str = ""
    patient: str = ""
    case_id: str = ""
    source: str = ""


def by_hand(dictionary: Dictionary) -> list[Task]:
    """The tasks of ``tasks.jsonl``."""
    text = (files("mmedrag") / "evaluation" / "tasks.jsonl").read_text("utf-8")
    return [_by_hand(json.loads(line), dictionary) for line in text.splitlines()]


_ROWS = {
    "declined": "to be declined",
    "in scope": "in scope",
    "definition": "definition (by hand)",
    "differential": "history alone",
}


def _by_hand(row: dict[str, object], dictionary: Dictionary) -> Task:
    expect, query = str(row["expect"]), Query(str(row["text"]))
    named = row.get("terms")
    terms = [str(t) for t in named] if isinstance(named, list) else []
    recognised = dictionary.recognise(terms)
    codes = frozenset(m.concept for mentions in recognised for m in mentions if m.kind.is_finding
                      or expect == "definition")  # fmt: skip
    free = frozenset(UNNAMED + normal_form(t) for t in terms)
    kind = _ROWS[expect]
    return Task(kind, query, codes=codes | free, declined=expect == "declined")


def of_glossary() -> Iterator[Task]:
    """The question what it is, for every term of the glossary that has a definition."""
    glossary = Path(str(files("mmedrag") / "definitions" / "glossary.jsonl"))
    for term in read_glossary(glossary):
        if term.definition:
            query = Query(f"What is {term.term}?")
            yield Task("definition (glossary)", query, codes=frozenset({term.id}))


def held_out(cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """The cases that are searched and those of patients kept apart.

    The validation part where the records name one, else every tenth patient by a digest.
    """
    if any(c.split == "val" for c in cases):
        apart = {id(c) for c in cases if c.split == "val"}
    else:
        apart = {id(c) for c in cases if digest(c.patient_id or c.id) % 10 == 0}
    return [c for c in cases if id(c) not in apart], [c for c in cases if id(c) in apart]


def has_validation(file: Path) -> bool:
    """Whether the records of a file name a validation part."""
    return any(case.split == "val" for case in cases_of(file))


def digest(text: str) -> int:
    """A number of a text that is the same on every machine."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


def cases_of(file: Path) -> list[Case]:
    """The cases of a record file that can be read."""
    return readable(file)[0]


def readings_of(cases: Sequence[Case], dictionary: Dictionary) -> list[CaseReading]:
    """What the cases state, as the recogniser reads them."""
    recognised = dictionary.recognise([c.text for c in cases])
    evidence = [
        Evidence(f"C{i}", case, _NOWHERE, 0.0, 0.0, mentions)
        for i, (case, mentions) in enumerate(zip(cases, recognised, strict=True), 1)
    ]
    return read_cases(evidence, dictionary)


def of_records(cases: Sequence[CaseReading], dictionary: Dictionary) -> Iterator[Task]:
    """The tasks that held-out cases with an image give, by what they state.

    Yes or no by finding and assertion; of a set whose cases have one of a few diagnoses each, the
    others are not there; a normal study rules out the commonest disease of its set; sides and
    grades; normal; the diagnosis from the image, from the history, and from both.
    """
    common = _commonest(cases)
    classes = _classes(cases, dictionary)
    for reading in cases:
        if reading.case.image is not None:
            yield from _of_findings(reading, common, dictionary)
            yield from _of_another(reading, classes, dictionary)
            yield from _of_normality(reading)
            yield from _of_diagnosis(reading, dictionary)


def _task(
    kind: str,
    text: str,
    case: Case,
    reply: Reply | None = None,
    codes: frozenset[str] = frozenset(),
    detail: str = "",
) -> Task:
    query = Query(text, case.image)
    return Task(kind, query, reply, codes, detail=detail, patient=case.patient_id, case_id=case.id,
                source=case.source)  # fmt: skip


def _of_findings(reading: CaseReading, common: str, dictionary: Dictionary) -> Iterator[Task]:
    """One finding that the case affirms, one that it rules out, one with a side, one of a grade."""
    case = reading.case
    findings = [s for s in reading.stated.values() if s.mention.kind in _FINDINGS]
    affirmed = [s for s in findings if s.assertion is Assertion.AFFIRMED]
    negated = [s.mention.term for s in findings if s.assertion is Assertion.NEGATED]
    if affirmed:
        text = f"Is there {_pick(affirmed, case).mention.term}?"
        yield _task("is there X (yes)", text, case, reply=Reply.YES)
    if negated or (common and is_normal(reading)):
        text = f"Is there {_pick(negated, case) if negated else common}?"
        yield _task("is there X (no)", text, case, reply=Reply.NO)
    if sided := [s for s in affirmed if s.sides]:
        chosen = _pick(sided, case)
        side = " and ".join(sorted(chosen.sides))
        text = f"Which side is the {chosen.mention.term} on?"
        yield _task("which side", text, case, detail=side)
    graded = {s.mention.term: grades_of(reading, s.mention.concept, dictionary.concepts)
              for s in affirmed}  # fmt: skip
    for term, grades in [(t, g) for t, g in graded.items() if len(g) == 1][:1]:
        yield _task("which grade", f"How severe is the {term}?", case, detail=grades[0])


def _of_another(
    reading: CaseReading, classes: Sequence[str], dictionary: Dictionary
) -> Iterator[Task]:
    """Another diagnosis of its set, where every case of the set has one of a few."""
    concepts = dictionary.concepts
    mine = [c for c, s in reading.stated.items() if s.assertion is not Assertion.NEGATED]
    others = [
        c for c in classes
        if not any(concepts.is_a(m, c) or concepts.is_a(c, m) for m in mine)
    ]  # fmt: skip
    if others and mine:
        text = f"Is there {concepts.name(_pick(others, reading.case))}?"
        yield _task("is there X (another diagnosis)", text, reading.case, reply=Reply.NO)


def _of_normality(reading: CaseReading) -> Iterator[Task]:
    normal = is_normal(reading)
    if normal is not None and (normal or reading.labels or reading.diagnosis):
        reply = Reply.YES if normal else Reply.NO
        yield _task(f"is it normal ({reply})", "Is this normal?", reading.case, reply=reply)


def _of_diagnosis(reading: CaseReading, dictionary: Dictionary) -> Iterator[Task]:
    case = reading.case
    codes = _codes(reading, dictionary)
    if not codes or is_normal(reading):
        return
    yield _task("image alone", "", case, codes=codes)
    if history := str(case.meta.get("history") or "").strip():
        text = f"{history} What is the most likely diagnosis?"
        yield _task("image and history", text, case, codes=codes)
        yield Task("history alone (records)", Query(text), codes=codes,
                   patient=case.patient_id, case_id=case.id)  # fmt: skip


_FINDINGS = (Kind.FINDING, Kind.DISEASE)
_Item = TypeVar("_Item")

CLASSES = 30
"""Diagnoses up to which a set is taken to have one of them in each of its cases."""

_LABEL = 60
"""Characters of the text of a case that has labels and no report."""


def _pick(items: Sequence[_Item], case: Case) -> _Item:
    return items[digest(case.id) % len(items)]


def _codes(reading: CaseReading, dictionary: Dictionary) -> frozenset[str]:
    """The diagnoses that its source gives it."""
    diagnoses = diagnoses_of(reading, dictionary.concepts)
    return frozenset(code for code, _, weight in diagnoses if weight > FROM_REPORT)


def _classes(cases: Sequence[CaseReading], dictionary: Dictionary) -> tuple[str, ...]:
    """The diagnoses of a set of labelled cases; none where its cases have reports or many."""
    counts = Counter(
        code for reading in cases if not is_normal(reading) for code in _codes(reading, dictionary)
    )
    reported = any(len(reading.case.text) > _LABEL for reading in cases)
    codes = sorted(c for c in counts if not c.startswith(UNNAMED))
    return () if reported or len(codes) > CLASSES else tuple(codes)


def _commonest(cases: Sequence[CaseReading]) -> str:
    counts = Counter(
        s.mention.term
        for reading in cases
        for s in reading.stated.values()
        if s.assertion is Assertion.AFFIRMED and s.mention.kind is Kind.DISEASE
    )
    return counts.most_common(1)[0][0] if counts else ""


def same_diagnosis(code: str, codes: frozenset[str], dictionary: Dictionary) -> bool:
    """Whether a diagnosis is one of those that would be right.

    It is the same concept, or a kind of it. Where one of the two is no concept of a dictionary, the
    last of their words is the same, and either most of both or all of the right one's others.
    Sides, courses and small words do not count.
    """
    return any(_is_right(code, right, dictionary) for right in codes)


def _is_right(code: str, right: str, dictionary: Dictionary) -> bool:
    if code == right:
        return True
    if not code.startswith(UNNAMED) and not right.startswith(UNNAMED):
        return dictionary.concepts.is_a(code, right)
    mine, theirs = _words(code, dictionary), _words(right, dictionary)
    if not mine or not theirs or mine[-1] != theirs[-1]:
        return False
    shared = len({*mine} & {*theirs})
    return {*theirs} <= {*mine} or 2 * shared > len({*mine} | {*theirs})


def _words(code: str, dictionary: Dictionary) -> list[str]:
    name = dictionary.concepts.name(code) if not code.startswith(UNNAMED) else code
    return [w for w in normal_form(name.removeprefix(UNNAMED)).split() if w not in _SMALL]


_SMALL = frozenset(
    normal_form(
        "of the and with in to a an due left right by on for bilateral unilateral acute chronic "
        "subacute old recent large small secondary primary multiple single"
    ).split()
)
