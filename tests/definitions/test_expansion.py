"""From the words of a question to the concepts and the names that are searched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmedrag.definitions import glossary
from mmedrag.definitions.expansion import LONGEST_REQUEST, MOST_SYNONYMS, ConceptExpander
from mmedrag.testing.questions import question_of
from mmedrag.types import Assertion, Intent, Query, Question, QuestionKind

OWN = glossary()
CONCEPTS = OWN.concepts
EXPANDER = ConceptExpander(CONCEPTS)


def question(text: str, kind: QuestionKind = QuestionKind.SEARCH) -> Question:
    asked = question_of(Query(text), np.zeros(1, np.float32))
    return replace(asked, mentions=OWN.recognise([text])[0], intent=Intent(kind, "test"))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("effusion", "pleural effusion"),
        ("carcinoma", "adenocarcinoma"),
        ("PTX", "tension pneumothorax"),
        ("brain bleed", "subdural haematoma"),
        ("water on the lungs", "pleural effusion"),
        ("collapsed lung", "pneumothorax"),
        ("broken bone", "rib fracture"),
        ("lazy eye", "amblyopia"),
        ("heart attack", "myocardial infarction"),
    ],
)
def test_kinds_abbreviations_and_lay_words_are_searched(text: str, kind: str) -> None:
    (criterion,) = EXPANDER.criteria(question(text))
    assert CONCEPTS.is_a(CONCEPTS.find(kind), criterion.concept)


def test_what_is_wider_is_not_searched() -> None:
    (criterion,) = EXPANDER.criteria(question("pleural effusion"))
    assert not CONCEPTS.is_a(CONCEPTS.find("effusion"), criterion.concept)


def test_criteria_are_what_the_question_affirms_and_rules_out_with_its_sites() -> None:
    made = EXPANDER.criteria(question("right lower lobe pneumonia, no left effusion"))
    assert [(c.term, c.assertion, c.sites) for c in made] == [
        ("pneumonia", Assertion.AFFIRMED, ("right", "lower lobe")),
        ("effusion", Assertion.NEGATED, ("left",)),
    ]


def test_who_asks_for_the_side_is_shown_either() -> None:
    for text in ("Is the nodule on the left or right?", "Is it a right or a left lower lobe mass?"):
        asked = question(text, QuestionKind.PRESENCE)
        asked = replace(asked, intent=Intent(QuestionKind.PRESENCE, "test", detail="side"))
        (criterion,) = EXPANDER.criteria(asked)
        assert not {"left", "right"} & {*criterion.sites}, text


@pytest.mark.parametrize(
    ("text", "there", "absent"),
    [
        ("all cases except pneumonia", [], ["pneumonia"]),
        ("lung cancer excluding small cell carcinoma", ["lung cancer"], ["small cell carcinoma"]),
        ("effusion but not cardiomegaly", ["effusion"], ["cardiomegaly"]),
        ("fracture other than a rib fracture", ["fracture"], ["rib fracture"]),
        ("neumonía excepto tuberculosis", ["pneumonia"], ["tuberculosis"]),
        ("normal except for scoliosis", ["scoliosis"], []),
        ("nothing except scoliosis", ["scoliosis"], []),
    ],
)
def test_what_is_excepted_should_not_be_there(text, there, absent) -> None:
    made = EXPANDER.criteria(question(text))
    assert [c.term for c in made if c.assertion is Assertion.AFFIRMED] == there
    assert [c.term for c in made if c.assertion is Assertion.NEGATED] == absent


def test_a_request_may_ask_for_a_device() -> None:
    made = EXPANDER.criteria(question("Cases with a pacemaker but no cardiomegaly"))
    assert [(c.term, c.assertion) for c in made] == [
        ("pacemaker", Assertion.AFFIRMED),
        ("cardiomegaly", Assertion.NEGATED),
    ]
    (described,) = EXPANDER.criteria(
        question("An old woman with a pacemaker and pneumonia of the left lower lobe")
    )
    assert described.term == "pneumonia"


@pytest.mark.parametrize(
    "text",
    [
        "effusion, no effusion",
        "possible effusion",
        "history of effusion",
        "chest radiograph of the lung",
        "",
    ],
)
def test_what_is_in_doubt_is_no_criterion(text: str) -> None:
    assert EXPANDER.criteria(question(text)) == ()


def test_what_a_description_affirms_is_evidence() -> None:
    text = "Chest radiograph of a man with cough: left pleural effusion, cardiomegaly, no mass"
    made = EXPANDER.criteria(question(text))
    assert [(c.term, c.sites) for c in made] == [
        ("pleural effusion", ("left",)),
        ("cardiomegaly", ()),
    ]
    assert not any(c.required for c in made)
    assert all(c.required for c in EXPANDER.criteria(question("effusion " * LONGEST_REQUEST)))


def test_a_question_whether_has_no_criteria() -> None:
    assert EXPANDER.criteria(question("effusion?", QuestionKind.PRESENCE)) == ()


def test_what_is_asked_of_nobody_is_looked_up_in_cases_that_have_it() -> None:
    choice = EXPANDER.criteria(question("Glioblastoma or brain abscess?", QuestionKind.CHOICE))
    assert [(c.term, c.required) for c in choice] == [
        ("glioblastoma", False),
        ("brain abscess", False),
    ]
    declined = question("Can I fly with a pneumothorax?", QuestionKind.OUT_OF_SCOPE)
    assert [c.term for c in EXPANDER.criteria(declined)] == ["pneumothorax"]
    sided = question("Which side is the pneumothorax on?", QuestionKind.PRESENCE)
    sided = replace(sided, intent=Intent(QuestionKind.PRESENCE, "test", detail="side"))
    assert [c.term for c in EXPANDER.criteria(sided)] == ["pneumothorax"]


def test_of_an_image_neither_is_looked_up() -> None:
    asked = question("Glioblastoma or brain abscess?", QuestionKind.CHOICE)
    assert EXPANDER.criteria(replace(asked, query=Query(asked.query.text, b"image"))) == ()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("water on the lungs", ("pleural effusion",)),
        ("Is there a collapsed lung?", ("pneumothorax",)),
        ("PTX, no CMV retinitis", ("pneumothorax",)),
        ("pleural effusions", ()),
        ("hemorrhage", ()),
        ("no collapsed lung", ()),
    ],
)
def test_synonyms_are_what_the_question_calls_otherwise(text: str, names: tuple[str]) -> None:
    assert EXPANDER.synonyms(question(text)) == names


def test_there_are_not_too_many_synonyms() -> None:
    text = "PTX, MI, DVT, COPD, CHF, SAH, RCC, HCC, AMD, PDR, NPDR, DCIS, PE"
    assert len(EXPANDER.synonyms(question(text))) == MOST_SYNONYMS
