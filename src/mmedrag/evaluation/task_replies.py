"""The third part of the study of answers: are the direct replies right?

A reply is wrong where it says yes for no or no for yes, where a clear lead is not the diagnosis,
where another term is explained, where what is out of scope is answered or what is in scope is
declined. Misleading is a wrong reply or a claim that its marked evidence contradicts.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mmedrag import presets
from mmedrag.answers.claims import claims
from mmedrag.answers.differential import code_of, diagnoses_of
from mmedrag.answers.statements import read_cases
from mmedrag.answers.verification import contradicted_by, read_again
from mmedrag.assembly import assemble, dictionary, load
from mmedrag.casebase.exact import ExactIndex
from mmedrag.datasets.sampling import evenly_spaced
from mmedrag.definitions import Dictionary
from mmedrag.encoders.batches import embed_in_batches
from mmedrag.evaluation.corpus import filled_casebase
from mmedrag.evaluation.tasks import (
    Task,
    by_hand,
    cases_of,
    held_out,
    of_glossary,
    of_records,
    readings_of,
    same_diagnosis,
)
from mmedrag.pipeline import MMedRAG
from mmedrag.progress import Progress, silent
from mmedrag.protocols import Generator
from mmedrag.types import Answer, Brief, Case, Evidence, Query, Reply
from mmedrag.views.section import Section, Table

FIRST = 3
"""Diagnoses of a differential that are looked at."""

TASKS = 40
GLOSSARY = 150
"""Terms of the glossary that are asked for, at least."""


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
    def tasks(self) -> int:
        """How many tasks."""
        return self.right + self.wrong + self.unknown


def scored(
    rag: MMedRAG,
    dictionary: Dictionary,
    tasks: Sequence[Task],
    progress: Progress = silent,
) -> dict[str, Score]:
    """Ask every task and score the answers, by kind."""
    nothing = ExactIndex([], np.zeros((0, rag.embedder.dim), np.float32))
    empty = replace(rag, cases=nothing, statistics=None)
    scores: dict[str, Score] = {}
    for task in tasks:
        score = scores.setdefault(task.kind, Score())
        alone = task.kind.startswith("definition")
        answer = (empty if alone else rag).ask(_without(task))
        _count(score, task, answer, dictionary)
        progress(1)
    return scores


def _without(task: Task) -> Query:
    """The query, the patient's own images left out of the search."""
    if task.patient:
        quoted = task.patient.replace("'", "''")
        return replace(task.query, where=f"patient_id != '{quoted}'")
    return task.query


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
    if task.detail:
        return _detail(task, brief)
    if task.kind.startswith("definition"):
        shown = [e for e in answer.cited if e.key in brief.definitions[:1]]
        concepts = {getattr(e.item, "concept", "") for e in shown}
        if not concepts:
            return "unknown"
        return "right" if concepts & task.codes else "wrong"
    return _differential(score, task, answer, dictionary)


def _detail(task: Task, brief: Brief) -> str:
    """The side or grade that most cases give, where the reply is yes."""
    given = [c for c in brief.claims if (c.side if task.kind == "which side" else c.grade)]
    most = max(given, key=lambda c: len(c.keys), default=None)
    if brief.reply is not Reply.YES or most is None:
        return "unknown"
    return "right" if task.detail in (most.side, most.grade) else "wrong"


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


def tables(scores: dict[str, Score]) -> tuple[Table, ...]:
    """The scores as a table, a row a kind."""
    header = ("kind", "asked", "right", "wrong", "unknown", "misleading", "claims", "contradicted",
              "in the first three", "some neighbour has it")  # fmt: skip
    rows = tuple(_row(kind, score) for kind, score in scores.items())
    return (Table("Are the direct replies right?", header, rows),)


def _row(kind: str, s: Score) -> tuple[str, ...]:
    diagnosis = kind.startswith(("image", "history"))
    n = max(1, s.tasks)
    return (
        kind,
        str(s.tasks),
        *(f"{count / n:.1%}" for count in (s.right, s.wrong, s.unknown, s.misleading)),
        str(s.claims),
        str(s.contradicted),
        f"{s.first / n:.1%}" if diagnosis else "",
        f"{s.ceiling / n:.1%}" if diagnosis else "",
    )


def figures(scores: dict[str, Score]) -> dict[str, dict[str, int]]:
    """The counts by kind, as the section's data holds them."""
    names = ("right", "wrong", "unknown", "misleading", "claims", "contradicted", "first",
             "ceiling")  # fmt: skip
    return {
        kind: {"asked": s.tasks, **{n: int(getattr(s, n)) for n in names}}
        for kind, s in scores.items()
    }


def evaluate_replies(
    data: Sequence[Path],
    *,
    preset: str = "offline",
    models: Mapping[str, str] | None = None,
    generator: Generator | None = None,
    casebase: Path | None = None,
    most: int = TASKS,
    progress: Progress = silent,
) -> dict[str, Score]:
    """Ask task questions about patients kept apart, and score the replies by kind.

    Args:
        data: record files; their held-out cases are asked about.
        preset: whose stages answer.
        models: that replace the preset's own, by role.
        generator: writes the answers; the extractive one by default.
        casebase: that is searched; without it, one is made of the cases that are not held out.
        most: tasks of each kind that is made of records; those made by hand are asked all.
        progress: told how many more questions are done.

    Raises:
        CorpusError: a file cannot be read.
        CasebaseNotFound: there is no casebase there.
    """
    with TemporaryDirectory() as folder:
        cases = [held_out(cases_of(file)) for file in data]
        if casebase is None:
            stages = presets.build(preset, models)
            searched = [c for searchable, _ in cases for c in searchable]
            vectors = embed_in_batches(stages.embedder, searched)
            filled = filled_casebase(Path(folder) / "searched", searched, vectors, stages.embedder)
            terms = dictionary()
            filled.recognise(terms)
            rag = assemble(stages, filled, terms, generator)
        else:
            rag = load(casebase, generator=generator)
        with rag:
            source = rag.definitions
            assert isinstance(source, Dictionary)
            tasks = [*by_hand(source), *evenly_spaced([*of_glossary()], max(most, GLOSSARY))]
            sets = [readings_of(apart, source) for _, apart in cases]
            made = [task for readings in sets for task in of_records(readings, source)]
            tasks += sampled(made, most)
            tasks.sort(key=lambda task: task.case_id)  # an image is encoded once
            return scored(rag, source, tasks, progress)


def sampled(tasks: Iterable[Task], most: int, seed: int = 0) -> list[Task]:
    """At most so many tasks of each kind, the same for the same seed."""
    by_kind: dict[str, list[Task]] = {}
    for task in tasks:
        by_kind.setdefault(task.kind, []).append(task)
    rng = random.Random(seed)  # noqa: S311 - a sample, no secret
    return [t for kind in by_kind.values() for t in rng.sample(kind, min(most, len(kind)))]


def section_of_replies(scores: dict[str, Score]) -> Section:
    """The section of the replies by themselves, where citations are not asked about."""
    return Section(
        name="answers",
        title="Answers and their citations",
        paper="section 3.6 (the paper gives no figure)",
        protocol="Task questions about patients kept apart, and by hand (docs/notes/answers.md).",
        verdict=_bars(scores),
        tables=tables(scores),
        notes=(_NOTE,),
        data={"replies": figures(scores)},
    )


def with_replies(section: Section, scores: dict[str, Score]) -> Section:
    """The section of the study of answers with the replies as its third part."""
    bars = _bars(scores)
    return replace(
        section,
        verdict=f"{section.verdict} {bars}",
        tables=(*section.tables, *tables(scores)),
        notes=(*section.notes, _NOTE),
        data={**section.data, "replies": figures(scores)},
    )


_NOTE = (
    "Replies: yes and no by what the held-out case states of itself, normal by its labels and "
    "report, diagnoses by its diagnosis and labels (a kind of it counts, and one with half of its "
    "words). In the first three: the differential names it there. Some neighbour has it: the most "
    "that any order could reach."
)


def _bars(scores: dict[str, Score]) -> str:
    everything = list(scores.values())
    replies = [s for k, s in scores.items() if k.startswith(("is there", "is it", "image alone"))]
    against = sum(s.contradicted for s in everything)
    made = sum(s.claims for s in everything)
    wrong, tasks = sum(s.wrong for s in replies), max(1, sum(s.tasks for s in replies))
    return (
        f"Of {made} claims in {sum(s.tasks for s in everything)} answers to task questions "
        f"{against} are contradicted by what they cite; {wrong / tasks:.1%} of the direct replies "
        "on images are wrong."
    )


def samples(
    rag: MMedRAG, tasks: Sequence[Task], number: int, seed: int
) -> list[tuple[Task, Answer]]:
    """So many answers, chosen by a seed, to be read by people."""
    rng = random.Random(seed)  # noqa: S311 - a sample, no secret
    return [(t, rag.ask(_without(t))) for t in rng.sample(list(tasks), min(number, len(tasks)))]
