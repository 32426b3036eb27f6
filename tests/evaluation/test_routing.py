"""Verdicts of a modality classifier counted by hand, and the study on classifiers that err."""

from __future__ import annotations

import numpy as np
import pytest

from mmedrag.evaluation.routing import (
    Verdict,
    misrouting,
    out_of_domain,
    outside,
    reliability,
    shares,
)
from mmedrag.modality import NOT_MEDICAL, Thresholds
from mmedrag.types import Domain, Routing

NAMES = (*(str(d) for d in Domain), NOT_MEDICAL)


def verdict(
    truth: str, *scores: float, source: str = "s", kind: str = "", patient: str = ""
) -> Verdict:
    routing = Thresholds().decide(dict(zip(NAMES, scores, strict=True)), "image")
    return Verdict(source, truth, routing, kind, patient)


RIGHT = verdict("radiology", 0.9, 0.05, 0.05, 0.0)


WRONG = verdict("radiology", 0.1, 0.8, 0.1, 0.0)


UNSURE = verdict("radiology", 0.35, 0.34, 0.31, 0.0)


REFUSED = verdict("radiology", 0.1, 0.05, 0.05, 0.8)


PHOTOGRAPH = verdict(NOT_MEDICAL, 0.05, 0.05, 0.0, 0.9)


MISTAKEN = verdict(NOT_MEDICAL, 0.85, 0.05, 0.05, 0.05)


def test_shares_add_up() -> None:
    found = shares([RIGHT, WRONG, UNSURE, REFUSED])
    assert found == {"n": 4, "right": 0.25, "wrong": 0.25, "undecided": 0.25, "not_medical": 0.25}


def test_calibration_by_hand() -> None:
    bins = reliability([RIGHT, WRONG])
    assert bins.counts.sum() == 2
    assert bins.error == pytest.approx((abs(1 - 0.9) + abs(0 - 0.8)) / 2)


def test_out_of_domain_by_hand() -> None:
    found = out_of_domain([RIGHT, WRONG, REFUSED], [PHOTOGRAPH, MISTAKEN])
    # 0.9 beats 0, 0 and 0.8; 0.05 beats 0 and 0 but not 0.8
    assert found["AUROC"] == pytest.approx(5 / 6)
    assert found["refused"] == 0.5


def test_a_classifier_without_the_class_is_judged_by_its_doubt() -> None:
    routing = Routing({"radiology": 0.7, "pathology": 0.3}, Domain.RADIOLOGY)
    assert outside([Verdict("s", "radiology", routing)])[0] == pytest.approx(0.3)


def test_cost_of_misrouting_by_hand() -> None:
    def image(truth: str, kind: str, decision: Domain | None, *, medical: bool = True) -> Verdict:
        return Verdict("s", truth, Routing({}, decision, medical), kind)

    verdicts = [
        image("radiology", "a", Domain.RADIOLOGY),
        image("radiology", "a", Domain.PATHOLOGY),  # astray: finds nothing of its kind
        image("pathology", "b", None),
        image("pathology", "b", Domain.PATHOLOGY, medical=False),  # refused: finds nothing
    ]
    rows = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    found = misrouting(verdicts, rows, k=1)
    assert found["precision"] == {"all domains": 1.0, "routed": 0.5, "true domain": 1.0}
    assert (found["astray"], found["lost"]) == (2, 1.0)


def test_the_own_patient_is_no_neighbour() -> None:
    verdicts = [
        Verdict("s", "radiology", Routing({}, None), "a", patient) for patient in ("p", "p", "q")
    ]
    rows = np.eye(3, dtype=np.float32)
    assert misrouting(verdicts, rows, k=2)["precision"]["all domains"] == pytest.approx(
        (0.5 + 0.5 + 1.0) / 3
    )
