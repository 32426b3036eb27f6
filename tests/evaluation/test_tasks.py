"""Task questions: made of records and by hand, and how replies to them are scored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mmedrag.answers.agreement import features
from mmedrag.assembly import dictionary
from mmedrag.definitions import Dictionary
from mmedrag.evaluation.agreement import _Lead as Lead
from mmedrag.evaluation.agreement import _Presence as Presence
from mmedrag.evaluation.agreement import fit, measure_agreement
from mmedrag.evaluation.task_replies import drawn, figures, scored, tables, with_replies
from mmedrag.evaluation.tasks import (
    Task,
    by_hand,
    digest,
    held_out,
    of_glossary,
    of_records,
    readings_of,
    same_diagnosis,
)
from mmedrag.types import Case, Query, Reply
from mmedrag.views.section import Section

IMAGE = Path("image.png")


@pytest.fixture(scope="module", name="terms")
def _terms() -> Iterator[Dictionary]:
    source = dictionary()
    yield source
    source.close()


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
    assert same_diagnosis("diagnosis:zebra syndrom", frozenset({"diagnosis:zebra"}), terms)
    assert not same_diagnosis("diagnosis:zebra", frozenset({"diagnosis:horse"}), terms)


def test_replies_are_scored_on_a_real_system(rag, phantoms, terms):
    asked = readings_of([c for c in phantoms if c.image][:6], terms)
    tasks = drawn(asked, terms, 2)
    tasks += [Task("to be declined", Query("What dose of aspirin?"), declined=True)]
    tasks += [Task("in scope", Query("Is there an effusion?"))]
    tasks += [Task("definition (glossary)", Query("What are drusen?"),
                   codes=frozenset({terms.concepts.find("drusen")}))]  # fmt: skip
    scores = scored(rag, terms, tasks)
    assert sum(s.asked for s in scores.values()) == len(tasks)
    assert scores["to be declined"].right == scores["definition (glossary)"].right == 1
    assert scores["in scope"].right == 1
    assert sum(s.contradicted for s in scores.values()) == 0
    section = Section(name="answers", title="t", protocol="p", verdict="v")
    shown = with_replies(section, scores)
    assert shown.data["replies"] == figures(scores)
    assert len(tables(scores)[0].rows) == len(scores)


def test_an_agreement_is_measured_and_fitted(rag, phantoms, terms):
    tasks = drawn(readings_of([c for c in phantoms if c.image][:4], terms), terms, 1)
    agreement, section = measure_agreement(rag, terms, tasks)
    assert len(agreement.presence.weights) == 5
    assert section.name == "agreement"


def test_thresholds_let_replies_through_that_were_right():
    rows = [
        Presence(
            "presence",
            digest(f"P{i}"),
            features(5 * (i % 2), 0, 0, 5, None),
            bool(i % 2),
            5 * (i % 2),
            0,
            5,
        )
        for i in range(200)
    ]
    leads = [Lead("image", share / 10, share > 5) for share in range(10) for _ in range(5)]
    agreement = fit(rows, leads)
    assert agreement.reply((5, 0, 0), 5, None)[0] is Reply.YES
    assert agreement.presence.right_yes > 0.9
    assert agreement.lead_rate(0.9, has_text=False) > 0.8 > agreement.lead_rate(0.1, has_text=False)
