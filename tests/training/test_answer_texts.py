"""Falsified briefs: each is wrong in one known way and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmedrag.answers.analysis import CaseAnalyst
from mmedrag.answers.grounding import Fault, Judge
from mmedrag.answers.questions import RuleReader
from mmedrag.assembly import dictionary
from mmedrag.testing.generator import ASKED, CLEAR, EFFUSION, LEFT, MEANING
from mmedrag.training.answer_texts import (
    Term,
    renamed,
    surer,
    turned,
    without_citations,
    worded,
    wrong_answers,
)
from mmedrag.types import Assertion, Prevalence, Query, Question

DICTIONARY = dictionary()
JUDGE = Judge(DICTIONARY, DICTIONARY.concepts)
EVIDENCE = [
    replace(e, mentions=DICTIONARY.recognise([e.text])[0]) for e in (EFFUSION, CLEAR, LEFT, MEANING)
]
OTHER = Term("X", "appendicitis")


def asked(text: str) -> Question:
    question = replace(ASKED, query=Query(text), mentions=DICTIONARY.recognise([text])[0])
    question = replace(question, intent=RuleReader().read(question))
    analyst = CaseAnalyst(DICTIONARY, DICTIONARY.concepts)
    return replace(question, brief=analyst.brief(question, EVIDENCE, None))


EFFUSIONS = asked("Is there a pleural effusion?")
PNEUMOTHORAX = asked("Is there a pneumothorax?")


@pytest.mark.parametrize(
    "text", ["Is there a pleural effusion?", "What is a pleural effusion?", "Differential?", "mass"]
)
def test_the_right_answer_has_no_fault(text: str) -> None:
    question = asked(text)
    right = worded(question, EVIDENCE)
    assert JUDGE.of(right, question, EVIDENCE).fault is Fault.NONE


@pytest.mark.parametrize(
    ("falsify", "question", "fault"),
    [
        (turned, EFFUSIONS, Fault.CONTRADICTED),
        (surer, PNEUMOTHORAX, Fault.OVERCONFIDENT),
        (lambda brief: renamed(brief, OTHER), EFFUSIONS, Fault.UNSUPPORTED),
    ],
)
def test_a_falsified_brief_has_its_fault(falsify, question: Question, fault: Fault) -> None:
    text = worded(replace(question, brief=falsify(question.brief)), EVIDENCE)
    assert JUDGE.of(text, question, EVIDENCE).fault is fault


def test_what_is_sure_becomes_no_surer() -> None:
    brief = EFFUSIONS.brief
    assert brief is not None
    sure = tuple(c for c in brief.claims if c.assertion is Assertion.NEGATED)
    assert surer(replace(brief, claims=sure)) is None
    assert turned(replace(brief, claims=())) is None
    assert renamed(replace(brief, claims=(), differential=()), OTHER) is None


def test_figures_that_a_prompt_does_not_show_are_left_out() -> None:
    brief = EFFUSIONS.brief
    assert brief is not None
    counted = tuple(replace(c, prevalence=Prevalence(7, 1, 99)) for c in brief.claims)
    question = replace(EFFUSIONS, brief=replace(brief, claims=counted, reason="seen held out"))
    assert worded(question, EVIDENCE) == worded(EFFUSIONS, EVIDENCE)


def test_marks_are_taken_out_whole() -> None:
    assert without_citations("Effusion [C1, D2]; none [C3].") == "Effusion; none."


def test_an_answer_to_be_declined_is_wrong_where_it_answers() -> None:
    question = asked("What dose of amoxicillin should I give?")
    assert question.brief is not None
    right = worded(question, EVIDENCE)
    assert right == question.brief.declined
    wrong = list(wrong_answers(question, EVIDENCE, right, [OTHER], np.random.default_rng(0)))
    assert [JUDGE.of(w, question, EVIDENCE).fault for w in wrong] == [Fault.ANSWERED] * len(wrong)
