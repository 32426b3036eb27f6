"""Markup around marks goes, exponents stay, and the cut of the text makes no difference."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmedrag.text.markup import plainly
from mmedrag.text.reasoning import RETRACTED


@pytest.mark.parametrize(
    "written",
    [
        *("**[C1]**", "__[C1]__", "^[C1]^", "[^C1]", "\\[C1\\]", "<sup>[C1]</sup>"),
        *("&#91;C1&#93;", "&lsqb;C1&rsqb;", "&LBRACK;C1&RBRACK;", "&#x5B;C1&#x5D;"),
    ],
)
def test_marks_are_written_plainly(written):
    assert "".join(plainly([f"A nodule {written}."])) == "A nodule [C1]."


@pytest.mark.parametrize("written", ["¹²", "<sup>12</sup>", "<sup> 12 </sup>"])
def test_a_number_raised_after_a_word_is_a_mark(written):
    assert "".join(plainly([f"A nodule{written}."])) == "A nodule[12]."
    assert "".join(plainly([f"A nodule{written}"])) == "A nodule[12]"


@pytest.mark.parametrize(
    "text", ["3 cm²", "10⁹/L", "10<sup>9</sup>/L", "kg/m²", "a ** b", "x]", "["]
)
def test_exponents_and_the_rest_stay(text):
    assert "".join(plainly([text])) == text


def test_what_is_retracted_leaves_nothing_behind():
    assert list(plainly(["a <su", RETRACTED, "b"])) == ["a ", RETRACTED, "b"]


@example(["word", "¹", "a", "¹", "a"])
@given(st.lists(st.sampled_from("abc ¹²[]*_^\\<>/sup&#91;93 12,C") | st.just("word"), max_size=40))
def test_how_the_text_is_cut_makes_no_difference(letters):
    assert "".join(plainly(letters)) == "".join(plainly(["".join(letters)]))
