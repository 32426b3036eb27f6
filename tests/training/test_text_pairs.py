"""Pairs of texts: of one meaning, of one case, and never a text with itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.training.text_pairs import (
    LONGEST_FIELD,
    Concept,
    case_family,
    case_texts,
    concept_family,
    excerpt,
    half_family,
    halves,
    pair_family,
)
from mmedrag.types import Case

EFFUSION = Concept(("pleural effusion", "hydrothorax"), "Fluid between the pleurae.", ("finding",))
PNEUMOTHORAX = Concept(("pneumothorax",), "", ("finding",))


def random() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_concept_gives_two_names_or_a_name_and_the_definition_against_a_sibling() -> None:
    draw, source = concept_family([EFFUSION, PNEUMOTHORAX]), random()
    drawn = [draw(source) for _ in range(50)]
    assert {pair.other for pair in drawn} >= {"hydrothorax", "Fluid between the pleurae."}
    assert all(pair.one != pair.other for pair in drawn)
    assert {pair.wrong for pair in drawn} == {"pneumothorax"}
    assert {pair.group for pair in drawn} == {"pleural effusion"}


def test_a_report_is_cut_before_its_impression() -> None:
    one, other = halves("Findings: Clear lungs. No effusion. Impression: Normal chest.", random())
    assert (one, other) == ("Clear lungs. No effusion.", "Normal chest.")


@given(st.lists(st.sampled_from(["mass", "in.", "left", "lung;"]), min_size=10, max_size=30))
def test_halves_hold_all_words_in_order_and_neither_is_empty(words: list[str]) -> None:
    one, other = halves(" ".join(words), random())
    assert one
    assert other
    assert [*one.split(), *other.split()] == words


def test_a_short_text_is_not_cut() -> None:
    draw = half_family(["Cataract.", "one two three four five six seven eight nine ten"])
    assert {draw(random()).one.split()[0] for _ in range(5)} == {"one"}


def test_texts_of_a_case_are_paired_and_its_findings_are_asked_for() -> None:
    meta = {"case_diagnosis": "Meningioma", "findings": "Extra-axial mass.", "exam": "N/A"}
    case = Case(id="1", patient_id="p", text="Axial MRI of the head", meta=meta)
    assert case_texts(case).keys() == {"caption", "diagnosis", "findings"}
    draw, source = case_family([case]), random()
    drawn = [draw(source) for _ in range(40)]
    asked = [
        pair for pair in drawn if (pair.one, pair.other) == ("Meningioma", "Extra-axial mass.")
    ]
    assert len(asked) >= 15
    assert all(pair.one != pair.other for pair in drawn)


@pytest.mark.parametrize("n", [1, LONGEST_FIELD, LONGEST_FIELD + 40])
def test_an_excerpt_is_a_stretch_of_the_text(n: int) -> None:
    text = " ".join(str(i) for i in range(n))
    taken = excerpt(text, random())
    assert taken in text
    assert len(taken.split()) == min(n, LONGEST_FIELD)


def test_pairs_come_as_they_are() -> None:
    pair = pair_family([("drusen", "yellow deposits", "drusen")])(random())
    assert (pair.one, pair.other, pair.wrong) == ("drusen", "yellow deposits", "")
