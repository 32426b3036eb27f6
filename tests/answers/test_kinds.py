"""Kinds of a finding, counted by is-a over the similar cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmedrag.answers.analysis import CaseAnalyst
from mmedrag.answers.extractive import ExtractiveGenerator
from mmedrag.answers.kinds import KIND_OF, asked_for_kinds
from mmedrag.answers.questions import RuleReader
from mmedrag.types import (
    Case,
    Domain,
    Evidence,
    Query,
    Question,
    QuestionKind,
    Routing,
)

VECTOR = np.zeros(2, np.float32)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("What kind of haemorrhage is this?", 1),
        ("Which type of fracture does he have?", 1),
        ("¿Qué tipo de hemorragia es?", 1),
        ("What kind of disease is sarcoidosis?", 0),
        ("What type of image is this?", 0),
        ("Is this a kind of haemorrhage?", 0),
    ],
)
def test_kinds_are_asked_for_where_the_words_name_a_finding(terms, text, number):
    assert len(asked_for_kinds(text, terms.recognise([text])[0])) == number


def test_kinds_are_counted_with_their_cases(terms):
    text = "What kind of haemorrhage is this?"
    question = Question(Query(text), Routing({}, None), VECTOR, terms.recognise([text])[0])
    intent = RuleReader().read(question)
    assert (intent.kind, intent.detail) == (QuestionKind.DIFFERENTIAL, KIND_OF)
    question = replace(question, intent=intent)
    texts = [
        "Subdural haemorrhage on the left.", "Subdural haemorrhage. No vitreous haemorrhage.",
        "Vitreous haemorrhage.", "Haemorrhage.", "Clear lungs.",
    ]  # fmt: skip
    found = [
        Case(id=f"i{n}", text=t, patient_id=f"P{n}", domain=Domain.RADIOLOGY)
        for n, t in enumerate(texts)
    ]
    mentions = terms.recognise(texts)
    evidence = [
        Evidence(f"C{n}", case, VECTOR, 0.5, 0.5, said)
        for n, (case, said) in enumerate(zip(found, mentions, strict=True), 1)
    ]
    brief = CaseAnalyst(terms, terms.concepts).brief(question, evidence, None)
    counted = {c.diagnosis: c.keys for c in brief.differential}
    assert list(counted.values()) == [("C1", "C2"), ("C3",)]
    generator = ExtractiveGenerator(CaseAnalyst(terms, terms.concepts))
    written = "".join(generator.generate(question, evidence))
    assert "Kinds of haemorrhage among the 5 most similar cases: " in written


def test_words_beside_what_is_asked_for_are_none_of_it(terms):
    text = "What kind of treatment for pneumonia is best?"
    assert not asked_for_kinds(text, terms.recognise([text])[0])


@pytest.mark.parametrize(
    ("text", "image", "kind"),
    [
        ("What does tuberculosis look like on a film?", None, QuestionKind.SEARCH),
        ("What does the tuberculosis look like here?", b"x", QuestionKind.DESCRIPTION),
        ("What does it look like?", None, QuestionKind.DESCRIPTION),
        ("Is a hamartoma malignant?", None, QuestionKind.DEFINITION),
        ("Is the hamartoma malignant?", b"x", QuestionKind.DESCRIPTION),
    ],
)
def test_what_a_named_finding_looks_like_and_is(terms, text, image, kind):
    reader = RuleReader(learned=lambda requests, _mentions: [{"description": 1.0}] * len(requests))
    question = Question(Query(text, image), Routing({}, None), VECTOR, terms.recognise([text])[0])
    assert reader.read(question).kind is kind
