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

import numpy as np

from mmedrag.answers.differential import UNNAMED, diagnoses_of, normal_form
from mmedrag.answers.statements import CaseReading, is_normal, read_cases
from mmedrag.datasets.records import read_records
from mmedrag.definitions import Dictionary
from mmedrag.definitions.tables import read_glossary
from mmedrag.types import Assertion, Case, Evidence, Kind, Problem, Query, Reply

_NOWHERE = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Task:
    """A question and what would be right.

    ``kind`` is the row of the table. ``reply`` is the right direct reply of a question of yes or
    no. ``codes`` are diagnoses (as :func:`mmedrag.answers.differential.diagnoses_of` names them)
    or concepts of definitions, one of which must be shown. ``patient`` is left out of the search.
    """

    kind: str
    query: Query
    reply: Reply | None = None
    codes: frozenset[str] = frozenset()
    declined: bool = False
    patient: str = ""
    case_id: str = ""


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
    found = dictionary.recognise(terms)
    codes = frozenset(m.concept for mentions in found for m in mentions if m.kind.is_finding
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
    return [c for c in read_records(file) if not isinstance(c, Problem)]


def readings_of(cases: Sequence[Case], dictionary: Dictionary) -> list[CaseReading]:
    """What the cases state, as the recogniser reads them."""
    found = dictionary.recognise([c.text for c in cases])
    evidence = [
        Evidence(f"C{i}", case, _NOWHERE, 0.0, 0.0, mentions)
        for i, (case, mentions) in enumerate(zip(cases, found, strict=True), 1)
    ]
    return read_cases(evidence, dictionary)


def of_records(asked: Sequence[CaseReading], dictionary: Dictionary) -> Iterator[Task]:
    """The tasks that held-out cases with an image give, by what they state.

    Yes or no by finding and assertion; a normal study rules out the commonest disease of its set;
    normal; the diagnosis from the image alone and from image and history.
    """
    common = _commonest(asked, dictionary)
    for reading in asked:
        case = reading.case
        if case.image is None:
            continue
        patient = case.patient_id
        for term, reply in _findings(reading, common):
            query = Query(f"Is there {term}?", case.image)
            yield Task(f"is there X ({reply})", query, reply, patient=patient, case_id=case.id)
        normal = is_normal(reading)
        if normal is not None and (normal or reading.labels or reading.diagnosis):
            reply = Reply.YES if normal else Reply.NO
            query = Query("Is this normal?", case.image)
            yield Task(f"is it normal ({reply})", query, reply, patient=patient, case_id=case.id)
        codes = frozenset(
            code for code, _, weight in diagnoses_of(reading, dictionary.concepts) if weight > 0.5
        )
        if codes and not normal:
            yield Task(
                "image alone",
                Query(image=case.image),
                codes=codes,
                patient=patient,
                case_id=case.id,
            )
            if history := str(case.meta.get("history") or "").strip():
                text = f"{history} What is the most likely diagnosis?"
                query = Query(text, case.image)
                yield Task(
                    "image and history", query, codes=codes, patient=patient, case_id=case.id
                )


def _findings(reading: CaseReading, common: str) -> Iterator[tuple[str, Reply]]:
    """One finding that the case affirms, and one that it rules out."""
    stated = [s for s in reading.stated.values() if s.mention.kind in (Kind.FINDING, Kind.DISEASE)]
    pick = digest(reading.case.id)
    affirmed = [s.mention.term for s in stated if s.assertion is Assertion.AFFIRMED]
    negated = [s.mention.term for s in stated if s.assertion is Assertion.NEGATED]
    if affirmed:
        yield affirmed[pick % len(affirmed)], Reply.YES
    if negated:
        yield negated[pick % len(negated)], Reply.NO
    elif common and is_normal(reading):
        yield common, Reply.NO


def _commonest(asked: Sequence[CaseReading], dictionary: Dictionary) -> str:
    counts = Counter(
        s.mention.term
        for reading in asked
        for s in reading.stated.values()
        if s.assertion is Assertion.AFFIRMED and s.mention.kind is Kind.DISEASE
    )
    return counts.most_common(1)[0][0] if counts else ""


def same_diagnosis(code: str, codes: frozenset[str], dictionary: Dictionary) -> bool:
    """Whether a diagnosis is one of those that would be right: the same, or a kind of it.

    Diagnoses that no dictionary has are the same where most of their words are.
    """
    concepts = dictionary.concepts
    for right in codes:
        if code == right:
            return True
        free = code.startswith(UNNAMED), right.startswith(UNNAMED)
        if free == (False, False) and concepts.is_a(code, right):
            return True
        if any(free) and _overlap(_words(code, dictionary), _words(right, dictionary)) >= 0.5:
            return True
    return False


def _words(code: str, dictionary: Dictionary) -> frozenset[str]:
    text = (
        code.removeprefix(UNNAMED) if code.startswith(UNNAMED) else dictionary.concepts.name(code)
    )
    return frozenset(normal_form(text).split()) - _SMALL


_SMALL = frozenset(
    ["of", "the", "and", "with", "in", "to", "a", "an", "due", "left", "right", "by", "on", "for"]
)


def _overlap(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0
