"""Sentences cover a text, whatever it looks like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.text.sentences import sentences, spans


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith saw 1.5 cm nodules, e.g. two.", 1),
        ("One. Two! Three? Four", 4),
        ("A line that is rather long and runs on into the next\nLine without a stop.", 1),
        ("FINDINGS:\nHeart normal\nLungs clear", 3),
        ("- one\n- two", 2),
        ("? pneumonia", 1),
        ("Effusion? No. Mass? Yes.", 2),
        ("neg. for fracture", 1),
        ("Nodule.No effusion.", 2),
        ("", 0),
        ("no pneumothorax\npleural effusion\ncardiomegaly", 3),
        ("no pneumothorax\r\npleural effusion\r\n", 2),
        ("sin neumotórax\nderrame pleural izquierdo", 2),
        ("findings:\nno fracture\nsoft tissue swelling", 2),
        ("No evidence of acute intracranial haemorrhage or midline shift\nSinusitis is seen", 2),
        ("no pneumothorax, focal\nconsolidation or effusion", 1),
        ("no evidence of pleural\neffusion", 1),
        ("no effusion\nor consolidation", 1),
        ("there is no acute pneumothorax or\npleural effusion. the heart is of\nnormal size.", 2),
        (
            "graft host junction in\nthe left eye with graft\nsynechia on microscope\nand no haze",
            1,
        ),
        ("NO EVIDENCE OF PNEUMOTHORAX OR PLEURAL EFFUSION OR CARDIAC\nENLARGEMENT", 1),
    ],
)
def test_how_many(text: str, expected: int) -> None:
    found = spans(text)
    assert len(found) == expected
    assert "".join(text[start:end] for start, end in found) == text


@given(st.text(alphabet="ab .!?\n-1e.gN:\r\x0b", max_size=80))
def test_spans_cover_any_text_without_gap_or_overlap(text: str) -> None:
    assert "".join(text[start:end] for start, end in spans(text)) == text


def test_sentences_without_letters_are_none() -> None:
    assert sentences("  One. ... \n - \n Two") == ["One.", "Two"]
