"""The law of the self-check: nothing leaves that its source does not support."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedrag.answers.analysis import CaseAnalyst
from mmedrag.answers.claims import claims
from mmedrag.answers.extractive import ExtractiveGenerator
from mmedrag.answers.questions import RuleReader
from mmedrag.answers.verification import ClaimChecker, contradicted_by, read_again, supports
from mmedrag.citations import resolve
from mmedrag.definitions import Dictionary, glossary
from mmedrag.protocols import Analyst
from mmedrag.protocols import ClaimChecker as Checker
from mmedrag.types import (
    Assertion,
    Brief,
    Case,
    Evidence,
    Mention,
    Piece,
    Query,
    Question,
    Routing,
)
from proofs import examples

VECTOR = np.zeros(2, np.float32)
TERMS = glossary()
ANALYST = CaseAnalyst(TERMS, TERMS.concepts)
CHECKER = ClaimChecker(TERMS, TERMS.concepts)
WRITER = ExtractiveGenerator(ANALYST)


@pytest.fixture(scope="module", autouse=True)
def _closed() -> Iterator[Dictionary]:
    yield TERMS
    TERMS.close()


def case(key: str, text: str, diagnosis: str = "", labels: Sequence[str] = ()) -> Evidence:
    item = Case(id=key, text=text, diagnosis=diagnosis, labels=tuple(labels))
    return Evidence(key, item, VECTOR, 0.5, 0.5, TERMS.recognise([text])[0])


def asked(text: str) -> Question:
    question = Question(Query(text), Routing({}, None), VECTOR, TERMS.recognise([text])[0])
    return replace(question, intent=RuleReader().read(question))


def checked(text: str, evidence: Sequence[Evidence], cuts: Sequence[int] = ()) -> list[Piece]:
    ends = sorted({c % (len(text) + 1) for c in cuts})
    parts = [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
    return list(CHECKER.check(resolve(parts, evidence), evidence))


def written(pieces: Sequence[Piece]) -> str:
    return "".join(p.text for p in pieces)


AFFIRMS = case("C1", "Large left pleural effusion. The heart is normal in size.")
DENIES = case("C2", "Clear lungs. No pleural effusion or pneumothorax.")
DIAGNOSED = case("C3", "A round mass.", diagnosis="Meningioma", labels=["brain tumor"])
EVIDENCE = [AFFIRMS, DENIES, DIAGNOSED]


def test_they_are_what_the_protocols_ask_for():
    assert isinstance(ANALYST, Analyst)
    assert isinstance(CHECKER, Checker)


def test_a_contradicted_sentence_is_struck():
    pieces = checked("Both have it. There is a pleural effusion [C2]. It is large [C1].", EVIDENCE)
    text = written(pieces)
    assert "There is a pleural effusion [C2]" not in text
    assert text.startswith("Both have it. (A sentence was struck here")
    assert text.endswith("see [C2].) It is large [C1].")
    assert [p.struck for p in pieces if p.struck] == ["There is a pleural effusion [C2]."]


@pytest.mark.parametrize(
    "sentence",
    [
        "There is a pleural effusion [C1].",
        "No pleural effusion [C2].",
        "Pleural effusion in some [C1, C2].",
        "An effusion is seen [C1].",
        "The diagnosis was meningioma [C3].",
        "A tumour [C3].",
        "Nothing that a dictionary knows [C2].",
        "There is a pneumothorax.",
    ],
)
def test_what_no_source_opposes_is_let_through(sentence):
    assert written(checked(sentence, EVIDENCE)) == sentence


@pytest.mark.parametrize(
    "sentence",
    ["No pleural effusion [C1].", "A pneumothorax is present [C2].", "No effusion [C1]."],
)
def test_what_its_source_opposes_is_not(sentence):
    assert sentence not in written(checked(sentence, EVIDENCE))


def test_a_bullet_stays_a_bullet():
    text = written(checked("Findings:\n- pneumothorax [C2]\n- pleural effusion [C1]\n", EVIDENCE))
    lines = text.splitlines()
    assert lines[1].startswith("- (A sentence was struck here")
    assert lines[2] == "- pleural effusion [C1]"


SENTENCES = st.sampled_from([
    "There is a pleural effusion [C2]. ", "No effusion [C1]. ", "Large effusion [C1]. ",
    "“No effusion. Clear.” [C2] ", "e.g. a mass [C3]\n", "- pneumothorax [C2]\n\n", "Dr. X [C9]. ",
])  # fmt: skip


@given(st.lists(SENTENCES, max_size=5).map("".join), st.lists(st.integers(0, 400), max_size=6))
def test_how_a_text_is_cut_makes_no_difference(text, cuts):
    assert written(checked(text, EVIDENCE, cuts)) == written(checked(text, EVIDENCE))
    whole = checked(text, EVIDENCE)
    kept = {k for p in checked(text, EVIDENCE, cuts) for k in p.cited}
    assert kept == {k for p in whole for k in p.cited}


@given(st.text(max_size=120))
def test_a_text_without_marks_comes_out_as_it_is(text):
    assert written(list(CHECKER.check([Piece(text)], EVIDENCE))) == text


# --- the law, over generated contexts ---------------------------------------------------------

FINDINGS = (
    "pleural effusion", "effusion", "pneumothorax", "consolidation", "cardiomegaly", "mass",
    "fracture", "drusen", "glaucoma", "adenocarcinoma", "necrosis", "meningioma", "metastasis",
    "cataract", "ground-glass opacity", "hydrocephalus",
)  # fmt: skip
PATTERNS = (
    "There is {f}.", "No {f}.", "No evidence of {f} or {g}.", "Possible {f}.",
    "Left {f}; right {g}.",
    "{f} without {g}.", "History of {f}.", "Mother had {f}.", "{f} is seen, {g} is not seen.",
    "Findings: {f}. Impression: no {g}.", "Negative for {f}.", "No change in {f}.", "Normal study.",
    "{f}, {g}", "Rule out {f}.", "The {f} has resolved.", "Is there {f}?", "No {f}, but {g}.",
    "no evidence of:\n- {f}\n- {g}", "{F} AND {G}", "mild {f}, severe {g}",
)  # fmt: skip
ASK = (
    "Is there {f}?", "What is {f}?", "Differential for {f}?", "What does this show?",
    "Is this normal?", "{f} or {g}?", "Show me cases of {f}", "{f} but no {g}", "Left {f}",
    "Has the {f} grown since the last study?", "Which side is the {f} on?",
    "How severe is the {f}?",
    "What dose of aspirin for {f}?", "Is there a wobbly sign?",
)  # fmt: skip
PAIRS = st.tuples(st.sampled_from(FINDINGS), st.sampled_from(FINDINGS))


def filled(pattern: str, pair: tuple[str, str]) -> str:
    f, g = pair
    return pattern.format(f=f, g=g, F=f.upper(), G=g.upper())


LINES = st.builds(filled, st.sampled_from(PATTERNS), PAIRS)
REPORTS = st.lists(LINES, max_size=4).map(" ".join)
NAMES = st.one_of(st.just(""), st.sampled_from([*FINDINGS, "no tumor", "Head", "non-COVID", "N"]))
CASES = st.tuples(REPORTS, NAMES, st.lists(NAMES, max_size=2))
QUESTIONS = st.builds(filled, st.sampled_from(ASK), PAIRS)
STALE = st.lists(st.sampled_from(list(Assertion)), max_size=6)


def contexts(rows) -> list[Evidence]:
    return [case(f"C{i}", text, diagnosis, labels)
            for i, (text, diagnosis, labels) in enumerate(rows, 1)]  # fmt: skip


def stale(evidence: Evidence, said: Sequence[Assertion]) -> Evidence:
    """Evidence whose mentions are not what its text says."""
    wrong = [
        Mention(m.text, m.start, m.end, m.concept, m.term, said[i % len(said)], m.kind)
        for i, m in enumerate(evidence.mentions)
        if said
    ]
    return replace(evidence, mentions=tuple(wrong))


def unsupported(brief: Brief, evidence: Sequence[Evidence]) -> list[object]:
    """Claims with a mark whose passage, read afresh, does not say so."""
    readings = {r.key: r for r in read_again(evidence, TERMS)}
    made = [*brief.claims, *(c for d in brief.differential for c in d.against)]
    return [
        claim
        for claim in made
        if not claim.keys
        or not all(supports(readings[k], claim, TERMS.concepts) for k in claim.keys)
    ]


@settings(max_examples=examples(500), deadline=None)
@given(st.lists(CASES, max_size=6), QUESTIONS, st.lists(STALE, min_size=6, max_size=6))
def test_no_brief_makes_a_claim_that_its_source_does_not_support(rows, text, said):
    fresh = contexts(rows)
    read_wrongly = [stale(e, s) for e, s in zip(fresh, said, strict=False)]
    for evidence in (fresh, read_wrongly):
        assert unsupported(ANALYST.brief(asked(text), evidence, None), evidence) == []


@settings(max_examples=examples(500), deadline=None)
@given(st.lists(CASES, max_size=6), QUESTIONS)
def test_no_answer_is_contradicted_by_what_it_cites(rows, text):
    evidence = contexts(rows)
    question = asked(text)
    question = replace(question, brief=ANALYST.brief(question, evidence, None))
    pieces = list(resolve(WRITER.generate(question, evidence), evidence))
    readings = {r.key: r for r in read_again(evidence, TERMS)}
    wrong = [
        c for c in claims(written(pieces), TERMS) if contradicted_by(c, readings, TERMS.concepts)
    ]
    assert wrong == []
    assert written(list(CHECKER.check(pieces, evidence))) == written(pieces)
