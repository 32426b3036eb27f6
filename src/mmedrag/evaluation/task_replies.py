"""The third part of the study of answers: are the direct replies right?

A reply is wrong where it says yes for no or no for yes, where a clear lead is not the diagnosis,
where another term is explained, where what is out of scope is answered or what is in scope is
declined. Misleading is a wrong reply or a claim that its marked evidence contradicts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmedrag.answers.analysis import code_of
from mmedrag.answers.claims import claims
from mmedrag.answers.differential import diagnoses_of
from mmedrag.answers.statements import read_cases
from mmedrag.answers.verification import contradicted_by, read_again
from mmedrag.casebase.exact import ExactIndex
from mmedrag.definitions import Dictionary
from mmedrag.evaluation.tasks import Task, same_diagnosis
from mmedrag.pipeline import MMedRAG
from mmedrag.types import Answer, Case, Evidence, Reply
from mmedrag.views.section import Table

FIRST = 3
"""Diagnoses of a differential that are looked at."""


@dataclass(slots=True)
class Score:
    """What became of the tasks of one kind.

    ``ceiling`` counts those whose diagnosis some neighbour has at all, ``first`` those that have it
    among the first three.
    """

    right: int = 0
    wrong: int = 0
    unknown: int = 0
    misleading: int = 0
    contradicted: int = 0
    claims: int = 0
    first: int = 0
    ceiling: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def asked(self) -> int:
        """How many tasks."""
        return self.right + self.wrong + self.unknown


def scored(
    rag: MMedRAG,
    dictionary: Dictionary,
    tasks: Sequence[Task],
    progress: Callable[[int], object] = lambda n: None,
) -> dict[str, Score]:
    """Ask every task and score the answers, by kind."""
    empty = replace(rag, cases=ExactIndex([], _no_vectors(rag)), statistics=None)
    found: dict[str, Score] = {}
    for task in tasks:
        score = found.setdefault(task.kind, Score())
        alone = task.kind.startswith("definition")
        answer = (empty if alone else rag).ask(_without(task))
        _count(score, task, answer, dictionary)
        progress(1)
    return found


def _no_vectors(rag: MMedRAG) -> Any:  # noqa: ANN401 - a matrix without rows
    import numpy as np

    return np.zeros((0, rag.embedder.dim), np.float32)


def _without(task: Task) -> Any:  # noqa: ANN401
    """The query, the patient's own images left out of the search."""
    if not task.patient:
        return task.query
    quoted = task.patient.replace("'", "''")
    return replace(task.query, where=f"patient_id != '{quoted}'")


def _count(score: Score, task: Task, answer: Answer, dictionary: Dictionary) -> None:
    made, against = contradictions(answer, dictionary)
    score.claims += made
    score.contradicted += against
    verdict = _verdict(score, task, answer, dictionary)
    setattr(score, verdict, getattr(score, verdict) + 1)
    score.misleading += verdict == "wrong" or bool(against)
    if verdict == "wrong" or against:
        score.examples.append(task.query.text)


def contradictions(answer: Answer, dictionary: Dictionary) -> tuple[int, int]:
    """Claims of the text, and how many of them their marked evidence contradicts."""
    if answer.abstained:
        return 0, 0
    cases = [e for e in answer.cited if isinstance(e.item, Case)]
    readings = {r.key: r for r in read_again(cases, dictionary)}
    made = claims(answer.text, dictionary)
    against = [c for c in made if contradicted_by(c, readings, dictionary.concepts)]
    return len(made), len(against)


def _verdict(score: Score, task: Task, answer: Answer, dictionary: Dictionary) -> str:
    brief = answer.brief
    assert brief is not None
    declined = brief.reply is Reply.DECLINED
    if task.declined or declined or task.kind == "in scope":
        return "right" if declined == task.declined else "wrong"
    if task.reply is not None:
        if brief.reply in (Reply.YES, Reply.NO):
            return "right" if brief.reply is task.reply else "wrong"
        return "unknown"
    if task.kind.startswith("definition"):
        shown = [e for e in answer.cited if e.key in brief.definitions[:1]]
        concepts = {getattr(e.item, "concept", "") for e in shown}
        if not concepts:
            return "unknown"
        return "right" if concepts & task.codes else "wrong"
    return _differential(score, task, answer, dictionary)


def _differential(score: Score, task: Task, answer: Answer, dictionary: Dictionary) -> str:
    brief = answer.brief
    assert brief is not None
    codes = [code_of(c) for c in brief.differential]
    first = any(same_diagnosis(c, task.codes, dictionary) for c in codes[:FIRST])
    score.first += first
    score.ceiling += first or _any_neighbour(task, answer.context.gathered, dictionary)
    if brief.reply is Reply.YES and codes:
        return "right" if same_diagnosis(codes[0], task.codes, dictionary) else "wrong"
    return "right" if first else "unknown"


def _any_neighbour(task: Task, gathered: Sequence[Evidence], dictionary: Dictionary) -> bool:
    """Whether any of the cases that were found has the diagnosis."""
    cases = [e for e in gathered if isinstance(e.item, Case)]
    return any(
        same_diagnosis(code, task.codes, dictionary)
        for reading in read_cases(cases, dictionary)
        for code, _, _ in diagnoses_of(reading, dictionary.concepts)
    )


def tables(found: dict[str, Score]) -> tuple[Table, ...]:
    """The scores as a table, a row a kind."""
    header = ("kind", "asked", "right", "wrong", "unknown", "misleading", "claims", "contradicted",
              "in the first three", "some neighbour has it")  # fmt: skip
    rows = tuple(_row(kind, score) for kind, score in found.items())
    return (Table("Are the direct replies right?", header, rows),)


def _row(kind: str, s: Score) -> tuple[str, ...]:
    diagnosis = kind.startswith(("image", "history"))
    n = max(1, s.asked)
    return (
        kind,
        str(s.asked),
        *(f"{count / n:.1%}" for count in (s.right, s.wrong, s.unknown, s.misleading)),
        str(s.claims),
        str(s.contradicted),
        f"{s.first / n:.1%}" if diagnosis else "",
        f"{s.ceiling / n:.1%}" if diagnosis else "",
    )


def figures(found: dict[str, Score]) -> dict[str, dict[str, int]]:
    """The counts by kind, as the section's data holds them."""
    names = ("asked", "right", "wrong", "unknown", "misleading", "claims", "contradicted",
             "first", "ceiling")  # fmt: skip
    return {kind: {n: int(getattr(s, n)) for n in names} for kind, s in found.items()}


def files_of(data: Sequence[Path]) -> list[Path]:
    """Record files, a folder standing for its ``records.jsonl``."""
    return [f / "records.jsonl" if f.is_dir() else f for f in data]
