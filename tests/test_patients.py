"""Courses of the patients of a casebase, and the law that what came later tells nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mmedrag import patients
from mmedrag.assembly import assemble, definitions_of
from mmedrag.casebase.casebase import Casebase
from mmedrag.citations import unsupported_sentences
from mmedrag.errors import FilterError, QueryError
from mmedrag.indexing import index
from mmedrag.pipeline import MMedRAG
from mmedrag.presets import Stages
from mmedrag.types import Case, Query, Question, Reply, Trend

REPORTS = {
    "A": [(0, "Right lower lobe consolidation."), (5, "The consolidation has increased."),
          (12, "No consolidation. New pneumothorax.")],
    "B": [(0, "Consolidation."), (10, "Consolidation has resolved.")],
    "C": [(0, "No consolidation."), (4, "New consolidation.")],
    "D": [(None, "Pneumothorax of unknown time.")],
    "E": [(3, "Consolidation has resolved.")],
}  # fmt: skip


@pytest.fixture(scope="module", name="rag")
def _rag(offline: Stages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MMedRAG]:
    path = tmp_path_factory.mktemp("courses") / "x.casebase"
    store = Casebase.create(
        path, dim=offline.embedder.dim, fingerprint=offline.embedder.fingerprint, preset="offline"
    )
    cases = [
        Case(id=f"{patient}{i}", text=text, patient_id=patient, modality="xray",
             meta={} if day is None else {"offset_days": day})
        for patient, reports in REPORTS.items() for i, (day, text) in enumerate(reports)
    ]  # fmt: skip
    definitions = definitions_of(store)
    index(cases, store, offline.embedder, offline.classifier, definitions=definitions)
    yield assemble(offline, store, definitions)
    store.close()


def ids(evidence) -> set[str]:
    return {e.item.id for e in evidence if isinstance(e.item, Case)}


def test_a_course_is_cited_and_checked(rag):
    course = patients.course(rag, "A")
    trends = [(c.term, c.trend) for c in course.changes]
    assert trends == [("consolidation", Trend.WORSE), ("consolidation", Trend.RESOLVED),
                      ("pneumothorax", Trend.NEW)]  # fmt: skip
    answer = course.answer
    assert "Consolidation: resolved at day 12 since day 5 (7 days)" in answer.text
    assert [e.item.id for e in answer.context.kept] == ["A0", "A1", "A2"]
    assert unsupported_sentences(answer) == []
    assert not answer.struck


def test_what_the_first_report_calls_resolved_stands(rag):
    answer = patients.course(rag, "E").answer
    assert "Consolidation: resolved at day 3, in the words “resolved” [C1]" in answer.text
    assert not answer.struck


def test_a_course_stops_at_its_time(rag):
    assert len(patients.course(rag, "A", at=5).studies) == 2
    with pytest.raises(QueryError, match="No study of patient 'D' until 5"):
        patients.course(rag, "D", at=5)
    with pytest.raises(QueryError, match="'nobody'"):
        patients.course(rag, "nobody")
    with pytest.raises(FilterError, match="no date"):
        patients.course(rag, "A", at="soon")


def test_like_courses_are_other_patients(rag):
    found = patients.like(rag, patients.course(rag, "B"), 5)
    assert {c.patient_id for c, _ in found} == {"A", "C"}
    assert found[0][1] <= found[1][1]


def test_courses_are_found_by_what_is_said_of_them(rag):
    (only,) = patients.find(rag, "consolidation that resolved within ten days")
    assert only[0].patient_id == "B"


@pytest.mark.parametrize("text", ["pneumothorax", "Is there a pneumothorax?", "What has changed?"])
def test_what_came_later_is_never_evidence(rag, text):
    """The law: of the patient asked about nothing after the time, or at no known time."""
    seen: list[str] = []

    class Spy:
        def search(self, question: Question, k: int):
            hits = rag.cases.search(question, k)
            seen.extend(hit.case.id for hit in hits)
            return hits

    spied = replace(rag, cases=Spy())
    for patient, reports in REPORTS.items():
        for day, _ in reports:
            seen.clear()
            at = 5 if day is None else day
            spied.answer(spied.retrieve(Query(text, patient_id=patient, at=at))).result()
            hidden = {f"{patient}{i}" for i, (d, _) in enumerate(reports) if d is None or d > at}
            assert hidden.isdisjoint(seen)
            assert seen or patient == "D"


def test_base_rates_do_not_count_what_came_later(rag):
    def rate(at: float) -> int:
        answer = rag.ask(Query("Is there a pneumothorax?", patient_id="A", at=at))
        (claim,) = [c for c in answer.brief.claims if c.assertion == "affirmed" and not c.side
                    and c.term == "pneumothorax"]  # fmt: skip
        return claim.prevalence.affirmed

    assert (rate(11), rate(12)) == (1, 2)


def test_a_comparison_reads_the_studies_of_the_patient(rag):
    answer = rag.ask(Query("Compare with the previous study.", patient_id="A", at=12))
    assert ids(answer.context.kept) == {"A0", "A1", "A2"}
    assert answer.context.question.routing.reason == "the patient's own studies"
    assert {(c.term, c.trend, c.earlier, c.later) for c in answer.brief.changes} == {
        ("consolidation", Trend.RESOLVED, "C2", "C3"), ("pneumothorax", Trend.NEW, "", "C3"),
    }  # fmt: skip
    assert answer.brief.reply is Reply.YES
    assert unsupported_sentences(answer) == []


def test_a_comparison_takes_what_the_question_describes(rag):
    text = "No consolidation. What has changed since the last study?"
    answer = rag.ask(Query(text, patient_id="A", at=6))
    assert [(c.trend, c.later, c.days) for c in answer.brief.changes] == [(Trend.RESOLVED, "", 1.0)]
    assert "Resolved by your text: day 5 had consolidation [C2]" in answer.text


def test_a_time_needs_a_patient(rag):
    with pytest.raises(QueryError, match="without a patient"):
        rag.retrieve(Query("effusion", at=3))


def test_an_index_without_relations_gives_a_course_too(rag):
    class Bare:
        fingerprint = "bare"
        recognise = staticmethod(rag.definitions.recognise)
        define = staticmethod(rag.definitions.define)

    bare = replace(rag, definitions=Bare())
    assert len(patients.course(bare, "A").changes) == 3
