"""The patients of a casebase: the course of one, and others whose course is like it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from mmedrag.answers.findings import FLAT
from mmedrag.citations import attribute, resolve
from mmedrag.courses.course import Course, course_of
from mmedrag.courses.search import matching, wanted_in
from mmedrag.courses.trajectories import nearest, trajectory_of
from mmedrag.courses.wording import course_lines
from mmedrag.dates import chronological
from mmedrag.errors import QueryError
from mmedrag.filters import as_of, both, quoted
from mmedrag.pipeline import MMedRAG
from mmedrag.protocols import CaseStore, Ontology
from mmedrag.types import Answer, Case, Change, Context, Evidence, Hit, Query, Question, Routing


def course(rag: MMedRAG, patient_id: str, at: str | float | None = None) -> Course:
    """The course of a patient: studies in order, findings over time, cited to the reports.

    Args:
        rag: over the casebase that holds the patient.
        patient_id: as the casebase has it.
        at: a date or a day of ``offset_days``; what is later, or of unknown time, is left out.

    Raises:
        QueryError: no study of the patient is there.
        FilterError: ``at`` is no date.
    """
    where = both(f"patient_id = {quoted(patient_id)}", rag.where)
    if at is not None:
        where = both(where, as_of(patient_id, at))
    hits = _hits(rag, where)
    if not hits:
        until = "" if at is None else f" until {at}"
        raise QueryError(
            f"No study of patient {patient_id!r}{until} is in the casebase",
            "Check the name ('mmedrag export' lists patient_id), or give a later time.",
        )
    read = course_of(patient_id, _evidence(rag, hits), ontology_of(rag))
    return replace(read, answer=_worded(rag, read))


def courses(rag: MMedRAG) -> Iterator[Course]:
    """The courses of all patients with two studies and more whose time is known, without words."""
    by_patient: dict[str, list[Hit]] = {}
    for hit in _hits(rag, both("patient_id is not null", rag.where)):
        by_patient.setdefault(hit.case.patient_id, []).append(hit)
    for patient_id, hits in sorted(by_patient.items()):
        if len(hits) > 1:
            read = course_of(patient_id, _evidence(rag, hits), ontology_of(rag))
            if len(read.timed) > 1:
                yield read


def like(rag: MMedRAG, of: Course, k: int = 5) -> list[tuple[Course, float]]:
    """The ``k`` patients whose course is likest to one, with the distance from 0 to 1."""
    by_patient = {c.patient_id: c for c in courses(rag)}
    others = [trajectory_of(c) for c in by_patient.values()]
    return [(by_patient[t.patient_id], d) for t, d in nearest(trajectory_of(of), others, k)]


def find(rag: MMedRAG, description: str) -> list[tuple[Course, tuple[Change, ...]]]:
    """The patients whose course is as described, with the changes that say so.

    Args:
        rag: over the casebase that is searched.
        description: as "consolidation that resolved within two weeks".

    Raises:
        QueryError: no finding with a change was recognised.
    """
    wanted = wanted_in(description, rag.definitions)
    return matching(courses(rag), wanted, ontology_of(rag))


def ontology_of(rag: MMedRAG) -> Ontology:
    """The relations of the system's dictionary; none where it has no such thing."""
    ontology = getattr(rag.definitions, "concepts", FLAT)
    return ontology if isinstance(ontology, Ontology) else FLAT


def _hits(rag: MMedRAG, where: str | None) -> list[Hit]:
    count = rag.cases.count() if isinstance(rag.cases, CaseStore) else rag.k_cases
    nowhere = np.zeros(rag.embedder.dim, np.float32)
    return rag.cases.search(Question(Query(where=where), Routing({}, None), nowhere), count)


def _evidence(rag: MMedRAG, hits: Sequence[Hit]) -> list[Evidence]:
    """A patient's cases by time, as evidence C1, C2, …, their reports as they are read now."""
    ordered = chronological(sorted(hits, key=lambda h: h.case.id), lambda hit: hit.case)
    mentions = rag.definitions.recognise([hit.case.text for hit in ordered])
    return [
        Evidence(f"C{i}", hit.case, hit.vector, hit.similarity, hit.relevance, terms)
        for i, (hit, terms) in enumerate(zip(ordered, mentions, strict=True), 1)
    ]


def _worded(rag: MMedRAG, read: Course) -> Answer:
    """The course in words, through the same check of marks and claims as any answer."""
    evidence = [e for study in read.studies for e in study.evidence if isinstance(e.item, Case)]
    query = Query("What is the course of this patient?", patient_id=read.patient_id)
    question = Question(query, Routing({}, None), np.zeros(rag.embedder.dim, np.float32))
    context = Context(question, evidence, evidence, evidence, {})
    pieces = resolve(("\n".join(course_lines(read.studies, read.changes)),), evidence)
    checked = rag.checker.check(pieces, evidence) if rag.checker else pieces
    return attribute(list(checked), context, {})
