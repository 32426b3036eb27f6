"""The language of texts, long and short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.text.language import ENGLISH, OTHER, PORTUGUESE, SPANISH, language, sentence_language


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("", ENGLISH),
        ("drusen", ENGLISH),
        ("CXR: NAD", ENGLISH),
        ("Neg for PE", ENGLISH),
        ("moderate non proliferative retinopathy", ENGLISH),
        ("laser spot, dry age-related macular degeneration", ENGLISH),
        ("Pleural effusion, ascites", ENGLISH),
        ("De Quervain tenosynovitis, de novo lesion", ENGLISH),
        ("20/30 ou; central serous retinopathy; re 20/20 le 20/40", ENGLISH),
        ("Cardiomegaly without effusion.", ENGLISH),
        ("Sin derrame pleural.", SPANISH),
        ("Se observa un nódulo pulmonar calcificado en el lóbulo superior derecho.", SPANISH),
        ("fractura costal no desplazada", SPANISH),
        ("Sem derrame pleural.", PORTUGUESE),
        ("Não há pneumotórax à esquerda.", PORTUGUESE),
        ("Espessamento do epitélio com células inflamatórias.", PORTUGUESE),
        ("Kein Pneumothorax.", OTHER),
        ("Pas de pneumothorax.", OTHER),
        ("Geen pneumothorax of pleuravocht.", OTHER),
        ("Fracture déplacée du col fémoral droit", OTHER),
        ("Нет признаков пневмоторакса.", OTHER),
        ("两肺未见异常", OTHER),
    ],
)
def test_languages(text: str, spoken: str) -> None:
    assert language(text) == spoken


def test_a_sentence_overrules_its_text_only_without_doubt() -> None:
    assert sentence_language("Kein Erguss und kein Rundherd.", ENGLISH) == OTHER
    assert sentence_language("Status quo ante.", ENGLISH) == ENGLISH
    assert sentence_language("Pneumothorax.", SPANISH) == SPANISH


@given(st.text(max_size=80))
def test_every_text_has_a_language(text: str) -> None:
    assert language(text) in (ENGLISH, SPANISH, PORTUGUESE, OTHER)
