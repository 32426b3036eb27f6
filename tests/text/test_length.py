"""Texts made to be slow: quadratic patterns would take minutes on these, and the run would hang."""

from __future__ import annotations

import pytest

from mmedrag.answers.passages import instruction_like
from mmedrag.answers.questions import last_request
from mmedrag.definitions import Dictionary, glossary
from mmedrag.text.laterality import mirrored, sides_of_findings
from mmedrag.text.quotations import clean, label, quotable
from mmedrag.text.sentences import sentences

UNITS = (
    "a", "0", ".", "\n", " \n", "-", "ﬁ", "é", "\u00ad", "x-\n", "1.", "no ", "no no effusion. ",
    "effusion, ", "no effusion or ", "e.g. A ", "Dr. ", "? ", ": no ", "- no effusion\n", "A1b2",
    "s p a c e ", "![", "send ", "left effusion and ", "the heart is very ", "mother ", "sin ",
)  # fmt: skip
MILLION = 1_000_000


@pytest.fixture(scope="module")
def own() -> Dictionary:
    return glossary()


@pytest.mark.parametrize("unit", UNITS)
def test_a_long_text_is_read_to_its_end(own: Dictionary, unit: str) -> None:
    text = unit * (50_000 // len(unit))
    (mentions,) = own.recognise([text])
    assert sum("effusion" in m.term for m in mentions) == text.count("effusion")
    sides_of_findings(text, mentions)
    mirrored(text)
    for read in (clean, quotable, label, sentences, last_request, instruction_like.__wrapped__):
        read(text)


@pytest.mark.long
@pytest.mark.parametrize("unit", UNITS)
def test_a_million_characters(own: Dictionary, unit: str) -> None:
    text = unit * (MILLION // len(unit))
    (mentions,) = own.recognise([text])
    assert len(mentions) <= len(text)
    instruction_like.__wrapped__(text)
