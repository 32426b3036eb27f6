"""Words that ask are spelled out; terms are left as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.answers.shorthand import spelled_out


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("wat is a pneumothorax", "what is a pneumothorax"),
        ("isnt there a nodule", "is not there a nodule"),
        ("is evrything ok", "is everything ok"),
        ("best tx pls", "best treatment please"),
        ("diffrential?", "differential?"),
        ("plueral efusion", "plueral efusion"),
        ("U-shaped DX", "you-shaped DX"),
        ("normally", "normally"),
    ],
)
def test_asking_words(written, meant):
    assert spelled_out(written) == meant


@given(st.text(max_size=80))
def test_it_is_done_once(text):
    assert spelled_out(spelled_out(text)) == spelled_out(text)
