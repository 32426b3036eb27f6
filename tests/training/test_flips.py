"""Texts turned round: the meaning changes, and only that."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.definitions import glossary
from mmedrag.text.laterality import mirrored
from mmedrag.training.flips import negated
from mmedrag.types import Assertion, Case

GLOSSARY = glossary()


def turned(text: str, *terms: str) -> str | None:
    mentions = GLOSSARY.recognise([text])[0]
    concepts = {m.concept for m in mentions if not terms or m.term in terms}
    return negated(text, mentions, concepts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Left pleural effusion with collapse.", "No left pleural effusion with collapse."),
        ("The film shows a large lung mass.", "The film shows no large lung mass."),
        ("There is a small pneumothorax.", "There is no small pneumothorax."),
        ("There is no pneumothorax.", "There is pneumothorax."),
        ("No pleural effusion.", "Pleural effusion."),
        ("Drusen without exudates", "No drusen with exudates"),
        ("No evidence of cardiomegaly.", "Cardiomegaly."),
    ],
)
def test_negation_by_hand(text, expected):
    assert turned(text) == expected


def test_only_the_wanted_concepts_are_turned():
    text = "There is a pneumothorax and a pleural effusion."
    assert turned(text, "pleural effusion") == "There is a pneumothorax and no pleural effusion."


def test_a_text_without_the_finding_cannot_be_turned():
    mentions = GLOSSARY.recognise(["Possible pneumothorax."])[0]
    assert negated("Possible pneumothorax.", mentions, {m.concept for m in mentions}) is None
    assert negated("Clear lungs.", (), {"MMR:0002"}) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Left lung, right kidney", "Right lung, left kidney"),
        ("LEFT arm; leftward shift", "RIGHT arm; rightward shift"),
        ("RUL mass, OD drusen", "LUL mass, OS drusen"),
        ("both lungs, bright area, os frontale", None),
    ],
)
def test_laterality_by_hand(text, expected):
    assert mirrored(text) == expected


SIDES = ["left", "Right", "LUL", "RLL", "OS", "OD", "lung", "mass,", "bright", "leftover", "."]


@given(st.lists(st.sampled_from(SIDES), max_size=12).map(" ".join))
def test_two_exchanges_give_the_text_back(text):
    flipped = mirrored(text)
    assert flipped is None or mirrored(flipped) == text


def test_on_reports_negation_changes_the_assertion_and_only_that(phantoms: list[Case]):
    """Of affirmed findings at least nineteen of twenty read as ruled out, and no word is new."""
    tried = changed = 0
    for case in phantoms[:60]:
        mentions = GLOSSARY.recognise([case.text])[0]
        for concept in {m.concept for m in mentions if m.assertion is Assertion.AFFIRMED}:
            flipped = negated(case.text, mentions, {concept})
            assert flipped is not None
            assert words(flipped) - words(case.text) <= {"no"}
            assert words(case.text) - words(flipped) <= {"a", "an", "the", "some", "this"}
            now = {m.assertion for m in GLOSSARY.recognise([flipped])[0] if m.concept == concept}
            tried += 1
            changed += Assertion.NEGATED in now
    assert tried > 40
    assert changed >= 0.95 * tried


def test_on_reports_mirroring_changes_sides_and_nothing_else(phantoms: list[Case]):
    sided = [case.text for case in phantoms if mirrored(case.text)]
    assert len(sided) > 20
    for text in sided:
        flipped = mirrored(text)
        assert flipped != text
        assert neutral(flipped) == neutral(text)


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def neutral(text: str) -> str:
    return re.sub(r"\b(left|right|od|os|rul|lul|rll|lll)", "SIDE", text.lower())
