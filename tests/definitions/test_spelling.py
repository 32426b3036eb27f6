"""Spelling mistakes in questions, and words that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from symspellpy import SymSpell, Verbosity

from mmedrag.definitions import glossary
from mmedrag.definitions.spelling import Spelling
from mmedrag.protocols import SpellingCorrector
from mmedrag.types import Correction

OWN = glossary()
SPELLING = Spelling(OWN)


class Reports:
    """A :class:`~mmedrag.protocols.Words` over given frequencies."""

    def __init__(self, frequencies: dict[str, int]) -> None:
        self._frequencies = frequencies
        self._speller = SymSpell(max_dictionary_edit_distance=2)
        for word, times in frequencies.items():
            self._speller.create_dictionary_entry(word, times)

    def frequency(self, word: str) -> int:
        return self._frequencies.get(word, 0)

    def similar(self, word: str) -> dict[str, int]:
        found = self._speller.lookup(word, Verbosity.ALL, max_edit_distance=2)
        return {s.term: s.distance for s in found if s.count >= 3}


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
        ("aneurism of the aorta", "aneurysm of the aorta"),
        ("hepatocelular carcinoma", "hepatocellular carcinoma"),
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
        "MPX1009_efusion and plueral.dcm",
        "efusion_2 efusion7 #efusion @efusion",
        "patient of Dr. Efusion",
        "neumotorax",
        "carcinoma hepatocelular",
        "derrame plueral sin neumotorax en el pulmon izquierdo",
        "12345 99.5 1/2",
        "the quick brown fox jumps over the lazy dog",
        "",
    ],
)
def test_what_is_right_or_in_doubt_stays(right: str) -> None:
    assert SPELLING.correct(right).text == right
    assert SPELLING.correct(right).corrections == ()


def test_each_glossary_name_is_right() -> None:
    wrong = [name for name in OWN.vocabulary() if SPELLING.correct(name).corrections]
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
    own = Spelling(OWN, Reports({"zorbosis": 12, "efusion": 1, "meningimoa": 2}))
    assert own.correct("zorbossis").text == "zorbosis"
    assert own.correct("meningimoa").text == "meningimoa"


def test_a_rare_form_of_a_frequent_word_is_a_mistake() -> None:
    own = Spelling(OWN, Reports({"effusion": 900, "efusion": 1}))
    assert own.correct("efusion").text == "effusion"


def test_it_is_a_corrector() -> None:
    assert isinstance(SPELLING, SpellingCorrector)


@given(st.lists(st.sampled_from([*OWN.vocabulary()]), max_size=4).map(", ".join))
def test_terms_are_never_corrected(text: str) -> None:
    assert SPELLING.correct(text).corrections == ()


@given(st.text(max_size=60))
def test_any_text_gets_an_answer(text: str) -> None:
    corrected = SPELLING.correct(text)
    assert bool(corrected.corrections) == (corrected.text != text)
    written = text
    for c in reversed(corrected.corrections):
        assert written[c.start : c.end] == c.written
        written = written[: c.start] + c.meant + written[c.end :]
    assert written == corrected.text
