"""Section 3.2 for texts: head and glossary together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files

import pytest

from mmedrag.definitions import glossary
from mmedrag.definitions.domains import domain_evidence
from mmedrag.protocols import ModalityClassifier
from mmedrag.routing import ConceptClassifier
from mmedrag.types import Domain, Query, Routing

OWN = glossary()
TERMS = [
    json.loads(line)
    for line in (files("mmedrag.evaluation") / "short_terms.jsonl").read_text("utf-8").splitlines()
]


class Says:
    """A classifier that gives every text the same probabilities."""

    def __init__(self, reason: str = "text: sure", **scores: float) -> None:
        self._routing = Routing(
            scores, max(map(Domain, scores), key=lambda d: scores[d]), True, reason
        )

    def classify(self, queries: Sequence[Query], pictures: object = None) -> list[Routing]:
        """The same verdict each time."""
        return [self._routing for _ in queries]


PATHOLOGY = Says(radiology=0.04, pathology=0.9, ophthalmology=0.06)


def routed(text: str, head: ModalityClassifier = PATHOLOGY) -> Domain | None:
    return ConceptClassifier(head, OWN).classify([Query(text=text)])[0].decision


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("PTX", Domain.RADIOLOGY),
        ("drusen", Domain.OPHTHALMOLOGY),
        ("CXR: pneumothorax", Domain.RADIOLOGY),
        ("koilocytes", Domain.PATHOLOGY),
        ("retinal detachment", Domain.OPHTHALMOLOGY),
    ],
)
def test_the_terms_of_a_short_text_overrule_a_head_that_is_wrong(text: str, domain: Domain) -> None:
    assert routed(text) is domain


def test_a_text_without_terms_is_left_to_the_head() -> None:
    assert routed("a letter of the alphabet") is Domain.PATHOLOGY
    assert domain_evidence(OWN, ["a letter of the alphabet"]) == [{}]


def test_the_longer_a_text_the_more_its_head_counts() -> None:
    surely = Says(radiology=1e-6, pathology=1 - 2e-6, ophthalmology=1e-6)
    assert routed("PTX", surely) is Domain.RADIOLOGY
    assert routed("PTX " + "and the words of a long report " * 9, surely) is Domain.PATHOLOGY


def test_verdicts_by_image_stay() -> None:
    by_image = Says("image: ophthalmology", radiology=0.1, pathology=0.1, ophthalmology=0.8)
    assert routed("PTX", by_image) is Domain.OPHTHALMOLOGY


def test_scores_are_probabilities_and_the_reason_names_the_terms() -> None:
    verdict = ConceptClassifier(PATHOLOGY, OWN).classify([Query(text="PTX on CXR")])[0]
    assert sum(verdict.scores.values()) == pytest.approx(1.0)
    assert "terms" in verdict.reason


def test_short_terms_have_domains_and_are_most_often_right() -> None:
    sets = {name: [t for t in TERMS if t["set"] == name] for name in ("first", "second")}
    assert len(sets["first"]) >= 80
    assert {"PTX"} <= {t["text"] for t in sets["first"]}
    even = Says(radiology=1 / 3, pathology=1 / 3, ophthalmology=1 / 3)
    classifier = ConceptClassifier(even, OWN)
    found = classifier.classify([Query(text=t["text"]) for t in TERMS])
    right = sum(v.decision == t["domain"] for v, t in zip(found, TERMS, strict=True))
    wrong = [
        t["text"]
        for v, t in zip(found, TERMS, strict=True)
        if v.decision not in (None, t["domain"])
    ]
    assert right / len(TERMS) >= 0.9
    assert len(wrong) <= len(TERMS) / 20
