"""Task questions: made of records and by hand, and how replies to them are scored."""

from __future__ import annotations

from pathlib import Path

from mmedrag.evaluation.task_replies import figures, sampled, scored, tables, with_replies
from mmedrag.evaluation.tasks import (
    Task,
    by_hand,
    held_out,
    of_glossary,
    of_records,
    readings_of,
    same_diagnosis,
)
from mmedrag.types import Case, Query, Reply
from mmedrag.views.section import Section

IMAGE = Path("image.png")


def test_there_are_enough_tasks_by_hand(terms):
    tasks = by_hand(terms)
    kinds = [task.kind for task in tasks]
    assert len(tasks) >= 150
    assert kinds.count("to be declined") >= 50
    assert all(
        task.codes for task in tasks if task.kind in ("definition (by hand)", "history alone")
    )


def test_every_term_of_the_glossary_is_asked_for():
    tasks = list(of_glossary())
    assert len(tasks) >= 500
    assert all(len(task.codes) == 1 and task.query.text.startswith("What is ") for task in tasks)


def test_records_give_questions_with_what_would_be_right(terms):
    cases = [
        Case(id="ill", text="Pneumothorax. No fracture.", image=IMAGE, patient_id="P1",
             diagnosis="Pneumothorax", meta={"history": "Sudden pain."}),
        Case(id="well", text="", labels=("no finding",), image=IMAGE, patient_id="P2"),
        Case(id="blind", text="Pneumothorax."),
    ]  # fmt: skip
    tasks = list(of_records(readings_of(cases, terms), terms))
    told = {(t.kind, t.query.text, t.reply) for t in tasks if t.patient == "P1"}
    assert told == {
        ("is there X (yes)", "Is there pneumothorax?", Reply.YES),
        ("is there X (no)", "Is there fracture?", Reply.NO),
        ("is it normal (no)", "Is this normal?", Reply.NO),
        ("image alone", "", None),
        ("image and history", "Sudden pain. What is the most likely diagnosis?", None),
        ("history alone (records)", "Sudden pain. What is the most likely diagnosis?", None),
    }
    well = {(t.query.text, t.reply) for t in tasks if t.patient == "P2"}
    assert ("Is this normal?", Reply.YES) in well
    assert all(t.case_id != "blind" for t in tasks)


def test_patients_are_held_out_as_the_records_say_or_by_a_digest():
    told = [Case(id="a", split="train"), Case(id="b", split="val")]
    assert held_out(told) == (told[:1], told[1:])
    many = [Case(id=f"{i}-{side}", patient_id=f"P{i}") for i in range(200) for side in "lr"]
    known, apart = held_out(many)
    assert 0 < len(apart) < len(known)
    assert {c.patient_id for c in known}.isdisjoint(c.patient_id for c in apart)


def test_a_kind_of_a_diagnosis_is_right_and_a_wider_one_is_not(terms):
    find = terms.concepts.find
    wide, narrow = find("carcinoma"), find("adenocarcinoma")
    assert same_diagnosis(narrow, frozenset({wide}), terms)
    assert not same_diagnosis(wide, frozenset({narrow}), terms)
    assert same_diagnosis("diagnosis:rare zebra", frozenset({"diagnosis:zebra"}), terms)
    assert not same_diagnosis("diagnosis:zebra", frozenset({"diagnosis:rare zebra"}), terms)
    assert not same_diagnosis("diagnosis:zebra rash", frozenset({"diagnosis:zebra"}), terms)
    many = frozenset({"diagnosis:striped african zebra"})
    assert same_diagnosis("diagnosis:african zebra", many, terms)
    assert not same_diagnosis("diagnosis:zebra", frozenset({"diagnosis:horse"}), terms)


def test_replies_are_scored_on_a_real_system(rag, phantoms, terms):
    asked = readings_of([c for c in phantoms if c.image][:6], terms)
    tasks = sampled(of_records(asked, terms), 2)
    tasks += [Task("to be declined", Query("What dose of aspirin?"), declined=True)]
    tasks += [Task("in scope", Query("Is there an effusion?"))]
    tasks += [Task("definition (glossary)", Query("What are drusen?"),
                   codes=frozenset({terms.concepts.find("drusen")}))]  # fmt: skip
    scores = scored(rag, terms, tasks)
    assert sum(s.tasks for s in scores.values()) == len(tasks)
    assert scores["to be declined"].right == scores["definition (glossary)"].right == 1
    assert scores["in scope"].right == 1
    assert sum(s.contradicted for s in scores.values()) == 0
    section = Section(name="answers", title="t", protocol="p", verdict="v")
    shown = with_replies(section, scores)
    assert shown.data["replies"] == figures(scores)
    assert len(tables(scores)[0].rows) == len(scores)


def test_sides_and_grades_are_asked_for(terms):
    case = Case(id="a", text="Severe left pleural effusion.", image=IMAGE, patient_id="P1")
    tasks = {t.kind: t for t in of_records(readings_of([case], terms), terms)}
    assert tasks["which side"].detail == "left"
    assert tasks["which grade"].detail == "severe"


def test_of_a_few_diagnoses_the_others_are_not_there(terms):
    cases = [
        Case(id=str(i), labels=(name,), image=IMAGE, patient_id=f"P{i}")
        for i, name in enumerate(["glioma", "meningioma", "pneumonia", "normal"])
    ]
    tasks = [t for t in of_records(readings_of(cases, terms), terms) if "another" in t.kind]
    asked = {(t.patient, t.query.text) for t in tasks}
    assert len(tasks) >= 3
    assert all(t.reply is Reply.NO for t in tasks)
    assert not any("glioma" in text for patient, text in asked if patient == "P0")
