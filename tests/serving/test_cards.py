"""What the page says beside the answer."""

from __future__ import annotations

import pytest

from mmedrag.serving.cards import ASKED_FOR, Disagreement, asked_for, disagreements, reason_of
from mmedrag.types import (
    Answer,
    Assertion,
    Brief,
    Claim,
    Context,
    Intent,
    QuestionKind,
    Reply,
    Routing,
)

BRIEF = Brief(
    QuestionKind.PRESENCE,
    Reply.YES,
    claims=(
        Claim("effusion", "pleural effusion", Assertion.AFFIRMED, ("C1", "C2"), of=3),
        Claim("effusion", "pleural effusion", Assertion.NEGATED, ("C3",), of=3),
        Claim("mass", "mass", Assertion.AFFIRMED, ("C1",), of=3),
    ),
)
DIFFERING = [Disagreement("pleural effusion", ("C1", "C2"), ("C3",))]


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("There is a mass [C1].", DIFFERING),
        ("Pleural effusion is there [C1, C2].", DIFFERING),
        ("Pleural effusion is there [C1].\nIt is not in [C3].", DIFFERING),
        ("Pleural effusion is there [C2], and ruled out in [C3].", []),
    ],
)
def test_cases_differ_where_the_answer_does_not_say_so(text: str, listed: list) -> None:
    assert disagreements(Answer(text, (), (), False, Context.__new__(Context), BRIEF)) == listed


@pytest.mark.parametrize(
    ("decision", "reason", "words"),
    [
        ("radiology", "text: radiology, by its words and terms", "by the text"),
        (None, "image: not medical", "by the image: not medical"),
        ("pathology", "domain given by the user", "domain given by the user"),
    ],
)
def test_what_a_domain_was_decided_by(decision: str | None, reason: str, words: str) -> None:
    assert reason_of(Routing({}, decision, reason=reason)) == words


def test_every_kind_of_question_has_words() -> None:
    assert set(ASKED_FOR) == set(QuestionKind)


@pytest.mark.parametrize(
    ("kind", "detail", "words"),
    [
        (QuestionKind.SEARCH, "", "cases like a description"),
        (QuestionKind.SEARCH, "count", "how many cases there are"),
        (QuestionKind.NORMALITY, "count", "how many cases there are"),
        (QuestionKind.SEARCH, "abnormal", "cases that are not normal"),
        (QuestionKind.PRESENCE, "side", "whether something is there"),
    ],
)
def test_what_was_asked_for_is_said_in_plain_words(kind, detail, words) -> None:
    assert asked_for(Intent(kind, "test", detail=detail)) == words
    assert asked_for(None) == ""
