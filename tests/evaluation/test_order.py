"""The order study: questions, grades by hand, and what is reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmedrag.assembly import dictionary
from mmedrag.datasets.records import write_records
from mmedrag.errors import CorpusError
from mmedrag.evaluation.order import STATIONS, Retrieval, held_apart, scores
from mmedrag.evaluation.order_questions import Graded, facts_of, grade, questions_of
from mmedrag.evaluation.order_section import ALL, HELD_OUT, UNSEEN, evaluate_order
from mmedrag.evaluation.tasks import readings_of
from mmedrag.types import Assertion, Case, Context, Domain, Evidence, Query, Question, Routing

TERMS = dictionary()
VECTOR = np.ones(1, np.float32)
CHEST = {"domain": Domain.RADIOLOGY, "modality": "xray"}


def facts(text="", **fields):
    case = Case(id=fields.pop("id", "s/1"), text=text, **{**CHEST, **fields})
    return facts_of(readings_of([case], TERMS)[0], TERMS.concepts)


def concept(term):
    return TERMS.recognise([f"There is {term}."])[0][0].concept


def test_labels_are_graded_by_what_is_shared():
    asked = Graded(Query("x"), "text", "label", facts(labels=("pneumonia", "viral")))
    assert grade(asked, facts(labels=("viral", "Pneumonia"))) == 2
    assert grade(asked, facts(labels=("pneumonia", "bacterial"))) == 1
    assert grade(asked, facts(labels=("glioma",))) == 0
    assert grade(asked, facts(labels=("pneumonia", "viral"), domain=Domain.PATHOLOGY)) == 0


def test_diagnoses_are_graded_by_kind():
    asked = Graded(Query("x"), "text", "diagnosis", facts(diagnosis="carcinoma"))
    assert grade(asked, facts(diagnosis="Carcinoma")) == 2
    assert grade(asked, facts(diagnosis="adenocarcinoma")) == 2
    special = Graded(Query("x"), "text", "diagnosis", facts(diagnosis="adenocarcinoma"))
    assert grade(special, facts(diagnosis="carcinoma")) == 1
    assert grade(special, facts(diagnosis="pneumonia")) == 0


def test_requests_are_graded_by_assertion_and_side():
    effusion = concept("pleural effusion")
    asked = Graded(
        Query("x"), "text", "finding", facts(), effusion, "left", concept("pneumothorax")
    )
    assert grade(asked, facts("There is a left pleural effusion. No pneumothorax.")) == 2
    assert grade(asked, facts("There is a pleural effusion.")) == 1
    assert grade(asked, facts("There is a right pleural effusion.")) == 0
    assert grade(asked, facts("Left pleural effusion and a pneumothorax.")) == 0
    assert grade(asked, facts("No pleural effusion.")) == 0


@pytest.mark.parametrize("assertion", [Assertion.AFFIRMED, Assertion.NEGATED])
def test_yes_or_no_is_graded_by_agreement(assertion):
    asked = Graded(
        Query("x"), "both", "finding", facts(), concept("pleural effusion"), assertion=assertion
    )
    yes = 2 if assertion is Assertion.AFFIRMED else 0
    assert grade(asked, facts("There is a pleural effusion.")) == yes
    assert grade(asked, facts("There is no pleural effusion.")) == 2 - yes
    assert grade(asked, facts("The bones are fractured.")) == 0


def test_normality_is_graded_by_modality():
    normal = Graded(Query("x"), "both", "normality", facts("Normal chest x-ray."))
    assert normal.asker.normal is True
    assert grade(normal, facts("Normal chest radiograph.")) == 2
    assert grade(normal, facts("Normal chest x-ray.", modality="CT")) == 1
    assert grade(normal, facts("There is a pleural effusion.")) == 0


def test_a_case_gives_a_question_of_each_form_and_target(tmp_path):
    text = "There is a large left pleural effusion with mild cardiomegaly. No pneumothorax is seen."
    meta = {"history": "A cough for three weeks."}
    asker = facts(
        text, diagnosis="pneumonia", labels=("pneumonia",), meta=meta, image=Path("x.png")
    )
    questions = list(questions_of(asker))
    kinds = {question.kind for question in questions}
    assert {
        "image, by label",
        "both, by normality",
        "image, by diagnosis",
        "both, by finding",
    } <= kinds
    replies = {q.assertion for q in questions if q.assertion is not None}
    assert replies == {Assertion.AFFIRMED, Assertion.NEGATED}
    assert all((q.query.image is not None) == (q.form != "text") for q in questions)
    alone = list(questions_of(replace(asker, reading=facts(text).reading)))
    assert {question.form for question in alone} == {"text"}


def test_scores_by_hand():
    found = [Case(id=f"s/{i}", patient_id=p) for i, p in enumerate(("P1", "P1", "P2"))]
    evidence = [Evidence(f"C{i}", case, VECTOR, 0.5, 0.5) for i, case in enumerate(found)]
    question = Question(Query("x"), Routing({}, None), VECTOR)
    context = Context(question, evidence, evidence[::-1], evidence[2:], {})
    grades = {"s/0": 2, "s/1": 2, "s/2": 1}
    asked = Retrieval(Graded(Query("x"), "text", "label", facts()), context, grades, (2, 2, 1))
    best = 2 + 2 / np.log2(3) + 1 / 2
    expected = [1.0, (1 + 2 / np.log2(3) + 2 / 2) / best, 1 / best]
    assert scores([asked])[0] == pytest.approx(expected)
    assert scores([asked], once=True)[0] == pytest.approx(
        [(2 + 1 / 2) / best, (1 + 2 / np.log2(3)) / best, 1 / best]
    )
    assert STATIONS == ("gathered", "ranked", "kept")


@pytest.fixture(scope="module")
def records(phantoms, tmp_path_factory):
    folder = tmp_path_factory.mktemp("order")
    files = []
    for name, cases in (("known", phantoms[::2]), ("strange", phantoms[1::2])):
        write_records([replace(c, split="") for c in cases], folder / f"{name}.jsonl")
        files.append(folder / f"{name}.jsonl")
    return files


def test_patients_who_ask_are_not_searched(records):
    rest, asking = held_apart(records, "test", 60)
    others, tuning = held_apart(records, "tune", 60)
    patients = {c.patient_id for c in asking}
    assert patients
    assert patients.isdisjoint(c.patient_id for c in (*rest, *others, *tuning))
    assert {c.patient_id for c in tuning}.isdisjoint(c.patient_id for c in others)


def test_the_section_reports_every_group(records):
    section = evaluate_order(records[:1], records[1:], records=40, questions=2)
    figures = section.data
    assert set(figures["whole"]) == {ALL, HELD_OUT, UNSEEN}
    assert figures["whole"][ALL]["n"] == sum(f["n"] for f in figures["by_kind"].values())
    assert {name.split(",")[0] for name in figures["by_kind"]} == {"text", "image", "both"}
    assert all(0 <= v <= 1 for f in figures["by_kind"].values() for v in f["ndcg@5"])
    assert len(section.tables[0].rows) == 3 + len(figures["by_kind"])


def test_too_few_patients_are_refused(tmp_path):
    write_records([Case(id="1", text="A report.", **CHEST)], tmp_path / "one.jsonl")
    with pytest.raises(CorpusError, match="too few patients"):
        held_apart([tmp_path / "one.jsonl"], "test", 10)


def test_patients_of_whom_nothing_can_be_asked_are_refused(tmp_path):
    texts = ("Left pneumothorax.", "Fracture of the right clavicle.", "Calcified nodule.")
    cases = [Case(id=t, text=t, patient_id=t, **CHEST) for t in texts]
    write_records(cases, tmp_path / "silent.jsonl")
    with pytest.raises(CorpusError, match="fitting case among the other patients"):
        evaluate_order([tmp_path / "silent.jsonl"])
