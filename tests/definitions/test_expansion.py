"""From the words of a question to the concepts that are searched."""

from __future__ import annotations

import pytest

from mmedrag.definitions import glossary
from mmedrag.definitions.expansion import MOST, QueryExpander, expand
from mmedrag.definitions.spelling import Spelling

OWN = glossary()
EXPANDER = QueryExpander(OWN, Spelling(OWN.vocabulary()))


def searched(text: str) -> list[set[str]]:
    """The names of the concepts to search, for each term."""
    return [{OWN.concepts.name(c) for c in term.concepts} for term in EXPANDER.expand(text).terms]


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("effusion", "pleural effusion"),
        ("carcinoma", "adenocarcinoma"),
        ("PTX", "tension pneumothorax"),
        ("brain bleed", "subdural haematoma"),
        ("water on the lungs", "pleural effusion"),
        ("collapsed lung", "pneumothorax"),
        ("broken bone", "rib fracture"),
        ("lazy eye", "amblyopia"),
        ("heart attack", "myocardial infarction"),
        ("plueral efusion", "loculated pleural effusion"),
    ],
)
def test_kinds_abbreviations_and_lay_words_are_searched(text: str, concept: str) -> None:
    assert concept in set().union(*searched(text))


def test_what_is_wider_is_not_searched() -> None:
    assert "effusion" not in searched("pleural effusion")[0]


def test_the_concept_itself_comes_first_and_there_are_not_too_many() -> None:
    (mentions,) = OWN.recognise(["disease of the lung, lesion, malignancy"])
    for term in expand(mentions, OWN.concepts):
        assert term.concepts[0] == term.mention.concept
        assert len(term.concepts) == len(set(term.concepts)) <= MOST


def test_names_are_what_reports_write() -> None:
    (term,) = EXPANDER.expand("collapsed lung").terms
    assert term.names[0] == "pneumothorax"
    assert "PTX" in term.names
    assert "collapsed lung" not in term.names


def test_corrections_are_said_and_mentions_lie_in_the_corrected_text() -> None:
    query = EXPANDER.expand("no plueral efusion")
    assert [(c.written, c.meant) for c in query.corrections] == [
        ("plueral", "pleural"),
        ("efusion", "effusion"),
    ]
    mention = query.terms[0].mention
    assert query.text[mention.start : mention.end] == mention.text == "pleural effusion"


def test_without_spelling_a_text_stays_as_it_is() -> None:
    query = QueryExpander(OWN).expand("plueral efusion")
    assert (query.text, query.corrections) == ("plueral efusion", ())
