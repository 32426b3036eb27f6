"""Questions in Spanish and Portuguese, with accents and without."""

from __future__ import annotations

import pytest

from mmedrag.answers.questions import kind_of
from mmedrag.answers.romance import DECLINING, RULES, plain_letters
from mmedrag.types import QuestionKind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("¿Hay derrame pleural?", QuestionKind.PRESENCE),
        ("Há sinais de pneumonia?", QuestionKind.PRESENCE),
        ("Cual es el diagnostico?", QuestionKind.DIFFERENTIAL),
        ("Qual é o diagnóstico?", QuestionKind.DIFFERENTIAL),
        ("¿Qué significa atelectasia?", QuestionKind.DEFINITION),
        ("É benigno ou maligno?", QuestionKind.CHOICE),
        ("Tudo normal na tomografia?", QuestionKind.NORMALITY),
    ],
)
def test_kinds_in_two_other_languages(text, kind):
    assert kind_of(text, has_image=False)[0] is kind


@pytest.mark.parametrize(
    ("text", "name"),
    [("¿Qué dosis de amoxicilina debo dar?", "asks for a dose"),
     ("Qual é o tratamento da pneumonia?", "asks for a treatment"),
     ("¿Es grave?", "asks for a prognosis")],
)  # fmt: skip
def test_what_is_declined_in_two_other_languages(text, name):
    letters = plain_letters(text)
    assert next(n for n, words in DECLINING.items() if words.search(letters)) == name


def test_english_questions_are_left_alone():
    for text in ("Is there an effusion?", "What is a pneumothorax?", "Describe the image."):
        assert not any(rule.words.search(plain_letters(text)) for rule in RULES)
