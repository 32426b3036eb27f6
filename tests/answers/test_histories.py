"""What tells of a patient asks nothing; what asks within a history is heard."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmedrag.answers.histories import asks_in_history, is_history, tells_of_patient
from mmedrag.types import Query, Question, QuestionKind, Routing

HISTORIES = (
    "71 y.o. woman with hypertension on amlodipine, new leg swelling.",
    "A 34-year-old man fell from a ladder two hours ago.",
    "29F with cough and night sweats",
    "6 week old boy with projectile vomiting",
    "Patient presented with haemoptysis. Was treated with antibiotics for a week. No fever.",
    "Retired teacher, 66yo, smoker of 40 pack-years, weight loss",
    "She was referred for follow up after chemotherapy.",
    "PMH: diabetes, asthma\nMeds: metformin\nAllergies: penicillin",
    "Mujer de 45 años con dolor abdominal y fiebre.",
    "Homem de 60 anos, tabagista, com tosse e perda de peso.",
    "22-year-old soldier, gunshot wound to the abdomen three weeks ago, now fever.",
    "Pt c/o blurred vision in the left eye since yesterday.",
)
REQUESTS = (
    "48-year-old man, rule out sinusitis.",
    "70 yo woman, pneumonia, antibiotic choice",
    "63 y.o. man with prostate cancer. Prognosis",
    "Patient with atrial fibrillation: how long anticoagulation",
    "Describe the findings in this 40-year-old woman.",
    "52 year old with headache - differential",
    "Mujer de 45 años con dolor abdominal: qué puede ser",
    "She wants to know if it comes back.",
)


@pytest.mark.parametrize("text", HISTORIES)
def test_a_history_is_told_and_asks_nothing(rag, text):
    assert is_history([text])
    assert not any(map(asks_in_history, text.split("\n")))
    for image, kind in ((Image.new("L", (8, 8)), "description"), (None, "search")):
        mentions = rag.definitions.recognise([text])[0]
        query, nowhere = Query(text, image), np.zeros(2, np.float32)
        intent = rag.reader.read(Question(query, Routing({}, None), nowhere, mentions))
        assert intent.kind is QuestionKind(kind)
        assert (intent.described, intent.unanswered) == (text, "")


@pytest.mark.parametrize("text", REQUESTS)
def test_what_asks_within_a_history_is_heard(text):
    assert asks_in_history(text)


@pytest.mark.parametrize(
    "text", ["Is there a pneumothorax?", "Pleural effusion", "5-year survival of melanoma",
             "Cardiomegaly with effusion.", "Drusen at the macula"],
)  # fmt: skip
def test_what_tells_of_nobody_is_no_history(text):
    assert not tells_of_patient(text) or asks_in_history(text)


def test_a_question_behind_a_history_is_read_alone(rag):
    text = "71 y.o. woman with hypertension on amlodipine. Is there cardiomegaly?"
    mentions = rag.definitions.recognise([text])[0]
    question = Question(
        Query(text, Image.new("L", (8, 8))), Routing({}, None), np.zeros(2, np.float32), mentions
    )
    intent = rag.reader.read(question)
    assert intent.kind is QuestionKind.PRESENCE
    assert [rag.definitions.concepts.name(c) for c in intent.concepts] == ["cardiomegaly"]
