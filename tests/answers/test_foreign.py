"""Questions in other languages are told that they are not read; those in the three are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmedrag.answers.foreign import SENTENCE, UNREAD, is_unread
from mmedrag.answers.questions import RuleReader
from mmedrag.types import Query, Question, QuestionKind, Routing

FOREIGN = [
    "Y a-t-il un épanchement pleural ?",
    "Quel est le diagnostic le plus probable ?",
    "Cette radio est-elle normale ?",
    "Le nodule a-t-il grossi depuis l'an dernier ?",
    "Quelle dose de paracétamol pour un enfant de 12 kg ?",
    "Sieht man einen Pneumothorax?",
    "Was bedeutet Atelektase?",
    "Wie behandelt man eine Lungenentzündung?",
    "Pneumonie oder Tumor?",
    "Welche Dosis Ibuprofen?",
    "C'è un versamento pleurico?",
    "Is er een fractuur?",
    "что это?",
    "これは何ですか",
]
READ = [
    "Is there a chest drain?",
    "chest xray with clear lungs",
    "quanto tempo de vida ele tem?",
    "¿Hay neumonía?",
    "É um tumor?",
    "neumonía, ¿sí o no?",
    "Café-au-lait spots?",
    "Dermoid cyst or teratoma?",
    "En coup de sabre?",
    "grand mal seizures, what do I look for",
]


def read(terms, text: str, image: bytes | None = None):
    question = Question(Query(text, image), Routing({}, None), np.zeros(2, np.float32), ())
    question = replace(question, mentions=terms.recognise([text])[0])
    return RuleReader(terms.concepts.domains).read(question)


@pytest.mark.parametrize("text", FOREIGN)
def test_a_question_in_another_language_is_told_so(terms, text):
    intent = read(terms, text)
    assert (intent.kind, intent.rule, intent.unanswered) == (
        QuestionKind.SEARCH,
        UNREAD,
        SENTENCE,
    )


def test_beside_an_image_what_it_shows_is_said(terms):
    intent = read(terms, FOREIGN[0], b"image")
    assert (intent.kind, intent.unanswered) == (QuestionKind.DESCRIPTION, SENTENCE)


@pytest.mark.parametrize("text", READ)
def test_what_is_read_is_not_taken_for_another_language(text):
    assert not is_unread(text, asks=text.endswith("?"))
