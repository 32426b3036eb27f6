"""Questions of how many cases have something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from mmedrag.answers.analysis import CaseAnalyst
from mmedrag.answers.counting import COUNT, asks_how_many, counts_all
from mmedrag.answers.extractive import ExtractiveGenerator
from mmedrag.answers.prompts import user_prompt
from mmedrag.answers.questions import RuleReader
from mmedrag.answers.romance import plain_letters
from mmedrag.answers.verification import ClaimChecker
from mmedrag.citations import resolve, unsupported_sentences
from mmedrag.definitions import Dictionary
from mmedrag.testing.generator import answered as written
from mmedrag.types import Case, Domain, Evidence, Prevalence, Query, Question, QuestionKind, Routing

VECTOR = np.zeros(2, np.float32)
REPORTS = ("Cardiomegaly and pleural effusion.", "Cardiomegaly. No pleural effusion.")


class Counts:
    """Fewer of the cases that a filter lets in."""

    def __init__(self, of: int = 2000) -> None:
        self.asked: list[str | None] = []
        self._of = of

    def prevalence(self, question, groups):
        self.asked.append(question.query.where)
        where = question.query.where or ""
        some = Prevalence(9, 1, 40) if "affirms" in where or "rules_out" in where else None
        return dict.fromkeys(groups, some or Prevalence(500, 70, self._of))


def asked(terms: Dictionary, text: str, domain: Domain | None = None) -> Question:
    mentions = terms.recognise([text])[0]
    question = Question(Query(text), Routing({}, domain), VECTOR, mentions)
    reader = RuleReader(terms.concepts.domains, find=terms.concepts.find)
    return replace(question, intent=reader.read(question))


def answered(terms: Dictionary, question: Question, corpus: Counts, reports=REPORTS):
    said = terms.recognise(reports)
    evidence = [
        Evidence(f"C{i}", Case(id=f"id{i}", text=text), VECTOR, 0.5, 0.5, mentions)
        for i, (text, mentions) in enumerate(zip(reports, said, strict=True), 1)
    ]
    analyst = CaseAnalyst(terms, terms.concepts)
    brief = analyst.brief(question, evidence, corpus)
    text = "".join(ExtractiveGenerator(analyst).generate(replace(question, brief=brief), evidence))
    return brief, text


@pytest.mark.parametrize(
    "text",
    [
        "How many cases of pneumonia are there?",
        "how many pneumothorax cases do you have",
        "What percentage of the radiographs shows a pacemaker?",
        "what proportion of reports mentions cardiomegaly?",
        "In how many cases is there a pleural effusion?",
        "number of cases with glaucoma",
        "percent of cases with effusion that also have atelectasis",
        "count the cases with drusen",
        "how many eyes have diabetic retinopathy?",
        "how many patients with cardiomegaly have an effusion?",
        "Are there more cases of glaucoma or of cataract?",
        "is pneumothorax common here?",
        "how often do reports describe hyperinflation",
        "How often is scoliosis mentioned?",
        "¿Cuántos casos de neumonía hay?",
        "¿Con qué frecuencia se menciona la cardiomegalia?",
        "Quantos laudos têm derrame pleural?",
        "Com que frequência se descreve escoliose?",
        "How many have cardiomegaly?",
        "how many x rays show pneumothorax",
        "How many pneumothoraces are in the collection?",
        "What's the prevalence of cardiomegaly in this corpus?",
        "How many times is pneumothorax mentioned?",
        "Which is more common here, glaucoma or cataract?",
        "¿Cuántos mencionan derrame pleural?",
        "¿Cuántas veces se menciona el neumotórax?",
        "¿Es común el neumotórax en estos informes?",
        "¿Hay más casos de glaucoma o de catarata?",
        "contar informes con derrame",
        "Conte os casos com cardiomegalia",
        "A cardiomegalia é comum nestes laudos?",
        "Quantos dos laudos mencionam derrame?",
    ],
)
def test_a_number_of_cases_is_asked_for(terms: Dictionary, text: str) -> None:
    intent = asked(terms, text).intent
    assert intent is not None
    assert (intent.kind, intent.detail) == (QuestionKind.SEARCH, COUNT)


@pytest.mark.parametrize(
    "text",
    [
        "How common is breast cancer?",
        "How many people have glaucoma?",
        "How many bones are in the wrist?",
        "how many images does a CT produce?",
        "How many patients with pneumonia survive?",
        "How many cases of pneumonia per year are there in the UK?",
        "How many patients with diabetes develop retinopathy?",
        "How often should a nodule be followed up?",
        "how many nodules does this patient have?",
        "how many lesions are in this image?",
        "Is pneumothorax common after biopsy?",
        "How many mg of furosemide for pulmonary oedema?",
        "How many patients with cardiomegaly need surgery?",
        "How many patients with glaucoma go blind?",
        "How many CT scans for follow-up of a nodule?",
        "How many cases of pneumonia are caused by bacteria?",
        "How many sections show tumor in this biopsy?",
        "How many days do patients with pneumonia in these reports take antibiotics?",
        "Which drug is more common here for pneumonia?",
        "¿Cuántos nódulos tiene el paciente?",
        "¿Cuántos casos de tuberculosis hay en el mundo?",
        "¿Cuántos casos de cáncer de pulmón hay al año?",
        "¿Cuántas radiografías necesita un paciente con neumonía?",
        "Quantos nódulos tem este paciente?",
        "Quantos casos de tuberculose há no Brasil?",
        "Quantos pacientes desenvolvem retinopatia?",
    ],
)
def test_other_numbers_are_not_of_cases(text: str) -> None:
    assert not asks_how_many(plain_letters(text))


@pytest.mark.parametrize(
    ("text", "all_of_them"),
    [
        ("How many cases are there?", True),
        ("how many reports do you have in total", True),
        ("How many chest films are normal?", True),
        ("How many of the x-rays are abnormal?", True),
        ("¿Cuántas radiografías son normales?", True),
        ("How many cases of silicosis are there?", False),
        ("Are most chest x-rays normal?", False),
    ],
)
def test_of_all_cases_the_normal_ones_are_counted(
    terms: Dictionary, text: str, all_of_them: bool
) -> None:
    assert counts_all(plain_letters(text)) is all_of_them
    intent = asked(terms, text).intent
    assert intent is not None
    counted = (intent.kind, intent.detail) == (QuestionKind.NORMALITY, COUNT)
    assert counted is all_of_them


def test_one_finding_is_counted_in_the_searched_corpus(terms: Dictionary) -> None:
    question = asked(terms, "How many reports mention cardiomegaly?", Domain.RADIOLOGY)
    brief, text = answered(terms, question, Counts())
    (count,) = brief.counts
    assert (count.term, count.prevalence, count.within) == (
        "cardiomegaly",
        Prevalence(500, 70, 2000),
        (),
    )
    first = (
        "Cardiomegaly is affirmed in 500 of 2,000 cases of the searched corpus (radiology), 25%, "
        "and ruled out in 70; of the 2 cases here 2 affirm it [C1, C2]."
    )
    assert text.splitlines()[0] == first
    assert "[C1]" in text  # cases are still shown


def evidence_of(terms: Dictionary, reports: Sequence[str]) -> list[Evidence]:
    said = terms.recognise(reports)
    return [
        Evidence(f"C{i}", Case(id=f"id{i}", text=text), VECTOR, 0.5, 0.5, mentions)
        for i, (text, mentions) in enumerate(zip(reports, said, strict=True), 1)
    ]


def test_a_model_is_told_the_number_with_keys_to_cite_and_may_repeat_it(terms: Dictionary) -> None:
    reports = ("No cardiomegaly.", "Cardiomegaly is ruled out.")
    evidence = evidence_of(terms, reports)
    question = asked(terms, "How many reports mention cardiomegaly?", Domain.RADIOLOGY)
    brief, _ = answered(terms, question, Counts(), reports)
    prompt = user_prompt(replace(question, brief=brief), evidence)
    line = (
        "Cardiomegaly is affirmed in 500 of 2,000 cases of the searched corpus (radiology), 25%, "
        "and ruled out in 70. [C1, C2]"
    )
    assert f"- {line}" in prompt
    checked = ClaimChecker(terms, terms.concepts).check(resolve([line], evidence), evidence)
    assert "".join(piece.text for piece in checked) == line


def test_where_a_filter_lets_in_nothing_it_is_named(terms: Dictionary) -> None:
    question = asked(terms, "How many reports mention cardiomegaly?")
    question = replace(question, query=replace(question.query, where="modality = 'ct'"))
    _, text = answered(terms, question, Counts(of=0))
    assert text.startswith(
        "Nothing can be counted: no report of the searched corpus that the filter lets in was read"
    )


def test_of_several_findings_the_last_is_counted_among_the_others_too(terms: Dictionary) -> None:
    corpus = Counts()
    question = asked(
        terms, "How many cases with cardiomegaly but no pneumothorax have an effusion?"
    )
    brief, text = answered(terms, question, corpus)
    assert [[(w.term, w.assertion.value) for w in c.within] for c in brief.counts] == [
        [], [], [], [("cardiomegaly", "affirmed"), ("pneumothorax", "negated")],
    ]  # fmt: skip
    assert corpus.asked[-1] == "(affirms = 'cardiomegaly') and (rules_out = 'pneumothorax')"
    assert (
        "Of the 40 reports there that affirm cardiomegaly and rule out pneumothorax, 9 affirm "
        "effusion (22%) and 1 rule it out."
    ) in text


def test_the_filter_of_the_user_holds_for_every_count(terms: Dictionary) -> None:
    corpus = Counts()
    question = asked(terms, "How many cases of cardiomegaly have an effusion?")
    question = replace(question, query=replace(question.query, where="modality = 'ct'"))
    answered(terms, question, corpus)
    assert corpus.asked[-1] == "(modality = 'ct') and (affirms = 'cardiomegaly')"


def test_normal_and_abnormal_studies_are_counted_together(terms: Dictionary) -> None:
    brief, text = answered(terms, asked(terms, "How many chest films are normal?"), Counts())
    assert len(brief.counts) == 1
    assert text.startswith(
        "Of 2,000 cases of the searched corpus, 500 are normal studies, 25%, and 70 affirm a "
        "finding or disease; of the 2 cases here 2 affirm one [C1, C2]."
    )


def test_what_nobody_has_read_cannot_be_counted(terms: Dictionary) -> None:
    question = asked(terms, "How many reports mention cardiomegaly?")
    _, text = answered(terms, question, Counts(of=0))
    assert text.startswith("Nothing can be counted: no report of the searched corpus was read")
    assert "mmedrag rebuild" in text


def test_a_number_is_given_where_no_case_was_adequate(terms: Dictionary) -> None:
    question = asked(terms, "How many reports mention cardiomegaly?")
    brief = CaseAnalyst(terms, terms.concepts).brief(question, [], Counts())
    assert brief.counts[0].prevalence.affirmed == 500


def test_who_asks_of_similar_cases_is_shown_them(terms: Dictionary) -> None:
    intent = asked(terms, "How many similar cases are meningiomas?").intent
    assert intent is not None
    assert intent.detail != COUNT


ASKED = (
    "How many reports mention cardiomegaly?",
    "How many cases with cardiomegaly have an effusion?",
    "How many cases have cardiomegaly but no effusion?",
    "How many x-rays are abnormal?",
    "What else is seen with cardiomegaly?",
)


@pytest.mark.parametrize("text", ASKED)
def test_what_is_counted_can_be_checked(terms: Dictionary, text: str) -> None:
    said = terms.recognise(REPORTS)
    evidence = [
        Evidence(f"C{i}", Case(id=f"id{i}", text=report), VECTOR, 0.5, 0.5, mentions)
        for i, (report, mentions) in enumerate(zip(REPORTS, said, strict=True), 1)
    ]
    analyst, question = CaseAnalyst(terms, terms.concepts), asked(terms, text)
    question = replace(question, brief=analyst.brief(question, evidence, Counts()))
    answer = written(ExtractiveGenerator(analyst), question, evidence)
    assert question.brief.counts
    assert unsupported_sentences(answer) == []


def test_who_asks_for_cases_that_are_not_normal_sees_those_first(terms: Dictionary) -> None:
    question = asked(terms, "abnormal chest x-rays", Domain.RADIOLOGY)
    reports = ("Normal chest x-ray. No acute abnormality.", "Large pneumothorax.")
    _, text = answered(terms, question, Counts(), reports)
    assert text.index("“Large pneumothorax.”") < text.index("“Normal chest x-ray.")


@pytest.mark.parametrize("text", ASKED)
@pytest.mark.parametrize(
    "reports",
    [
        REPORTS,
        ("Cardiomegaly and pleural effusion.", "Cardiomegaly. Pleural effusion."),
        ("No cardiomegaly. No pleural effusion.", "The heart is not enlarged, no cardiomegaly."),
        ("Possible cardiomegaly.", "Normal chest x-ray."),
    ],
)
def test_no_line_of_a_number_is_struck(terms: Dictionary, text: str, reports) -> None:
    question, evidence = asked(terms, text), evidence_of(terms, reports)
    analyst = CaseAnalyst(terms, terms.concepts)
    question = replace(question, brief=analyst.brief(question, evidence, Counts()))
    said = "".join(ExtractiveGenerator(analyst).generate(question, evidence))
    checked = ClaimChecker(terms, terms.concepts).check(resolve([said], evidence), evidence)
    assert "was struck here" not in "".join(piece.text for piece in checked)
