"""Texts as they are read, and where each character stood."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.text.characters import Reading, plain


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("pneumothorax", "pneumothorax"),
        ("pneumo\u00adthorax", "pneumothorax"),
        ("pneumo\u200bthorax", "pneumothorax"),
        ("\ufeffNo effusion\u200e", "No effusion"),
        ("pneumo-\nthorax", "pneumothorax"),
        ("pneumo\u2010 \r\n  thorax", "pneumothorax"),
        ("well-\ndefined", "well-defined"),
        ("a list -\n- of two", "a list -\n- of two"),
        ("effusion\nand", "effusion\nand"),
        ("neumoto\u0301rax", "neumotórax"),
        ("", ""),
    ],
)
def test_what_is_read(text: str, read: str) -> None:
    assert Reading.of(text).text == read


def test_a_place_in_the_reading_is_one_in_the_text() -> None:
    text = "No pneu\u00admo-\nthorax\u200b, no mass."
    reading = Reading.of(text)
    start = reading.text.index("pneumothorax")
    first, last = reading.span(start, start + len("pneumothorax"))
    assert text[first:last] == "pneu\u00admo-\nthorax"


@given(st.text(alphabet="ab-\n \u00ad\u200b\u0301é.", max_size=60))
def test_places_keep_order_and_letters(text: str) -> None:
    reading = Reading.of(text)
    ends = [reading.span(i, i + 1) for i in range(len(reading.text))]
    assert ends == sorted(ends)
    for i, (first, last) in enumerate(ends):
        assert 0 <= first < last <= len(text)
        assert unicodedata.normalize("NFC", text[first:last])[0] == reading.text[i] or (
            reading.text[i] in unicodedata.normalize("NFC", text[first:])
        )


@given(st.text(max_size=60))
def test_a_reading_is_read_as_it_is(text: str) -> None:
    once = Reading.of(text).text
    assert Reading.of(once).text == once or "-" in text or "\u2010" in text


def test_plain() -> None:
    assert plain("Ausência de DERRAME") == "ausencia de derrame"
