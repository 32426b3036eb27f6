"""Diagnoses in the graph's order, explained; nothing is added that the cases do not have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmedrag.answers.analysis import CaseAnalyst
from mmedrag.answers.questions import RuleReader
from mmedrag.knowledge.analyst import KnowledgeAnalyst
from mmedrag.knowledge.knowledge import Knowledge
from mmedrag.types import Evidence, Query, Question, Routing

NOWHERE = np.zeros(2, np.float32)


def brief_of(text, cases, terms, facts, known=True):
    question = Question(Query(text), Routing({}, None), NOWHERE, terms.recognise([text])[0])
    question = replace(question, intent=RuleReader().read(question))
    mentions = terms.recognise([c.text for c in cases])
    evidence = [Evidence(f"C{i}", case, NOWHERE, 0.5, 0.5, said)
                for i, (case, said) in enumerate(zip(cases, mentions, strict=True), 1)]  # fmt: skip
    analyst = CaseAnalyst(terms, terms.concepts)
    if known:
        analyst = KnowledgeAnalyst(analyst, Knowledge.of(terms, facts))
    return analyst.brief(question, evidence, None)


def test_the_differential_is_ordered_and_explained(terms, facts, cases):
    text = "Differential of contrast enhancement with fever?"
    found = [cases[3], cases[4], cases[0]]  # two of a glioblastoma before one of an abscess
    plain = brief_of(text, found, terms, facts, known=False)
    brief = brief_of(text, found, terms, facts)
    assert plain.differential[0].diagnosis == "glioblastoma"
    assert {c.diagnosis for c in brief.differential} == {c.diagnosis for c in plain.differential}
    abscess = next(c for c in brief.differential if c.diagnosis == "brain abscess")
    assert "(3 of 3 patients" in abscess.explanation
    assert [c.keys for c in brief.differential if c is abscess] == [("C3",)]


def test_a_question_without_findings_is_left_alone(terms, facts, cases):
    text = "What is the differential diagnosis?"
    assert brief_of(text, cases[:3], terms, facts) == brief_of(
        text, cases[:3], terms, facts, known=False
    )
