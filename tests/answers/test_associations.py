"""Questions of what goes with a finding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmedrag.answers.analysis import CaseAnalyst
from mmedrag.answers.associations import ASSOCIATED, asks_what_goes_with
from mmedrag.answers.extractive import ExtractiveGenerator
from mmedrag.answers.questions import RuleReader
from mmedrag.answers.romance import plain_letters
from mmedrag.definitions import Dictionary
from mmedrag.definitions.expansion import ConceptExpander
from mmedrag.types import Case, Evidence, Prevalence, Query, Question, QuestionKind, Routing

VECTOR = np.zeros(2, np.float32)
REPORTS = ("Cardiomegaly and pleural effusion.", "Cardiomegaly. Atelectasis. No pneumothorax.")


class Counts:
    """Of the 40 reports that a filter lets in 30 affirm an effusion and none an atelectasis."""

    def __init__(self, effusion: str) -> None:
        self.asked: list[str | None] = []
        self._effusion = effusion

    def prevalence(self, question, groups):
        self.asked.append(question.query.where)
        if question.query.where is None:
            return dict.fromkeys(groups, Prevalence(100, 5, 1000))
        return {c: Prevalence(30 if c == self._effusion else 0, 2, 40) for c in groups}


def asked(terms: Dictionary, text: str, image: bytes | None = None) -> Question:
    mentions = terms.recognise([text])[0]
    question = Question(Query(text, image), Routing({}, None), VECTOR, mentions)
    reader = RuleReader(terms.concepts.domains, find=terms.concepts.find)
    return replace(question, intent=reader.read(question))


@pytest.mark.parametrize(
    "text",
    [
        "What else is seen with cardiomegaly?",
        "which findings often occur with pleural effusion?",
        "what do the reports of heart failure have in common?",
        "What are typical findings in sarcoidosis?",
        "imaging features of meningioma",
        "associations of papilloedema",
        "signs of heart failure on chest radiograph",
        "most common finding in sarcoidosis",
        "what diseases come with cotton wool spots?",
        "¿Qué hallazgos se ven en la neumonía?",
        "achados típicos de glaucoma",
        "What findings accompany cardiomegaly?",
        "findings associated with heart failure",
        "co-occurring findings with cardiomegaly",
        "What other abnormalities do reports of cardiomegaly mention?",
        "What do cases with drusen also have?",
        "In reports with cardiomegaly, what else is mentioned?",
        "¿Qué más se ve con la cardiomegalia?",
        "¿Qué otros hallazgos hay con cardiomegalia?",
        "¿Qué suele acompañar al neumotórax?",
        "O que mais é visto com cardiomegalia?",
        "Que outros achados há na cardiomegalia?",
        "O que está associado ao derrame pleural?",
    ],
)
def test_what_goes_with_a_finding_is_asked(terms: Dictionary, text: str) -> None:
    intent = asked(terms, text).intent
    assert intent is not None
    assert (intent.kind, intent.detail) == (QuestionKind.SEARCH, ASSOCIATED)


@pytest.mark.parametrize(
    "text",
    [
        "Signs of raised intracranial pressure?",
        "Are there signs of heart failure?",
        "cases of sarcoidosis with hilar lymphadenopathy",
        "cardiomegaly with effusion",
        "Does sarcoidosis show calcification?",
        "What is sarcoidosis?",
        "What else is recommended with a nodule?",
        "What else should be done with cardiomegaly?",
        "What accompanies the treatment of pneumonia?",
        "What else is seen in this patient with cardiomegaly?",
        "¿Qué más hay que hacer con la cardiomegalia?",
        "¿Qué se asocia con mejor pronóstico en la neumonía?",
    ],
)
def test_other_questions_are_not_of_it(text: str) -> None:
    assert not asks_what_goes_with(plain_letters(text))


def test_of_an_image_it_is_not_asked(terms: Dictionary) -> None:
    intent = asked(terms, "What else is seen with the cardiomegaly?", b"image").intent
    assert intent is not None
    assert intent.detail != ASSOCIATED


def test_the_reports_that_affirm_it_are_counted(terms: Dictionary) -> None:
    question = asked(terms, "What else is seen with cardiomegaly?")
    said = terms.recognise(REPORTS)
    evidence = [
        Evidence(f"C{i}", Case(id=f"id{i}", text=text), VECTOR, 0.5, 0.5, mentions)
        for i, (text, mentions) in enumerate(zip(REPORTS, said, strict=True), 1)
    ]
    analyst = CaseAnalyst(terms, terms.concepts)
    corpus = Counts(terms.concepts.find("pleural effusion"))
    brief = analyst.brief(question, evidence, corpus)
    assert [c.term for c in brief.counts] == ["pleural effusion"]  # no other has any
    assert corpus.asked[-1] == "affirms = 'cardiomegaly'"
    text = "".join(ExtractiveGenerator(analyst).generate(replace(question, brief=brief), evidence))
    assert text.startswith(
        "Of the 40 reports of the searched corpus that affirm cardiomegaly, 30 affirm pleural "
        "effusion (75%; 10% of all) [C1]. Only what the cases below affirm was counted."
    )
    assert "[C1]" in text


def test_what_is_asked_for_is_no_finding_that_cases_must_have(terms: Dictionary) -> None:
    question = asked(terms, "Which lesions are seen in diabetic retinopathy?")
    criteria = ConceptExpander(terms.concepts).criteria(question)
    assert [c.term for c in criteria] == ["diabetic retinopathy"]
