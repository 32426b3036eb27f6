"""Sides that texts name, and that they give to findings."""

from __future__ import annotations

import pytest

from mmedrag.definitions import Dictionary, glossary
from mmedrag.text.laterality import LEFT, RIGHT, mirrored, sides, sides_of_findings

BOTH = {LEFT, RIGHT}


@pytest.fixture(scope="module")
def source() -> Dictionary:
    return glossary()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("left lower lobe", {LEFT}),
        ("RIGHT-sided", {RIGHT}),
        ("bilateral", BOTH),
        ("RUL and LLL", BOTH),
        ("OD: drusen", {RIGHT}),
        ("derrame izquierdo", {LEFT}),
        ("pulmão direito", {RIGHT}),
        ("the drain was left over night; right now stable", set()),
        ("od on foot", set()),
        ("alright, leftover", set()),
        ("both drusen and geographic atrophy", set()),
        ("both pleural effusion and atelectasis", set()),
        ("drusen in both eyes and a hole", BOTH),
        ("both lungs and the heart", BOTH),
        ("both of the kidneys", BOTH),
        ("opacities on both sides", BOTH),
        ("Lt base, rt. apex", BOTH),
        ("Rt-sided", {RIGHT}),
        ("RT and chemotherapy, size &lt; 5 mm", set()),
    ],
)
def test_sides_named(text: str, named: set[str]) -> None:
    assert sides(text) == named


@pytest.mark.parametrize(
    ("text", "term", "expected"),
    [
        ("Left pleural effusion and right pneumothorax.", "pleural effusion", {LEFT}),
        ("Left pleural effusion and right pneumothorax.", "pneumothorax", {RIGHT}),
        ("Pleural effusion on the left, nodule in the right lung.", "pleural effusion", {LEFT}),
        ("Pleural effusion on the right and left.", "pleural effusion", BOTH),
        ("Bilateral pleural effusions.", "pleural effusion", BOTH),
        ("Right lung nodule.", "nodule", {RIGHT}),
        ("OD: drusen. OS: normal.", "drusen", {RIGHT}),
        ("Left eye: optic disc swelling, drusen.", "drusen", {LEFT}),
        ("Drusen. The right eye is normal.", "drusen", None),
        ("No left pleural effusion.", "pleural effusion", None),
        ("Is there a left pleural effusion?", "pleural effusion", {LEFT}),
    ],
)
def test_sides_of_findings(
    source: Dictionary, text: str, term: str, expected: set[str] | None
) -> None:
    (mentions,) = source.recognise([text])
    by_term = {m.term: sides_of_findings(text, mentions).get(m.concept) for m in mentions}
    found = next(value for name, value in by_term.items() if term in name)
    assert found == expected


def test_mirrored_twice_is_the_text() -> None:
    text = "Left RUL nodule, OS normal; the right side is clear."
    flipped = mirrored(text)
    assert flipped == "Right LUL nodule, OD normal; the left side is clear."
    assert mirrored(flipped) == text
    assert mirrored("Rt nodule, size &lt; 5 mm") == "Lt nodule, size &lt; 5 mm"
    assert mirrored("effusion") is None
