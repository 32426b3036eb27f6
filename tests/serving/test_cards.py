"""What the page says beside the answer."""

from __future__ import annotations

import pytest

from mmedrag.serving.cards import ASKED_FOR, Disagreement, disagreements
from mmedrag.types import Answer, Assertion, Brief, Claim, Context, QuestionKind, Reply

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


def test_every_kind_of_question_has_words() -> None:
    assert set(ASKED_FOR) == set(QuestionKind)
