"""The words that decline: every rule has a name, a sentence and words that fit."""

from __future__ import annotations

import re

import pytest

from mmedrag.answers.scope_rules import COMPILED, ELSEWHERE, HISTORY, OBJECT, RULES, SENTENCES


def rule_of(text: str) -> str:
    return next((name for name, _, words in COMPILED if words.search(text)), "")


def test_every_rule_has_a_sentence_and_patterns_that_compile():
    assert len(SENTENCES) == len(RULES) == len(COMPILED)
    assert all(sentence.startswith("This ") for sentence in SENTENCES.values())
    assert all(re.compile(p) for _, _, patterns in RULES for p in patterns)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("what dose of gentamicin?", "asks for a dose"),
        ("median time to relapse?", "asks for a prognosis"),
        ("which tests would you add?", "asks for a guideline"),
        ("drug of choice for cellulitis", "asks for a treatment"),
        ("is he a candidate for bypass?", "asks for a decision"),
        ("how frequent is gout in women?", "asks for general knowledge"),
        ("compose a referral", "asks for work"),
        ("a limerick about rain, a poem", "is no medical question"),
    ],
)
def test_words_that_decline(text, name):
    assert rule_of(text) == name


@pytest.mark.parametrize(
    "text",
    ["is there an effusion?", "what is a hamartoma?", "write the report for this film",
     "list causes of hydronephrosis", "which side is affected?"],
)  # fmt: skip
def test_words_that_do_not(text):
    assert not rule_of(text)


def test_a_treatment_in_the_history_is_not_asked_for():
    assert HISTORY.sub(" ", "fibrosis after radiation?") == "fibrosis  ?"


def test_animals_and_machines_are_named_anywhere():
    assert ELSEWHERE.search("My dog limps. Fracture?")
    assert ELSEWHERE.search("the scanner is not starting")
    assert not ELSEWHERE.search("the monitor lead is coiled")


def test_what_is_to_be_described():
    match = OBJECT.search("Please describe the water cycle.")
    assert match is not None
    assert match["object"] == "the water cycle"
    assert OBJECT.search("describe this") is None
