"""What an answer claims, and whether its marks hold: by hand, and on answers that lie."""

from __future__ import annotations

import pytest

from mmedrag.answers.claims import Claim, Judgement, claims, judge, text_assertions
from mmedrag.definitions import Dictionary, glossary
from mmedrag.types import Assertion, Case, Definition, Evidence

A, N, U = Assertion.AFFIRMED, Assertion.NEGATED, Assertion.UNCERTAIN


@pytest.fixture(scope="module")
def own() -> Dictionary:
    return glossary()


def concept(own: Dictionary, term: str) -> str:
    return own.recognise([term])[0][0].concept


def made(own: Dictionary, text: str) -> list[tuple[str, Assertion | None, tuple[str, ...]]]:
    names = {concept(own, t): t for t in ("effusion", "pneumothorax", "consolidation", "nodule")}
    return [(names[c.concept], c.assertion, c.keys) for c in claims(text, own)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Effusion [C1].", [("effusion", A, ("C1",))]),
        ("No effusion [C1, C2].", [("effusion", N, ("C1", "C2"))]),
        ("There is an effusion. [C2] No nodule.", [("effusion", A, ("C2",)), ("nodule", N, ())]),
        ("No effusion [C1] or nodule [C2].",
         [("effusion", N, ("C1",)), ("nodule", N, ("C2",))]),
        ("- effusion: affirmed [C1]; uncertain [C3]; negated [C2]",
         [("effusion", A, ("C1",)), ("effusion", U, ("C3",)), ("effusion", N, ("C2",))]),
        ("The cases disagree on effusion: affirmed in [C1], negated in [C2].",
         [("effusion", A, ("C1",)), ("effusion", N, ("C2",))]),
        ("- C1 (similarity 0.80): “No nodule. An effusion.” [C1]",
         [("nodule", N, ("C1",)), ("effusion", A, ("C1",))]),
        ("The question names nodule, which none of the cases mentions [C1, C2].",
         [("nodule", None, ("C1", "C2"))]),
        ("The question rules out nodule, which is affirmed in [C1].", [("nodule", A, ("C1",))]),
        ("2 cases affirm no finding that the dictionary knows and rule out effusion [C1].",
         [("effusion", N, ("C1",))]),
        ("Nothing that the dictionary knows [C1].", []),
    ],
)  # fmt: skip
def test_claims(own: Dictionary, text: str, expected: list[object]) -> None:
    assert made(own, text) == expected


def known(key: str) -> dict[str, frozenset[Assertion]]:
    return {
        "C1": {"effusion": frozenset({A})},
        "C2": {"effusion": frozenset({N}), "nodule": frozenset({U})},
    }.get(key, {})


@pytest.mark.parametrize(
    ("claim", "recalled", "precise", "contradicted"),
    [
        (Claim("effusion", A, ("C1",), 0), 1, 1, 0),
        (Claim("effusion", A, ("C1", "C2"), 0), 1, 1, 0),
        (Claim("effusion", A, ("C2",), 0), 0, 0, 1),
        (Claim("effusion", N, ("C1",), 0), 0, 0, 1),
        (Claim("nodule", A, ("C2",), 0), 0, 0, 0),
        (Claim("nodule", A, ("C1",), 0), 0, 0, 0),
        (Claim("effusion", A, (), 0), 0, 0, 0),
        (Claim("mass", None, ("C1", "C2"), 0), 1, 2, 0),
        (Claim("nodule", None, ("C2",), 0), 0, 0, 0),
    ],
)
def test_judgement(claim: Claim, recalled: int, precise: int, contradicted: int) -> None:
    found = judge([claim], known)
    assert (found.recalled, found.precise, found.contradicted) == (recalled, precise, contradicted)
    assert (found.claims, found.pairs, found.sentences) == (1, len(claim.keys), 1)
    assert found.supported == recalled


def test_a_sentence_is_supported_only_as_a_whole() -> None:
    found = judge(
        [
            Claim("effusion", A, ("C1",), 0),
            Claim("effusion", A, ("C2",), 0),
            Claim("effusion", N, ("C2",), 1),
        ],
        known,
    )
    figures = found.figures()
    assert figures["supported_sentences"] == 0.5
    assert figures["citation_recall"] == pytest.approx(2 / 3)
    assert figures["contradicted"] == pytest.approx(1 / 3)


def test_judgements_add_up() -> None:
    one = judge([Claim("effusion", A, ("C1",), 0)], known)
    assert (one + one).claims == 2
    assert one + Judgement() == one


def test_evidence_says_what_its_text_says(own: Dictionary) -> None:
    case = Evidence("C1", Case(id="x", text="No effusion. Nodule."), None, 0, 0)
    said = text_assertions(case, own)
    assert said[concept(own, "effusion")] == {N}
    assert said[concept(own, "nodule")] == {A}
    meaning = Definition(concept(own, "effusion"), "effusion", "Fluid.", "own")
    assert text_assertions(Evidence("D1", meaning, None, 0, 0), own)[meaning.concept] == {A}
