"""The normal form of words, the lexicon, and what the glossary recognises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.definitions import Dictionary, Term, glossary
from mmedrag.definitions.entities import Lexicon, prefix_hashes
from mmedrag.definitions.terms import names
from mmedrag.text.wording import codes, normal, spans

SAME = """
metastasis metastases, opacity opacities, bronchus bronchi, vertebra vertebrae, apex apices,
carcinoma carcinomata, carcinoma carcinomas, diverticulum diverticula, phalanx phalanges,
ganglion ganglia, nucleus nuclei, mitosis mitoses, abscess abscesses, lens lenses, hilum hila,
cortex cortices, thrombus thrombi, naevus nevi, testis testes, pneumothorax pneumothoraces,
haemorrhage hemorrhage, oedema edemas, oesophagus esophagus, anaemia anemia, tumour tumors,
leucocyte leukocytes, fibre fibers, calibre caliber, paediatric pediatric, ischaemia ischemia,
coeliac celiac, grey gray, disk discs, localised localized, caecum cecum, foetus fetuses,
Crohn's Crohn, Crohn’s CROHN, micro-aneurysm microaneurysms, X-ray xray, Sjögren Sjogren
"""
DIFFERENT = """
mass mas, test testis, area are, tendon tends, temporal temporalis, orbital orbitale, basis base,
retina retinal, carcinoma carcinoid, callus call, status stat, ileum ilium, gastric gastritis
"""


def pairs(text: str) -> list[tuple[str, ...]]:
    return [tuple(pair.split()) for pair in text.split(",")]


@pytest.mark.parametrize(("one", "other"), pairs(SAME))
def test_spellings_and_plurals_have_one_normal_form(one: str, other: str) -> None:
    assert normal(one) == normal(other)


@pytest.mark.parametrize(("one", "other"), pairs(DIFFERENT))
def test_other_words_keep_their_own(one: str, other: str) -> None:
    assert normal(one) != normal(other)


@given(st.text())
def test_tokens_lie_in_the_text_in_order(text: str) -> None:
    last = 0
    for start, end in spans(text):
        assert last <= start < end <= len(text)
        last = end


@given(
    st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=4), max_size=12),
    st.lists(st.integers(0, 6), max_size=30),
)
def test_lexicon_finds_what_a_search_of_every_place_finds(
    known: list[list[int]], text: list[int]
) -> None:
    found = Lexicon.of(known).matches(np.array(text, dtype=np.uint64))
    expected = {
        (start, start + len(name), prefix_hashes(name)[-1])
        for name in known
        for start in range(len(text))
        if text[start : start + len(name)] == name
    }
    assert {(m.start, m.end, m.key) for m in found} == expected


@pytest.fixture(scope="module")
def own() -> Dictionary:
    return glossary()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ground glass opacities", "ground-glass opacity"),
        ("Ground-Glass\nOpacity", "ground-glass opacity"),
        ("GGOs", "ground-glass opacity"),
        ("copd", "chronic obstructive pulmonary disease"),
        ("H&E", "haematoxylin and eosin"),
        ("hematoxylin & eosin", "haematoxylin and eosin"),
        ("pulmonary edema", "pulmonary oedema"),
        ("Cup/Disc ratio", "cup-to-disc ratio"),
        ("carcinomata in situ", "carcinoma in situ"),
        ("left-sided pleural effusions", "pleural effusion"),
        ("PE", "pulmonary embolism"),
        ("the pe teacher", None),
        ("Dr Smith", None),
        ("DR", "diabetic retinopathy"),
        ("ALL", "acute lymphoblastic leukaemia"),
        ("all patients in the left finding", None),
        ("pleural, effusion", "effusion"),
        ("pleural\n\neffusion", "effusion"),
        ("massive", None),
    ],
)
def test_glossary_terms(own: Dictionary, text: str, expected: str | None) -> None:
    found = [m.term for m in own.recognise([text])[0]]
    assert found == ([expected] if expected else [])


def test_the_longest_name_is_taken(own: Dictionary) -> None:
    (mentions,) = own.recognise(["Branch retinal vein occlusion and retinal vein occlusion"])
    assert [m.text for m in mentions] == ["Branch retinal vein occlusion", "retinal vein occlusion"]


def test_everyday_words_are_no_names() -> None:
    assert not list(
        names(Term(id="1", term="All", synonyms=("left", "finding", "of the", "7", "")))
    )
    kept = names(Term(id="2", term="patient with fever", synonyms=("CLOVES", "Fever")))
    assert [(n.text, n.exact) for n in kept] == [
        ("patient with fever", False),
        ("CLOVES", True),
        ("Fever", False),
    ]


def test_codes_do_not_change_between_machines() -> None:
    assert codes("effusion")[0] == 0x42D1F9CE442176F3
