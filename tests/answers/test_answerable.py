"""The last look at a question: is its form one that similar cases can answer?"""

from __future__ import annotations

import pytest

from mmedrag.answers.answerable import unanswerable
from mmedrag.answers.question_rules import BY_MARK, BY_NOTHING, BY_VERB


@pytest.mark.parametrize(
    "text",
    ["left effusion?", "any free air then?", "pneumoperitoneum?", "nodule in the left apex?"],
)
def test_a_bare_finding_with_a_question_mark_is_answerable(text):
    assert not unanswerable(text, BY_MARK, names_finding=True)


@pytest.mark.parametrize(
    "text",
    ["How does a gamma camera count?", "Who owns the archive?", "Whose slide is this?",
     "¿Cuánto pesa el hígado?"],
)  # fmt: skip
def test_an_asking_word_that_no_rule_expects_is_not(text):
    assert unanswerable(text, BY_MARK, names_finding=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("does the mass cross the midline?", False),
        ("is the trachea deviated?", False),
        ("can you see the nodule?", False),
        ("is a nodule of this size usually removed?", True),
        ("is this familial?", True),
        ("will the effusion come back?", True),
        ("is coughing bad for it?", True),
        ("are you a physician?", True),
    ],
)
def test_yes_or_no_is_asked_of_what_can_be_seen(text, expected):
    assert unanswerable(text, BY_VERB, names_finding=True) is expected


def test_a_modal_without_finding_must_ask_what_is_seen():
    assert unanswerable("could somebody bring coffee?", BY_VERB, names_finding=False)
    assert not unanswerable("could this be seen on the left?", BY_VERB, names_finding=False)


def test_other_rules_say_themselves_what_they_ask():
    assert not unanswerable("how has it changed?", "compares with an earlier study",
                            names_finding=False)  # fmt: skip
    assert not unanswerable("cough and fever", BY_NOTHING, names_finding=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rotate the image", True),
        ("please send me the pictures", True),
        ("mass in the left kidney", False),
        ("within the mass there is air", False),
        ("note the midline shift", False),
        ("abutting the pleura", False),
    ],
)
def test_an_order_is_no_description(text, expected):
    assert unanswerable(text, BY_NOTHING, names_finding=False) is expected


def test_why_is_asked_of_something_that_is_shown():
    assert unanswerable("why do scanners hum?", "asks for diagnoses", names_finding=False)
    assert not unanswerable("why is this lung white?", "asks for diagnoses", names_finding=False)
