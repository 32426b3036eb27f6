"""How often the cases that look like an image are right, on patients held out.

Images are asked about with their own patient left out of the search. A finding that a record
affirms or rules out gives a question of presence, a diagnosis one of the lead. From those of the
searched patients :class:`mmedrag.answers.agreement.Agreement` is fitted; those of the patients and
of the sets kept apart say how often its replies are right.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mmedrag.answers.agreement import BOTH, GRADE, IMAGE, SIDE, TEXT, Agreement, to_json
from mmedrag.answers.analysis import CaseAnalyst
from mmedrag.answers.differential import code_of
from mmedrag.answers.support import support_of_first
from mmedrag.assembly import load
from mmedrag.datasets.sampling import evenly_spaced
from mmedrag.datasets.ties import set_name
from mmedrag.definitions import Dictionary
from mmedrag.durability import write_durably
from mmedrag.entailment import NORMAL
from mmedrag.evaluation.agreement_section import section_of
from mmedrag.evaluation.calibration import (
    FITTED,
    PATIENTS,
    SETS,
    STRANGERS,
    Lead,
    Trial,
    fit,
)
from mmedrag.evaluation.task_replies import sampled
from mmedrag.evaluation.tasks import (
    Task,
    cases_of,
    held_out,
    of_records,
    readings_of,
    same_diagnosis,
)
from mmedrag.pipeline import MMedRAG
from mmedrag.progress import Progress, silent
from mmedrag.provenance import keep_agreement
from mmedrag.ranking.graph import KeepOrder
from mmedrag.reward.scorers import KeepAll
from mmedrag.stores import open_store
from mmedrag.types import Brief, Case, Evidence, Query, Reply
from mmedrag.views.section import Section

_OF_A_FILE = 120
NORMALITY_SHARE = 3
"""Questions of normality of each kind and file, for one of any other kind."""


def measure_agreement(
    rag: MMedRAG, dictionary: Dictionary, tasks: Sequence[tuple[str, str, Task]],
    progress: Progress = silent,
) -> tuple[Agreement, Section]:  # fmt: skip
    """Ask the tasks, fit the agreement, and say what came out.

    Args:
        rag: whose retrieval is judged.
        dictionary: its dictionary.
        tasks: (split, set, task), of the kinds "is there X", "is it normal", "which side",
            "which grade", "image alone", "image and history" and "history alone"
            (:func:`mmedrag.evaluation.tasks.of_records`).
        progress: told how many more questions are done.
    """
    plain = CaseAnalyst(dictionary, dictionary.concepts, None)
    ordered = replace(rag, analyst=None)
    nearest = replace(ordered, reranker=KeepOrder(), context_filter=KeepAll())
    trials: list[Trial] = []
    leads: list[Lead] = []
    for split, of, task in tasks:
        if task.reply is not None:
            trials += _trials(split, of, task, nearest, plain)
            progress(1)
            continue
        context = (nearest if task.detail else ordered).retrieve(_apart(task))
        brief = plain.brief(context.question, context.kept, rag.statistics)
        cases = [e for e in context.kept if isinstance(e.item, Case)]
        if task.codes and brief.differential:
            leads.append(_lead(split, task, brief, cases, dictionary))
        elif task.detail and (lead := _detail(split, task, brief, cases)):
            leads.append(lead)
        progress(1)
    agreement = replace(fit(trials, leads), encoder=rag.embedder.fingerprint)
    return agreement, section_of(agreement, trials, leads)


def _trials(split: str, of: str, task: Task, rag: MMedRAG, analyst: CaseAnalyst) -> Iterator[Trial]:
    """A question of yes or no, asked without the patient and without the whole source."""
    queries = {split: _apart(task)}
    if split in STRANGERS and task.source:
        where = f"({queries[split].where}) and source != {_quoted(task.source)}"
        queries[STRANGERS[split]] = replace(task.query, where=where)
    for searched, query in queries.items():
        context = rag.retrieve(query)
        brief = analyst.brief(context.question, context.kept, rag.statistics)
        cases = [e for e in context.kept if isinstance(e.item, Case)]
        if not cases:
            continue
        concept = NORMAL if _asks_normality(task) else _concept_of(brief)
        kind = "normality" if concept == NORMAL else "presence"
        support = analyst.support(concept, brief, context.question, cases, rag.statistics)
        yield Trial(kind, searched, support, task.reply is Reply.YES, of)


def evaluate_agreement(
    data: Sequence[Path],
    casebase: Path,
    most: int,
    into: Path | None,
    unseen: Sequence[Path] = (),
    progress: Progress = silent,
    *,
    keep: bool = False,
) -> Section:
    """Measure the agreement over a casebase, and write it where that is asked for.

    Args:
        data: record files whose patients the casebase holds; a part of them is held out.
        casebase: that is searched.
        most: questions of each kind and file.
        into: the file that is written.
        unseen: record files of sets that nothing is fitted on.
        progress: told how many more questions are done.
        keep: whether answers over the casebase go by it from now on.

    Raises:
        CorpusError: a file cannot be read.
        CasebaseNotFound: there is no casebase there.
    """
    with load(casebase) as rag:
        source = rag.definitions
        assert isinstance(source, Dictionary)
        tasks = [*_of_files(data, most, source), *_of_unseen(unseen, most, source)]
        tasks = [t for t in tasks if t[2].reply is not None or t[2].codes or t[2].detail]
        tasks.sort(key=lambda task: task[2].case_id)  # an image is encoded once
        agreement, section = measure_agreement(rag, source, tasks, progress)
    if into is not None:
        kept = {**to_json(agreement), "source": {"protocol": section.protocol}}
        write_durably(into, json.dumps(kept, indent=1) + "\n")
    if keep:
        with open_store(casebase) as database:
            keep_agreement(database, agreement)
    return section


def _of_files(
    data: Sequence[Path], most: int, source: Dictionary
) -> Iterator[tuple[str, str, Task]]:
    for file in data:
        for split, cases in zip((FITTED, PATIENTS), held_out(cases_of(file)), strict=True):
            named = [c for c in cases if c.patient_id]
            made = _drawn(evenly_spaced(named, _OF_A_FILE), most, source)
            yield from ((split, set_name(file), task) for task in made)


def _of_unseen(
    files: Sequence[Path], most: int, source: Dictionary
) -> Iterator[tuple[str, str, Task]]:
    for file in files:
        made = _drawn(evenly_spaced(cases_of(file), _OF_A_FILE), most, source)
        yield from ((SETS, set_name(file), task) for task in made)


def _drawn(cases: Sequence[Case], most: int, source: Dictionary) -> Iterator[Task]:
    """So many tasks of each kind, and more of normality: there is little else to learn it from."""
    made = list(of_records(readings_of(cases, source), source))
    yield from (t for t in sampled(made, most) if not _asks_normality(t))
    yield from sampled([t for t in made if _asks_normality(t)], NORMALITY_SHARE * most)


def _asks_normality(task: Task) -> bool:
    return task.kind.startswith("is it normal")


def _apart(task: Task) -> Query:
    """The query; the patient's own images are left out."""
    left_out = ("patient_id", task.patient) if task.patient else ("id", task.case_id)
    return replace(task.query, where=f"{left_out[0]} != {_quoted(left_out[1])}")


def _quoted(text: str) -> str:
    """As a value of a filter."""
    return "'" + text.replace("'", "''") + "'"


def _concept_of(brief: Brief) -> str:
    return next((c.concept for c in brief.claims), "")


def _lead(
    split: str, task: Task, brief: Brief, cases: Sequence[Evidence], dictionary: Dictionary
) -> Lead:
    kind = TEXT if task.query.image is None else BOTH if task.query.text else IMAGE
    support = support_of_first([c.keys for c in brief.differential], cases)
    right = same_diagnosis(code_of(brief.differential[0]), task.codes, dictionary)
    return Lead(kind, split, support, right)


def _detail(split: str, task: Task, brief: Brief, cases: Sequence[Evidence]) -> Lead | None:
    """The side or grade that most cases give, where any does."""
    kind = SIDE if task.kind == "which side" else GRADE
    given = {c.side if kind == SIDE else c.grade: c.keys for c in brief.claims}
    given.pop("", None)
    if not given:
        return None
    order = sorted(given, key=lambda detail: -len(given[detail]))
    return Lead(kind, split, support_of_first([given[d] for d in order], cases),
                order[0] == task.detail)  # fmt: skip
