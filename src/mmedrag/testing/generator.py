"""The contract of :class:`mmedrag.protocols.Generator`: subclass, say ``make``, and pytest runs it.

Also the questions and the evidence that tests of answers draw from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pytest

from mmedrag.citations import attribute, resolve, unsupported_sentences
from mmedrag.protocols import Generator
from mmedrag.types import (
    Answer,
    Assertion,
    Case,
    Context,
    Definition,
    Domain,
    Evidence,
    Mention,
    Query,
    Question,
    Routing,
)

AFFIRMED, NEGATED, UNCERTAIN = Assertion.AFFIRMED, Assertion.NEGATED, Assertion.UNCERTAIN
VECTOR = np.full(4, 0.5, np.float32)
KEY = re.compile(r"\b[CD]\d+\b")


def mentions(text: str, assertions: Mapping[str, Assertion]) -> tuple[Mention, ...]:
    """Mentions of the given terms wherever they stand in the text."""
    matches = [
        Mention(m.group(), m.start(), m.end(), f"T:{term}", term, assertion)
        for term, assertion in assertions.items()
        for m in re.finditer(re.escape(term), text, re.IGNORECASE)
    ]
    return tuple(sorted(matches, key=lambda m: m.start))


def question(
    text: str = "", assertions: Mapping[str, Assertion] | None = None, image: bytes | None = None
) -> Question:
    """A question whose terms are recognised as told."""
    routing = Routing({"radiology": 1.0}, Domain.RADIOLOGY)
    return Question(Query(text, image), routing, VECTOR, mentions(text, assertions or {}))


def case(key: str, text: str, assertions: Mapping[str, Assertion] | None = None) -> Evidence:
    """A case with a report."""
    item = Case(id=f"id-{key}", text=text, domain=Domain.RADIOLOGY, modality="xray")
    return Evidence(key, item, VECTOR, 0.8, 0.8, mentions(text, assertions or {}))


def definition(key: str, term: str, text: str) -> Evidence:
    """A dictionary entry."""
    return Evidence(key, Definition(f"T:{term}", term, text, "glossary"), VECTOR, 0.5, 0.5)


def context_of(
    question: Question,
    kept: Sequence[Evidence],
    gathered: Sequence[Evidence] | None = None,
) -> Context:
    """A context in which everything gathered was kept, unless told otherwise."""
    everything = kept if gathered is None else gathered
    return Context(question, everything, everything, kept, {})


def answered(generator: Generator, question: Question, evidence: Sequence[Evidence]) -> Answer:
    """The way of ``MMedRAG.ask`` from kept evidence to the answer."""
    pieces = list(resolve(generator.generate(question, evidence), evidence))
    return attribute(pieces, context_of(question, evidence), {})


EFFUSION = case(
    "C1",
    "Findings: Moderate right pleural effusion. The heart is enlarged, cardiomegaly.",
    {"pleural effusion": AFFIRMED, "cardiomegaly": AFFIRMED},
)
CLEAR = case(
    "C2",
    "Clear lungs. No pleural effusion. No pneumothorax.",
    {"pleural effusion": NEGATED, "pneumothorax": NEGATED},
)
LEFT = case(
    "C4",
    "Small left pleural effusion; possible pneumothorax at the apex.",
    {"pleural effusion": AFFIRMED, "pneumothorax": UNCERTAIN},
)
PLAIN = case("C7", "normal chest")
SILENT = case("C8", "")
MEANING = definition("D1", "pleural effusion", "Fluid between the two layers of the pleura.")

ASKED = question(
    "Right pleural effusion without pneumothorax?",
    {"pleural effusion": AFFIRMED, "pneumothorax": NEGATED},
)
IMAGE_ONLY = question(image=b"image")

Situation: TypeAlias = tuple[Question, list[Evidence]]

SITUATIONS: dict[str, Situation] = {
    "text": (ASKED, [EFFUSION, CLEAR, LEFT, MEANING]),
    "image": (IMAGE_ONLY, [LEFT, EFFUSION, CLEAR]),
    "one case": (ASKED, [CLEAR]),
    "definitions": (ASKED, [MEANING]),
    "nothing recognised": (question("what is this?"), [PLAIN, SILENT]),
}


class GeneratorContract:
    """Laws of every generator, checked over a handful of situations."""

    def make(self) -> Generator:
        """The generator under test."""
        raise NotImplementedError

    @pytest.fixture(params=SITUATIONS, name="situation")
    def _situation(self, request: pytest.FixtureRequest) -> Situation:
        return SITUATIONS[request.param]

    def test_it_is_a_generator(self) -> None:
        assert isinstance(self.make(), Generator)

    def test_pieces_are_text(self, situation: Situation) -> None:
        question, evidence = situation
        assert all(isinstance(p, str) for p in self.make().generate(question, evidence))

    def test_every_mark_of_the_answer_names_supplied_evidence(self, situation: Situation) -> None:
        question, evidence = situation
        answer = answered(self.make(), question, evidence)
        assert set(KEY.findall(answer.text)) <= {e.key for e in evidence}
        assert {e.key for e in answer.cited} <= {e.key for e in evidence}

    def test_the_input_is_left_as_it_was(self, situation: Situation) -> None:
        question, evidence = situation
        before = list(evidence)
        list(self.make().generate(question, evidence))
        assert evidence == before


class ExactGeneratorContract(GeneratorContract):
    """Further laws of generators that are no model."""

    def test_same_input_same_output(self, situation: Situation) -> None:
        question, evidence = situation
        first, second = ("".join(self.make().generate(question, evidence)) for _ in range(2))
        assert first == second

    def test_every_sentence_is_supported(self, situation: Situation) -> None:
        question, evidence = situation
        answer = answered(self.make(), question, evidence)
        assert not answer.abstained
        assert unsupported_sentences(answer) == []
        assert answer.removed == []
