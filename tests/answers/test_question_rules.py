"""The rules of English questions: names, and the order in which they decide."""

from __future__ import annotations

import pytest

from mmedrag.answers.question_rules import RULES, rule
from mmedrag.types import QuestionKind


def test_rules_have_names_of_their_own_and_cover_every_kind_in_scope():
    assert len({r.name for r in RULES}) == len(RULES)
    assert {r.kind for r in RULES} == {*QuestionKind} - {QuestionKind.OUT_OF_SCOPE}


def test_a_rule_fits_where_one_of_its_patterns_does():
    made = rule("asks", QuestionKind.SEARCH, r"\bone\b", r"\btwo\b")
    assert made.words.search("TWO of them")
    assert not made.words.search("twofold")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("has it grown since the last film?", "compares with an earlier study"),
        ("abscess or metastasis?", "asks for one of two"),
        ("what is ascites?", "asks for a meaning"),
        ("is this normal?", "asks whether all is normal"),
        ("which side is it on?", "asks for a side"),
    ],
)
def test_the_first_that_fits_decides(text, name):
    assert next(r.name for r in RULES if r.words.search(text)) == name
