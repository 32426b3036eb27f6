"""The concept channel: cases by what their reports affirm and rule out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.assembly import assemble, create, dictionary
from mmedrag.casebase.hybrid import relevance, together
from mmedrag.indexing import index
from mmedrag.presets import Stages
from mmedrag.types import Case, Query

REPORTS = {
    "both": "Small left pleural effusion. There is no pneumothorax.",
    "half": "Pleural effusion but no pneumonia; pleural effusion with pneumothorax.",
    "silent": "Pleural effusion.",
    "neither": "No pleural effusion. No pneumothorax.",
    "other": "Fracture of the rib.",
}
TEXT = "Pleural effusion but no pneumothorax"


@pytest.fixture
def rag(tmp_path: Path, offline: Stages):
    made, _ = create(tmp_path / "x.casebase")
    cases = [Case(id=name, text=text, domain="radiology") for name, text in REPORTS.items()]
    # the ones that say the words of the question, and the opposite of what it says
    cases += [Case(id=f"n{i:03}", text=TEXT.replace("but no", "and"), domain="radiology",
                   patient_id=str(i)) for i in range(150)]  # fmt: skip
    source = dictionary()
    with made:
        index(cases, made, offline.embedder, offline.classifier, definitions=source)
        yield assemble(offline, made, source)


def found(rag, text: str, **query: object) -> list[str]:
    context = rag.retrieve(Query(text, domain="radiology", **query))
    return [e.item.id for e in context.gathered if isinstance(e.item, Case)]


def test_a_case_that_meets_every_criterion_comes_first(rag):
    assert found(rag, TEXT)[0] == "both"


def test_without_the_channel_words_alone_decide(rag):
    assert found(replace(rag, expander=None), TEXT)[0] != "both"


def test_a_kind_counts_as_the_concept_and_no_other_way_round(rag):
    first = found(rag, "effusion without pneumothorax")
    assert first[0] == "both"


def test_filters_and_deletions_hold(rag):
    assert "both" not in found(rag, TEXT, where="patient_id = '3'")
    rag.cases.delete(["both"])
    assert "both" not in found(rag, TEXT)


def test_the_same_question_finds_what_was_added_since(rag):
    assert found(rag, TEXT)[0] == "both"
    entry = next(iter(rag.cases.entries(["both"])))
    rag.cases.add([replace(entry, case=replace(entry.case, id="later"))])
    assert set(found(rag, TEXT)[:2]) == {"both", "later"}
    rag.cases.delete(["both"])
    assert found(rag, TEXT)[0] == "later"


def test_what_asks_whether_has_no_criteria(rag):
    context = rag.retrieve(Query("Is there a pneumothorax?", domain="radiology"))
    assert context.question.criteria == ()


@pytest.mark.parametrize(
    "text", ["abnormal chest x-rays", "x-rays that are not normal", "radiografías anormales"]
)
def test_who_asks_for_what_is_not_normal_gets_no_normal_study(rag, text):
    entry = next(iter(rag.cases.entries(["other"])))
    normal = [
        replace(entry, case=replace(entry.case, id=f"normal{i}", text="Normal chest x-ray."),
                mentions=rag.definitions.recognise(["Normal chest x-ray."])[0])
        for i in range(60)
    ]  # fmt: skip
    rag.cases.add(normal)
    context = rag.retrieve(Query(text, domain="radiology"))
    assert [c.term for c in context.question.criteria] == ["normal study"]
    cases = [e.item.id for e in context.gathered if isinstance(e.item, Case)]
    assert cases
    assert not [name for name in cases if name.startswith("normal")]
    kept = [e for e in context.kept if isinstance(e.item, Case)]
    assert kept  # the filter does not know the words


@pytest.mark.parametrize("text", ["normal chest x-ray", "tórax normal"])
def test_who_asks_for_normal_studies_gets_them_first(rag, text):
    entry = next(iter(rag.cases.entries(["other"])))
    said = "The heart and the lungs are unremarkable. Normal chest x-ray."
    case = replace(entry.case, id="well", text=said)
    rag.cases.add([replace(entry, case=case, mentions=rag.definitions.recognise([said])[0])])
    assert found(rag, text)[0] == "well"


def test_whether_an_image_is_abnormal_is_no_request(rag):
    context = rag.retrieve(Query("Is this x-ray abnormal?", domain="radiology"))
    assert context.question.criteria == ()


def test_cases_of_a_device_pass_a_filter_that_knows_findings(rag):
    entry = next(iter(rag.cases.entries(["other"])))
    text = "Pacemaker in place."
    case = replace(entry.case, id="device", text=text)
    rag.cases.add([replace(entry, case=case, mentions=rag.definitions.recognise([text])[0])])
    context = rag.retrieve(Query("how many radiographs show a pacemaker", domain="radiology"))
    assert "device" in [e.item.id for e in context.kept if isinstance(e.item, Case)]


def test_without_mentions_a_search_is_what_it_was(rag):
    database = rag.cases._access.database
    with rag.cases._access.writing("forget in"), database.writing() as epoch:
        database.forget_recognised(epoch)
    assert found(rag, TEXT) == found(replace(rag, expander=None), TEXT)


@given(st.integers(1, 200), st.floats(0, 1), st.floats(0, 1))
def test_all_criteria_outweigh_every_other_difference(n, low, high):
    most = 0.5 * (n - 1) / n  # all but one criterion, of which the report is silent
    blended = relevance(np.array([low, high]), np.zeros(2), np.array([1.0, most]))
    assert blended[0] > blended[1]


def test_one_finding_that_is_there_outweighs_all_that_are_not() -> None:
    met = np.array([[1.0, 0.0, 1.0, -1.0], [0.0, 1.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0]])
    there, not_there, all_of_it, denied = together(met, np.array([True, False, False]))
    assert all_of_it == 1.0 > there > not_there > denied


@pytest.mark.parametrize(
    "text",
    [
        "fracture vs pneumothorax",
        "Compare fracture and pneumothorax",
        "How does a fracture differ from a pneumothorax?",
        "diferencia entre fractura y neumotórax",
    ],
)
def test_of_findings_to_be_told_apart_cases_of_each_are_found(rag, text):
    """Of one there is a single case, of the other there are 150 and more."""
    context = rag.retrieve(Query(text, domain="radiology"))
    cases = [e.item.id for e in context.gathered if isinstance(e.item, Case)]
    assert "other" in cases
    assert any(name.startswith("n0") for name in cases)
    answer = rag.ask(Query(text, domain="radiology")).text
    assert "cases of each were looked up" in answer


def test_a_case_that_is_described_is_not_asked_about_by_its_options(rag):
    text = (
        "A man of 54 fell from a ladder on his left side and is short of breath and in pain since. "
        "Is it a fracture or a pneumothorax?"
    )
    question = rag.retrieve(Query(text, domain="radiology")).question
    assert rag.expander.options(question) == ()
