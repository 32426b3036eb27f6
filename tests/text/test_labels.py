"""Labels and reports are told apart by one rule."""

from __future__ import annotations

import pytest

from mmedrag.text.labels import LABEL_WORDS, is_label, words_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("normal fundus", True),
        ("", False),
        (" - ", False),
        ("one two three four five six seven eight", True),
        ("one two three four five six seven eight nine", False),
        ("drusen, non-proliferative retinopathy; macular_edema", True),
    ],
)
def test_a_label_has_few_words(text, expected):
    assert is_label(text) is expected


def test_words_are_letters_and_digits():
    assert words_of("T2-weighted, Œdème_(left)") == ("t2", "weighted", "œdème", "left")
    assert LABEL_WORDS == 8
