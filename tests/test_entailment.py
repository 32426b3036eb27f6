"""Affirmation goes up, denial goes down: what one report says of a concept."""

from __future__ import annotations

import pytest

from mmedrag.definitions import glossary
from mmedrag.entailment import ELSEWHERE, KIND_ALONE, affirms, fulfilment, rules_out
from mmedrag.types import Assertion, Criterion, Mention

SOURCE = glossary()
CONCEPTS = SOURCE.concepts


def read(text: str) -> tuple[Mention, ...]:
    (mentions,) = SOURCE.recognise([text])
    return mentions


@pytest.mark.parametrize(
    ("report", "concept", "expected"),
    [
        ("Small pleural effusion.", "pleural effusion", True),
        ("Small pleural effusion.", "effusion", True),
        ("Small effusion.", "pleural effusion", False),
        ("Pericardial effusion.", "pleural effusion", False),
        ("Empyema on the left.", "effusion", True),
        ("No pleural effusion.", "effusion", False),
        ("Possible pleural effusion.", "effusion", False),
    ],
)
def test_affirmation_goes_up(report: str, concept: str, expected: bool) -> None:
    assert affirms(read(report), CONCEPTS.find(concept), CONCEPTS.is_a) is expected


@pytest.mark.parametrize(
    ("report", "concept", "expected"),
    [
        ("No effusion.", "effusion", True),
        ("No effusion.", "pleural effusion", True),
        ("No pleural effusion.", "effusion", False),
        ("No pleural effusion. Pericardial effusion.", "pleural effusion", True),
        ("No pleural effusion. Pericardial effusion.", "effusion", False),
        ("No effusion on the left. Large pleural effusion.", "effusion", False),
        ("No effusion on the left. Large pleural effusion.", "pericardial effusion", False),
        ("Pleural effusion.", "effusion", False),
        ("Clear lungs.", "effusion", False),
    ],
)
def test_denial_goes_down(report: str, concept: str, expected: bool) -> None:
    assert rules_out(read(report), CONCEPTS.find(concept), CONCEPTS.is_a) is expected


@pytest.mark.parametrize(
    ("report", "sites", "expected"),
    [
        ("Left pleural effusion.", ("left",), 1.0),
        ("Right pleural effusion.", ("left",), ELSEWHERE),
        ("Pleural effusion.", ("left",), ELSEWHERE),
        ("Bilateral pleural effusions.", ("left",), 1.0),
        ("Bilateral pleural effusions.", ("left", "right"), 1.0),
        ("Left pleural effusion. Right pleural effusion.", ("left", "right"), 1.0),
        ("Left pleural effusion.", ("left", "right"), ELSEWHERE),
        ("No pleural effusion.", ("left",), -1.0),
        ("Clear lungs.", ("left",), 0.0),
    ],
)
def test_a_finding_elsewhere_counts_half(report, sites, expected) -> None:
    criterion = Criterion(Assertion.AFFIRMED, CONCEPTS.find("pleural effusion"), "", sites)
    assert fulfilment(criterion, read(report), CONCEPTS.is_a) == expected


@pytest.mark.parametrize(
    ("report", "sites", "expected"),
    [
        ("No effusion.", (), 1.0),
        ("No pleural effusion.", (), KIND_ALONE),
        ("No pericardial effusion. Pleural effusion.", (), -1.0),
        ("Right effusion.", ("left",), ELSEWHERE),
        ("Left effusion.", ("left",), -1.0),
        ("Clear lungs.", (), 0.0),
    ],
)
def test_what_should_be_absent(report, sites, expected) -> None:
    criterion = Criterion(Assertion.NEGATED, CONCEPTS.find("effusion"), "", sites)
    assert fulfilment(criterion, read(report), CONCEPTS.is_a) == expected
