"""Rewordings: the pair says the same, the wrong text differs in what counts."""

from __future__ import annotations

import numpy as np
import pytest

from mmedrag.training.rewordings import (
    ABSENT,
    GRADES,
    PRESENT,
    SIDES,
    assertion_family,
    language_family,
    sentence_family,
    template_family,
    thinned,
    turned,
)


def said(text: str, x: str, forms: tuple[str, ...]) -> bool:
    return text in {form.format(x=x) for form in forms}


def test_a_statement_is_reworded_and_its_opposite_is_wrong() -> None:
    draw, random = template_family(["effusion"]), np.random.default_rng(0)
    denied = 0
    for _ in range(200):
        pair = draw(random)
        assert pair.one != pair.other
        assert pair.wrong not in (pair.one, pair.other)
        if said(pair.one, "effusion", ABSENT):
            denied += 1
            assert said(pair.other, "effusion", ABSENT)
            assert said(pair.wrong, "effusion", PRESENT)
    assert 30 < denied < 100


@pytest.mark.parametrize("words", [*SIDES, *GRADES])
def test_qualifiers_of_one_list_exclude_each_other(words: tuple[str, ...]) -> None:
    assert len(set(words)) == len(words) > 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mass in the left upper lobe", "Mass in the right lower lobe"),
        ("no pleural effusion", "pleural effusion"),
        ("Severe stenosis", "mild stenosis"),
    ],
)
def test_a_text_is_turned(text: str, expected: str) -> None:
    assert turned(text, np.random.default_rng(0)) == expected


def test_what_is_left_out_neither_denies_nor_qualifies() -> None:
    text = "There is no acute fracture of the left femur in this small child"
    for seed in range(20):
        words = thinned(text, np.random.default_rng(seed)).split()
        assert {"acute", "left", "small"} <= set(words)
        assert {"no", "without", "absence"} & set(words)


def test_a_real_sentence_without_side_or_negation_is_not_used() -> None:
    draw = sentence_family(["Cardiomegaly", "Mass in the left lung"])
    assert {draw(np.random.default_rng(seed)).wrong for seed in range(9)} == {
        "Mass in the right lung"
    }


def test_a_sentence_is_paired_with_what_it_says_of_a_finding() -> None:
    pair = assertion_family([("Lungs are free of effusion.", "effusion", False)])(
        np.random.default_rng(0)
    )
    assert said(pair.other, "effusion", ABSENT)
    assert said(pair.wrong, "effusion", PRESENT)


def test_a_name_in_another_language_keeps_its_negation() -> None:
    draw, random = (
        language_family([("derrame pleural", "pleural effusion")]),
        np.random.default_rng(0),
    )
    for _ in range(50):
        pair = draw(random)
        assert "derrame pleural" in pair.one
        if pair.one.startswith(("sin ", "sem ", "no ", "não ", "aus")):
            assert said(pair.other, "pleural effusion", ABSENT)
