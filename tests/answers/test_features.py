"""Questions of what goes with a disease, and findings that are asked by a verb or an adjective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from mmedrag.answers.analysis import CaseAnalyst
from mmedrag.answers.extractive import ExtractiveGenerator
from mmedrag.answers.features import FEATURE, asked_feature
from mmedrag.answers.nouns import NOUNS, said_of
from mmedrag.answers.questions import RuleReader
from mmedrag.definitions import Dictionary
from mmedrag.types import Case, Evidence, Prevalence, Query, Question, QuestionKind, Reply, Routing

VECTOR = np.zeros(2, np.float32)


class Counts:
    """Of 40 reports that affirm the disease 9 affirm the finding; of all, 500 affirm anything."""

    def prevalence(self, question, groups):
        within = "affirms = 'sarcoidosis'" in (question.query.where or "")
        rate = Prevalence(9, 1, 40) if within else Prevalence(500, 0, 2000)
        return dict.fromkeys(groups, rate)


def asked(terms: Dictionary, text: str, image: bytes | None = None) -> Question:
    concepts = terms.concepts
    question = Question(Query(text, image), Routing({}, None), VECTOR, terms.recognise([text])[0])
    reader = RuleReader(concepts.domains, find=concepts.find)
    return replace(question, intent=reader.read(question))


def evidence_of(terms: Dictionary, *texts: str) -> list[Evidence]:
    said = terms.recognise(texts)
    return [
        Evidence(f"C{i}", Case(id=f"id{i}", text=text), VECTOR, 0.5, 0.5, mentions)
        for i, (text, mentions) in enumerate(zip(texts, said, strict=True), 1)
    ]


def answer_to(terms: Dictionary, question: Question, evidence: Sequence[Evidence], corpus=None):
    analyst = CaseAnalyst(terms, terms.concepts)
    question = replace(question, brief=analyst.brief(question, evidence, corpus))
    return question.brief, "".join(ExtractiveGenerator(analyst).generate(question, evidence))


@pytest.mark.parametrize(
    ("text", "disease", "finding"),
    [
        ("Does sarcoidosis show calcification?", "sarcoidosis", "calcification"),
        ("Do meningiomas enhance?", "meningioma", "contrast enhancement"),
        ("Can lymphoma be necrotic?", "lymphoma", "necrosis"),
        ("Is haemorrhage typical of CRVO?", "central retinal vein occlusion", "haemorrhage"),
        ("Pleural effusion in sarcoidosis?", "sarcoidosis", "pleural effusion"),
        ("how common is pleural effusion in tuberculosis", "tuberculosis", "pleural effusion"),
        ("Do patients with sarcoidosis have uveitis?", "sarcoidosis", "uveitis"),
        ("Are drusen seen with atrophy?", "atrophy", "drusen"),
        ("¿La tuberculosis causa derrame pleural?", "tuberculosis", "pleural effusion"),
        ("O meningioma calcifica?", "meningioma", "calcification"),
    ],
)
def test_a_disease_and_what_may_go_with_it_are_read(terms, text, disease, finding):
    intent = asked(terms, text).intent
    find = terms.concepts.find
    assert (intent.kind, intent.detail) == (QuestionKind.PRESENCE, FEATURE)
    assert intent.concepts == (find(disease), find(finding))


@pytest.mark.parametrize(
    "text",
    [
        "Is there calcification in this meningioma?",
        "Does the pneumonia show cavitation?",
        "Does this patient have sarcoidosis?",
        "sarcoidosis with calcification",
        "Is it tuberculosis or sarcoidosis?",
        "effusion with consolidation?",
    ],
)
def test_questions_of_one_patient_are_none(terms, text):
    assert asked_feature(text, terms.recognise([text])[0]) is None


def test_an_image_is_asked_about_itself(terms):
    assert asked(terms, "Do meningiomas enhance?", b"image").intent.detail != FEATURE


def test_it_is_counted_among_the_cases_of_the_disease_alone(terms):
    found = evidence_of(
        terms,
        "Sarcoidosis with calcification.",
        "Sarcoidosis. No calcification.",
        "Sarcoidosis.",
        "Calcification of the aorta.",
    )
    question = asked(terms, "Does sarcoidosis show calcification?")
    brief, text = answer_to(terms, question, found)
    assert text.startswith(
        "Calcification is affirmed in 1 [C1] of the 3 cases here with sarcoidosis; "
        "ruled out in 1 [C2]; not mentioned in 1 [C3]."
    )
    assert "C4" not in text
    assert brief.reply is Reply.MIXED
    brief, text = answer_to(terms, question, found, Counts())
    assert "affirmed in 9 and ruled out in 1 of the 40 reports" in text.splitlines()[0]
    assert brief.reply is Reply.YES


def test_without_a_case_of_the_disease_nothing_is_counted(terms):
    found = evidence_of(terms, "Calcification of the aorta.")
    question = asked(terms, "Does sarcoidosis show calcification?")
    brief, text = answer_to(terms, question, found, Counts())
    assert brief.reply is Reply.UNKNOWN
    assert text.startswith("No case found affirms sarcoidosis")


def test_names_of_what_is_said_are_in_the_glossary(terms):
    assert all(terms.concepts.find(noun) for noun in NOUNS)


@pytest.mark.parametrize(
    ("text", "nouns"),
    [
        ("Is this lesion malignant?", ("malignancy",)),
        ("benign or malignant?", ("benign lesion", "malignancy")),
        ("Does it enhance?", ("contrast enhancement",)),
        ("Is there a malignant lesion?", ()),
        ("Find calcified nodules", ()),
    ],
)
def test_what_is_said_of_something_has_a_name(text, nouns):
    assert said_of(text) == nouns


def test_two_questions_of_one_image_are_both_answered(terms):
    intent = asked(terms, "Is there a mass? Does it enhance?", b"image").intent
    find = terms.concepts.find
    assert intent.concepts == (find("mass"), find("contrast enhancement"))


def test_a_lesion_that_is_asked_about_is_not_what_is_asked(terms):
    found = evidence_of(terms, "Malignant lesion.", "A lesion.", "Benign lesion.")
    _, text = answer_to(terms, asked(terms, "Is this lesion malignant?"), found)
    assert text.startswith("In 1 of the 3 most similar cases: yes, malignancy [C1]")


def test_a_wider_finding_is_named_where_the_one_asked_about_is_not_mentioned(terms):
    found = evidence_of(terms, "Large effusion.", "Pleural effusion.", "Clear lungs.")
    brief, text = answer_to(terms, asked(terms, "Is there a pleural effusion?"), found)
    first = text.splitlines()[0]
    assert "yes, pleural effusion [C2]" in first
    assert first.endswith("Less exactly, they affirm effusion in 1 [C1].")
    wider = [c for c in brief.claims if c.asked]
    assert [(c.term, c.keys) for c in wider] == [("effusion", ("C1",))]
