"""What a question asks for, by the model that ships: a list that it has not seen, and its laws."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.answers.question_model import (
    BUCKETS,
    KIND,
    LABELS,
    QuestionModel,
    hashed,
    masked,
    verdict,
)
from mmedrag.answers.questions import RuleReader
from mmedrag.checkpoint import read_checkpoint
from mmedrag.definitions import Dictionary
from mmedrag.errors import CheckpointError
from mmedrag.presets import MODELS, offline_texts, question_model
from mmedrag.types import Assertion, Intent, Mention, Query, Question, QuestionKind, Routing

KEPT_APART = 26
"""The set of questions.jsonl that the model has not seen; the recipe names the last that it has."""

OUT = QuestionKind.OUT_OF_SCOPE


@pytest.fixture(scope="module", name="reader")
def _reader(terms: Dictionary) -> RuleReader:
    return RuleReader(terms.concepts.domains, question_model())


def read(terms: Dictionary, reader: RuleReader, text: str, image: bytes | None = None) -> Intent:
    mentions = terms.recognise([text])[0]
    vector = np.zeros(2, np.float32)
    return reader.read(Question(Query(text, image), Routing({}, None), vector, mentions))


def test_of_wordings_that_it_has_not_seen_it_reads_more_than_rules_do(terms, reader):
    path = Path(__file__).parent / "questions.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows = [r for r in rows if r["set"] == KEPT_APART]
    scores = {}
    for name, how in (("rules", RuleReader(terms.concepts.domains)), ("model", reader)):
        intents = [read(terms, how, r["text"], b"x" if r.get("image") else None) for r in rows]
        outside = [i.kind is OUT for i, r in zip(intents, rows, strict=True) if r["kind"] == OUT]
        inside = [i.kind for i, r in zip(intents, rows, strict=True) if r["kind"] != OUT]
        kinds = [r["kind"] for r in rows if r["kind"] != OUT]
        right = [a == b for a, b in zip(inside, kinds, strict=True)]
        scores[name] = np.mean(outside), np.mean([k is OUT for k in inside]), np.mean(right)
    declined, wrongly, right = scores["model"]
    assert declined >= 0.93
    assert wrongly <= 0.05
    assert right >= 0.75
    assert declined >= scores["rules"][0] + 0.08
    assert wrongly <= scores["rules"][1] - 0.04
    assert right >= scores["rules"][2] + 0.15


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Double the furosemide or keep it?", "asks for a dose"),
        ("Will the sight in that eye ever return?", "asks for a prognosis"),
        ("Kindly write me a sonnet on autumn leaves", "is no medical question"),
        ("Which way should surgeons go about removing it?", "asks for a treatment"),
    ],
)
def test_what_is_declined_says_why_in_its_kind(terms, reader, text, rule):
    intent = read(terms, reader, text)
    assert (intent.kind, intent.rule) == (OUT, rule)
    assert intent.reason.startswith("This ")
    assert "Ask" in intent.reason


def test_side_and_grade_keep_their_details(terms, reader):
    assert read(terms, reader, "Which side is the collapsed lung on?", b"x").detail == "side"
    assert read(terms, reader, "How far advanced is the retinopathy?", b"x").detail == "grade"


def test_a_description_is_searched_for_whatever_it_mentions(terms, reader):
    text = "61-year-old woman on warfarin after hip surgery, hyperdense collection on the left."
    assert read(terms, reader, text).kind is QuestionKind.SEARCH


def test_the_sentences_of_a_question_are_read_together_and_an_image_alone_is_not(terms):
    together: list[list[str]] = []
    alone = question_model()

    def learned(requests, mentions):
        together.append(list(requests))
        found = alone(requests, mentions)
        for request, shares in zip(requests, found, strict=True):
            assert alone([request], mentions)[0] == pytest.approx(shares, abs=1e-5)
        return found

    reader = RuleReader(terms.concepts.domains, learned)
    read(terms, reader, "Left eye. Questionable haze. What dose of aspirin after stroke?", b"x")
    read(terms, reader, "Frontal chest film. The lungs", b"x")
    assert together == [
        ["What dose of aspirin after stroke?"],
        ["Frontal chest film.", "The lungs"],
    ]
    assert read(terms, reader, "", b"x").kind is QuestionKind.DESCRIPTION
    assert len(together) == 2


def shares(**given: float) -> dict[str, float]:
    return {label: given.get(label, 0.0) for label in LABELS}


def test_a_rule_beside_the_model_and_an_image_move_the_limit():
    unsure = shares(presence=0.65, treatment=0.35)
    without = {"suspected": False, "has_image": False, "asks": True}
    assert verdict(unsure, **without) == "presence"
    assert verdict(unsure, **{**without, "suspected": True}) == "treatment"
    work = shares(description=0.55, work=0.45)
    assert verdict(work, **without) == "work"
    assert verdict(work, **{**without, "has_image": True}) == "description"


def test_what_does_not_look_as_if_it_asked_is_left_to_the_rules_unless_clear():
    quiet = {"suspected": False, "has_image": False, "asks": False}
    assert verdict(shares(search=0.5, presence=0.4, dose=0.1), **quiet) is None
    assert verdict(shares(prognosis=0.9, search=0.1), **quiet) == "prognosis"
    beside = {**quiet, "has_image": True}
    assert verdict(shares(differential=0.5, search=0.4), **beside) == "differential"


@given(st.text(max_size=60))
def test_any_wording_has_buckets(text):
    buckets = hashed(text)
    assert len(buckets) >= 1
    assert ((buckets >= 0) & (buckets < BUCKETS)).all()
    assert (buckets == hashed(text)).all()


def test_terms_are_seen_as_their_kind():
    mention = Mention("effusion", 12, 20, "X:1", "effusion", Assertion.INTERROGATIVE)
    assert masked("Is there an effusion?", [mention]) == "is there an  xfinding ?"


def test_a_checkpoint_of_another_shape_is_refused():
    made = read_checkpoint(MODELS / "questions", KIND)
    encode = offline_texts().encode
    with pytest.raises(CheckpointError):
        QuestionModel.of(replace(made, settings={}), encode)
    fewer = {**made.tensors, "words": made.tensors["words"][:10]}
    with pytest.raises(CheckpointError):
        QuestionModel.of(replace(made, tensors=fewer), encode)


@pytest.mark.parametrize(
    "text",
    [
        "Neither effusion nor pneumothorax",
        "no definite pneumothorax",
        "NPDR OD with CSME",
        "DVT on ultrasound",
        "signet ring",
    ],
)
def test_names_of_findings_and_nothing_else_are_searched(terms, reader, text):
    assert read(terms, reader, text).kind is QuestionKind.SEARCH


@pytest.mark.parametrize("text", ["DVT prophylaxis", "treatment of a DVT", "dose for DVT"])
def test_what_is_asked_beside_a_name_is_still_declined(terms, reader, text):
    assert read(terms, reader, text).kind is OUT


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("what diagnoses are in the casebase?", True),
        ("which modalities do you have", True),
        ("What is the most common finding?", True),
        ("list all patients", True),
        ("what diagnoses fit a ring enhancing lesion", False),
        ("show all cases of pneumonia", False),
    ],
)
def test_what_a_collection_holds_is_listed_elsewhere(terms, reader, text, listed):
    intent = read(terms, reader, text)
    assert (intent.rule == "asks what the collection holds") is listed
    assert ("mmedrag info" in intent.reason) is listed


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("normal fundus", True),
        ("show me a normal chest x-ray", True),
        ("radiografía de tórax normal", True),
        ("tórax normal", True),
        ("healthy retina", True),
        ("Is the fundus normal?", False),
        ("normal chest x-ray with scoliosis", False),
        ("chest x-ray not normal", False),
    ],
)
def test_normal_studies_may_be_asked_for(terms, reader, text, normal):
    assert (read(terms, reader, text).detail == "normal") is normal
