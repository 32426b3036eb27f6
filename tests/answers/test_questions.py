"""The kind of a question: our own questions, and laws that hold of any text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmedrag.answers.questions import (
    RULES,
    RuleReader,
    kind_of,
    last_request,
    phrases_of,
    requests,
)
from mmedrag.definitions import Dictionary
from mmedrag.protocols import QuestionReader
from mmedrag.types import Domain, Query, Question, QuestionKind, Routing

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent / "questions.jsonl").read_text("utf-8").splitlines()
]
FUNDUS = Routing({}, Domain.OPHTHALMOLOGY, reason="image: ophthalmology")
ANYWHERE = Routing({}, None)


def asked(terms: Dictionary, text: str, image: bytes | None = None, routing=ANYWHERE) -> Question:
    vector = np.zeros(2, np.float32)
    return Question(Query(text, image), routing, vector, terms.recognise([text])[0])


def kinds_of(row: dict[str, object]) -> list[object]:
    """The kinds that would be right: more than one where a text asks two things."""
    return row["kind"] if isinstance(row["kind"], list) else [row["kind"]]


def test_there_are_enough_questions_of_every_kind():
    kinds = [kind for row in ROWS for kind in kinds_of(row)]
    assert len(ROWS) >= 1000
    assert all(kinds.count(kind) >= 15 for kind in QuestionKind)


@pytest.mark.parametrize(
    ("written", "least"),
    [
        (1, 0.98),
        (2, 0.97),
        (3, 0.95),
        (4, 0.94),
        (5, 0.97),
        (6, 0.97),
        (7, 0.97),
        (8, 0.98),
        (9, 0.98),
    ],
)
def test_kinds_of_our_own_questions(terms, written, least):
    rows = [row for row in ROWS if row["set"] == written]
    reader = RuleReader()
    wrong = [
        (row["text"], row["kind"], kind)
        for row in rows
        if (kind := reader.read(asked(terms, row["text"])).kind) not in kinds_of(row)
    ]
    assert len(wrong) <= (1 - least) * len(rows), wrong


def test_it_is_a_question_reader():
    assert isinstance(RuleReader(), QuestionReader)


def test_a_finding_that_is_none_of_the_images_domain_is_declined(terms):
    reader = RuleReader(terms.concepts.domains)
    intent = reader.read(asked(terms, "Is there a pneumothorax?", b"image", FUNDUS))
    assert (intent.kind, intent.rule) == (QuestionKind.OUT_OF_SCOPE, "contradicts the image")
    assert "pneumothorax" in intent.reason
    assert "ophthalmology" in intent.reason
    fits = reader.read(asked(terms, "Are there drusen?", b"image", FUNDUS))
    assert fits.kind is QuestionKind.PRESENCE
    without = reader.read(asked(terms, "Is there a pneumothorax?"))
    assert without.kind is QuestionKind.PRESENCE


def test_what_is_declined_says_why_and_what_can_be_asked(terms):
    intent = RuleReader().read(asked(terms, "What dose of amoxicillin should I give?"))
    assert intent.rule == "asks for a dose"
    assert "does not" in intent.reason or "do not" in intent.reason
    assert "Ask" in intent.reason


def test_a_treatment_in_the_history_is_no_question_about_it(terms):
    reader = RuleReader()
    for text in (
        "Are there changes after radiotherapy?",
        "status post chemotherapy, new nodule in the liver",
        "Is there pneumonitis due to methotrexate toxicity?",
    ):
        assert reader.read(asked(terms, text)).kind is not QuestionKind.OUT_OF_SCOPE, text


def test_a_history_may_stand_before_the_question():
    text = "45-year-old woman with seizures. Known breast cancer. What is it likely to be?"
    assert last_request(text) == "What is it likely to be?"
    assert kind_of(last_request(text), has_image=False)[0] is QuestionKind.DIFFERENTIAL


def test_of_many_questions_the_last_are_read():
    asked = [f"Is there a finding of number {n}?" for n in range(1_000)]
    assert requests(" ".join(asked)) == asked[-10:]
    assert requests("Is there a mass? " * 50) == ["Is there a mass?"]


def test_a_term_that_is_pointed_at_is_asked_for(terms):
    intent = RuleReader().read(asked(terms, "Pneumothorax - what is that?"))
    assert intent.kind is QuestionKind.DEFINITION
    assert len(intent.concepts) == 1


@pytest.mark.parametrize(
    ("text", "kind", "phrases"),
    [
        ("Is there a wobbly sign?", QuestionKind.PRESENCE, ("wobbly sign",)),
        ("Is tumour budding present?", QuestionKind.PRESENCE, ("tumour budding",)),
        ("Is it benign or malignant?", QuestionKind.CHOICE, ("benign", "malignant")),
        ("What is a wobbly sign?", QuestionKind.DEFINITION, ()),
    ],
)
def test_words_that_no_dictionary_has_are_asked_about_as_such(text, kind, phrases):
    assert phrases_of(text, kind) == phrases


def test_side_and_grade_are_details(terms):
    reader = RuleReader()
    assert reader.read(asked(terms, "Which side is the effusion on?")).detail == "side"
    assert reader.read(asked(terms, "How severe is the retinopathy?")).detail == "grade"
    assert reader.read(asked(terms, "Is there an effusion?")).detail == ""


@pytest.mark.parametrize("text", ["?", "¿?", "...", "!!", "🙂?"])
def test_marks_alone_are_no_medical_question(rag, text):
    question = Question(Query(text), ANYWHERE, np.zeros(2, np.float32))
    assert rag.reader.read(question).rule == "is no medical question"


def test_rules_have_names_of_their_own():
    assert len({rule.name for rule in RULES}) == len(RULES)


@given(st.text(max_size=200), st.booleans())
def test_any_text_has_one_kind_and_a_reason(text, has_image):
    question = Question(
        Query(text, b"image" if has_image else None), ANYWHERE, np.zeros(2, np.float32)
    )
    first, second = (RuleReader().read(question) for _ in range(2))
    assert first == second
    assert first.rule
    assert (first.kind is QuestionKind.OUT_OF_SCOPE) == bool(first.reason)
    assert set(first.concepts) <= {m.concept for m in question.mentions}


@pytest.mark.parametrize("text", ["what ", "is there a ", "or ", "how much ", "a-b "])
def test_long_texts_are_read(text):
    question = Question(Query(text * 5000), ANYWHERE, np.zeros(2, np.float32))
    assert RuleReader().read(question).kind in QuestionKind


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("Is there a mass? No effusion.", ""),
        ("Is there a mass? Cough, no effusion.", "Cough, no effusion."),
        ("Is there pneumonia?", ""),
        ("Cough and fever for a week. Is there pneumonia?", "Cough and fever for a week."),
        ("54-year-old man with cough", "54-year-old man with cough"),
        ("Is this normal?", ""),
        ("Is this normal and should I treat it?", ""),
        ("Fever. Is there pneumonia? What dose of amoxicillin?", "Fever."),
        ("Differential for a ring-enhancing lesion?", "Differential for a ring-enhancing lesion?"),
        ("What is this?", ""),
        ("Find cases like this.", ""),
        ("Show me similar images", ""),
    ],
)
def test_what_only_asks_about_an_image_is_not_searched_for(terms, text, described):
    assert RuleReader().read(asked(terms, text, b"image")).described == described
    plain = text.replace(" What dose of amoxicillin?", "")
    assert RuleReader().read(asked(terms, text)).described == plain


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Is there a pneumothorax and should I drain it?", QuestionKind.PRESENCE),
        ("What is sarcoidosis, and what is its prognosis?", QuestionKind.DEFINITION),
        ("Is there a fracture? And what painkiller can I take?", QuestionKind.PRESENCE),
    ],
)
def test_of_two_questions_the_one_that_is_for_us_is_answered(terms, text, kind):
    intent = RuleReader().read(asked(terms, text))
    assert intent.kind is kind
    assert intent.unanswered.startswith("This asks")
    assert not intent.reason


def test_all_that_is_asked_may_be_out_of_scope(terms):
    text = "What dose of amoxicillin, and should I operate?"
    assert RuleReader().read(asked(terms, text)).kind is QuestionKind.OUT_OF_SCOPE


@pytest.mark.parametrize(
    "text", ["Zeigt dieses CT eine Lungenembolie?", "Cette image montre-t-elle une fracture ?",
             "Is er een breuk te zien op deze foto van het bot?"],
)  # fmt: skip
def test_a_language_that_is_not_read_is_no_reason_to_decline(rag, text):
    query = Query(text)
    mentions = rag.definitions.recognise([text])[0]
    intent = rag.reader.read(Question(query, ANYWHERE, np.zeros(2, np.float32), mentions))
    assert intent.kind is not QuestionKind.OUT_OF_SCOPE


@pytest.mark.parametrize(
    "text", ["What is this?", "¿Qué es esto?", "O que é isto?", "Please interpret", "Any idea?",
             "Show me images that resemble this one", "Find studies matching this."],
)  # fmt: skip
def test_what_only_points_at_an_image_is_not_searched_for(rag, text):
    query = Query(text, Image.new("L", (8, 8)))
    mentions = rag.definitions.recognise([text])[0]
    intent = rag.reader.read(Question(query, ANYWHERE, np.zeros(2, np.float32), mentions))
    assert intent.kind in (
        QuestionKind.DESCRIPTION, QuestionKind.DIFFERENTIAL, QuestionKind.SEARCH
    )  # fmt: skip
    assert intent.described == ""


@pytest.mark.parametrize("image", [None, b"image"])
@pytest.mark.parametrize(
    ("history", "asking"),
    [
        ("68 y/o man with cough.", "What does the x-ray show?"),
        ("Cough.", "What is the most likely diagnosis?"),
    ],
)
def test_of_a_history_before_an_open_question_the_history_is_searched(
    terms, history, asking, image
):
    assert RuleReader().read(asked(terms, f"{history} {asking}", image)).described == history


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("How many patients have cardiomegaly?", True),
        ("What percentage of the cases have an effusion", True),
        ("What proportion of reports mention atelectasis?", True),
        ("How common is emphysema in these reports?", True),
        ("¿Cuántos casos tienen cardiomegalia?", True),
        ("¿Qué porcentaje de los informes describen neumotórax?", True),
        ("Quantos pacientes têm derrame pleural?", True),
        ("What do these reports say about pneumoperitoneum?", True),
        ("Does any report mention a hiatal hernia?", True),
        ("¿Qué dicen los informes sobre la escoliosis?", True),
        ("What do the guidelines say about a nodule?", False),
        ("How many people have glaucoma?", False),
        ("How many patients with pneumonia survive?", False),
        ("How common is sarcoidosis in Japan?", False),
        ("¿Cuántos pacientes mueren de neumonía?", False),
    ],
)
def test_how_many_cases_have_a_finding_is_looked_up(rag, text, counts):
    (mentions,) = rag.definitions.recognise([text])
    intent = rag.reader.read(Question(Query(text), ANYWHERE, np.zeros(2, np.float32), mentions))
    assert intent.kind is (QuestionKind.SEARCH if counts else QuestionKind.OUT_OF_SCOPE)


@pytest.mark.parametrize(
    "text",
    [
        "Known emphysema and lung cancer. Is there a pleural effusion?",
        "No fever.\nHow many patients have a hiatal hernia?",
        "Chest pain. What is the differential for a cystic lesion of the pancreas?",
        "Cough; is it tuberculosis or lung cancer?",
    ],
)
def test_white_space_and_invisible_characters_change_no_reading(rag, text):
    def read(written: str) -> tuple[object, ...]:
        (mentions,) = rag.definitions.recognise([written])
        question = Question(Query(written), ANYWHERE, np.zeros(2, np.float32), mentions)
        intent = rag.reader.read(question)
        return intent.kind, intent.rule, intent.concepts, intent.phrases, intent.detail

    for other in (text.replace(" ", "   "), f"\n\t {text}  ", text.replace(" ", " \u200b")):
        assert read(other) == read(text), other


@pytest.mark.parametrize(
    "text",
    [
        "What's the difference between a nodule and a mass?",
        "what is the difference between atelectasis and consolidation",
        "Please explain the difference between drusen and hard exudates",
    ],
)
def test_two_findings_are_told_apart_by_what_they_are(rag, text):
    (mentions,) = rag.definitions.recognise([text])
    intent = rag.reader.read(Question(Query(text), ANYWHERE, np.zeros(2, np.float32), mentions))
    assert intent.kind is QuestionKind.CHOICE
    assert len(intent.concepts) == 2
