"""Spelling mistakes in questions, and words that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.definitions import glossary
from mmedrag.definitions.spelling import Correction, Spelling

SPELLING = Spelling(glossary().vocabulary())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("plueral efusion", "pleural effusion"),
        ("Is there a pnuemothorax?", "Is there a pneumothorax?"),
        ("pnemonia of the left lower lobe", "pneumonia of the left lower lobe"),
        ("diabetik retinopathy", "diabetic retinopathy"),
        ("Cardiomegly with haemorage", "Cardiomegaly with haemorrhage"),
        ("MENINGIMOA", "MENINGIOMA"),
        ("retnal detachment", "retinal detachment"),
        ("adenocarcenoma", "adenocarcinoma"),
        ("liver cirhosis, gall stone", "liver cirrhosis, gall stone"),
        ("plural effusion", "pleural effusion"),
        ("brest cancer", "breast cancer"),
    ],
)
def test_mistakes_are_corrected(written: str, meant: str) -> None:
    assert SPELLING.correct(written).text == meant


@pytest.mark.parametrize(
    "right",
    [
        "pleural effusion",
        "Effusions, fractures and tumors",
        "haemorrhage or hemorrhage",
        "Kikuchi disease",
        "adenitis and cheilitis",
        "hepatoma and haematoma",
        "the plural of corpus",
        "a letter from Dr Kowalsky",
        "ileitis",
        "CXR and MRI",
        "the quick brown fox jumps over the lazy dog",
        "",
    ],
)
def test_what_is_right_or_in_doubt_stays(right: str) -> None:
    assert SPELLING.correct(right).text == right
    assert SPELLING.correct(right).corrections == ()


def test_each_glossary_name_is_right() -> None:
    wrong = [name for name in glossary().vocabulary() if SPELLING.correct(name).corrections]
    assert wrong == []


def test_corrections_name_the_characters_of_the_text_as_written() -> None:
    text = "no plueral efusion"
    corrected = SPELLING.correct(text)
    assert corrected.corrections == (
        Correction("plueral", "pleural", 3, 10),
        Correction("efusion", "effusion", 11, 18),
    )
    assert all(text[c.start : c.end] == c.written for c in corrected.corrections)


def test_words_of_the_casebase_are_right_and_can_be_meant() -> None:
    own = Spelling(glossary().vocabulary(), {"zorbosis": 12, "efusion": 1, "meningimoa": 2})
    assert own.correct("zorbossis").text == "zorbosis"
    assert own.correct("meningimoa").text == "meningimoa"


def test_a_rare_form_of_a_frequent_word_is_a_mistake() -> None:
    own = Spelling(glossary().vocabulary(), {"effusion": 900, "efusion": 1})
    assert own.correct("efusion").text == "effusion"


@given(st.text(max_size=60))
def test_any_text_gets_an_answer(text: str) -> None:
    corrected = SPELLING.correct(text)
    assert bool(corrected.corrections) == (corrected.text != text)
