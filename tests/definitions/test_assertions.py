"""Mentions and assertions on sentences with gold annotations, and rule by rule."""

from __future__ import annotations

import json
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from mmedrag.definitions import Dictionary, glossary
from mmedrag.text.assertions import assertions
from mmedrag.text.sentences import spans as sentences
from mmedrag.types import Assertion

A, N, U, H, O = (  # noqa: E741
    Assertion.AFFIRMED,
    Assertion.NEGATED,
    Assertion.UNCERTAIN,
    Assertion.HISTORICAL,
    Assertion.OTHER_PERSON,
)
SENTENCES = [
    json.loads(line)
    for line in (Path(str(files("mmedrag"))) / "evaluation" / "sentences_development.jsonl")
    .read_text("utf-8")
    .splitlines()
]


@pytest.fixture(scope="module")
def own() -> Dictionary:
    return glossary()


def f1(found: set[object], gold: set[object]) -> float:
    return 2 * len(found & gold) / (len(found) + len(gold))


def annotated(source: Dictionary) -> tuple[dict[object, str], dict[object, str]]:
    found: dict[object, str] = {}
    gold: dict[object, str] = {}
    recognised = source.recognise([row["text"] for row in SENTENCES])
    for i, (row, mentions) in enumerate(zip(SENTENCES, recognised, strict=True)):
        found |= {(i, m.start, m.end): str(m.assertion) for m in mentions}
        gold |= {(i, start, end): said for start, end, said in row["mentions"]}
    return found, gold


def test_the_sentences_cover_three_domains_and_all_assertions() -> None:
    domains = Counter(row["domain"] for row in SENTENCES)
    assert len(SENTENCES) >= 150
    assert min(domains.values()) >= 50
    assert len(domains) == 3
    assert {said for row in SENTENCES for *_, said in row["mentions"]} == {
        str(a) for a in Assertion if a not in (Assertion.INTERROGATIVE, Assertion.UNKNOWN)
    }


def test_mentions_reach_f1_of_0_80(own: Dictionary) -> None:
    found, gold = annotated(own)
    assert f1(set(found), set(gold)) >= 0.80


@pytest.mark.parametrize("said", ["negated", "uncertain"])
def test_negation_and_uncertainty_reach_f1_of_0_95(own: Dictionary, said: str) -> None:
    found, gold = annotated(own)
    both = found.keys() & gold.keys()
    assert f1({k for k in both if found[k] == said}, {k for k in both if gold[k] == said}) >= 0.95


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No effusion, pneumothorax or consolidation.", [N, N, N]),
        ("Without evidence of pneumonia.", [N]),
        ("Pleural effusion is not seen.", [N]),
        ("Pneumothorax and effusion are not seen.", [N, N]),
        ("Cardiomegaly and effusion is not seen.", [A, N]),
        ("The pneumothorax has resolved.", [N]),
        ("The pneumothorax has not resolved.", [A]),
        ("No increase in the pleural effusion.", [A]),
        ("Not only pneumonia but also effusion.", [A, A]),
        ("No effusion but mild cardiomegaly.", [N, A]),
        ("No effusion; mild cardiomegaly.", [N, A]),
        ("No effusion. Cardiomegaly.", [N, A]),
        ("No effusion, there is cardiomegaly.", [N, A]),
        ("No effusion is seen and cardiomegaly is stable.", [N, A]),
        ("Pneumonia cannot be excluded.", [U]),
        ("Rule out pneumonia.", [U]),
        ("Indication: ? pneumonia", [U]),
        ("Consolidation, ? pneumonia", [A, U]),
        ("Pneumonia?", [U]),
        ("Opacity may represent atelectasis or pneumonia.", [A, U, U]),
        ("Pneumonia versus atelectasis.", [U, U]),
        ("History of pneumonia.", [H]),
        ("No history of pneumonia.", [N]),
        ("Past medical history: asthma, glaucoma.", [H, H]),
        ("Compared with the prior study, effusion is larger.", [A]),
        ("Family history of glaucoma.", [O]),
        ("Her mother had glaucoma; she has drusen.", [O, A]),
        ("Aortic aneurysm in his father.", [O]),
        ("Nodule.No effusion.Cardiomegaly.", [A, N, A]),
        ("IMPRESSION:\nNo effusion\nCardiomegaly\n", [N, A]),
        ("There is no evidence of focal consolidation or of\npleural effusion. Nodule.", [N, N, A]),
        ("NO PLEURAL EFFUSION.", [N]),
        ("Carcinoma with negative margins.", [A]),
    ],
)  # fmt: skip
def test_rules(own: Dictionary, text: str, expected: list[Assertion]) -> None:
    (mentions,) = own.recognise([text])
    said = [m.assertion for m in mentions]
    assert said == expected


def test_verdicts_keep_the_order_of_the_mentions_given() -> None:
    text = "No effusion. Cardiomegaly."
    assert assertions(text, [(13, 25), (3, 11)]) == [A, N]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Dr. Smith saw 1.5 cm nodules, e.g. two.", 1),
        ("One. Two! Three? Four", 4),
        ("A line that is rather long and runs on into the next\nLine without a stop.", 1),
        ("FINDINGS:\nHeart normal\nLungs clear", 3),
        ("- one\n- two", 2),
        ("? pneumonia", 1),
        ("", 0),
    ],
)
def test_sentences_cover_the_text(text: str, count: int) -> None:
    found = sentences(text)
    assert len(found) == count
    assert "".join(text[start:end] for start, end in found) == text
