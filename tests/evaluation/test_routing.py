"""Verdicts of a modality classifier counted by hand, and the study on classifiers that err."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mmedrag import presets
from mmedrag.datasets.pictures import packaged_pictures
from mmedrag.errors import CorpusError
from mmedrag.evaluation import modality
from mmedrag.evaluation.modality import Arm, evaluate_modality
from mmedrag.evaluation.routing import (
    Verdict,
    misrouting,
    out_of_domain,
    outside,
    reliability,
    shares,
)
from mmedrag.modality import NOT_MEDICAL, Thresholds
from mmedrag.phantoms.corpus import generate
from mmedrag.types import Case, Domain, Query, Routing

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


class Stubborn:
    """Says radiology of everything."""

    def classify(self, query: Query) -> Routing:
        scores = dict(zip(NAMES, (0.7, 0.1, 0.1, 0.1), strict=True))
        return Routing(scores, Domain.RADIOLOGY, reason="always")


class Embeds:
    dim, fingerprint = 2, "test"

    def embed(self, items, pictures=None):
        return np.tile(np.array([[1.0, 0.0]], np.float32), (len(items), 1))


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(20, 3, into=tmp_path_factory.mktemp("phantoms"))


@pytest.fixture
def stubborn(monkeypatch: pytest.MonkeyPatch) -> None:
    stages = SimpleNamespace(embedder=Embeds(), classifier=Stubborn())
    monkeypatch.setattr(presets, "build", lambda name, models=None: stages)
    monkeypatch.setattr(modality, "DRAWN", 20)


@pytest.mark.usefixtures("stubborn")
def test_a_classifier_that_always_says_radiology_is_found_out(records: Path) -> None:
    section = evaluate_modality([records], preset="always radiology", most=20)
    of = section.data["always radiology"]
    assert of["images"]["right"] == pytest.approx(0.4, abs=0.2)
    assert of["images"]["right"] + of["images"]["wrong"] == pytest.approx(1.0)
    assert of["out_of_domain"]["AUROC"] == 0.5
    assert of["out_of_domain"]["refused"] == 0.0
    assert of["ECE"] > 0.2
    assert "misses 0.98" in section.verdict


@pytest.mark.usefixtures("stubborn")
def test_folders_of_pictures_are_counted_one_by_one(
    records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modality, "PICTURES", 3)
    for name, number in (("noise", 2), ("holiday", 9)):  # "noise" is also a drawn family
        (tmp_path / name).mkdir()
        for i in range(number):
            Image.new("RGB", (40, 30), (9 * i, 20, 30)).save(tmp_path / name / f"{i}.png")
    folders = [tmp_path / "noise", tmp_path / "holiday"]
    of = evaluate_modality([records], preset="other", pictures=folders, most=5).data["other"]
    by_package = of["out_of_domain_by_package"]
    assert (by_package["noise"]["n"], by_package["holiday"]["n"]) == (2, 3)
    packaged = sum(1 for _ in packaged_pictures())
    assert of["out_of_domain_by_kind"]["photographs"]["n"] == 5 + packaged
    assert (
        sum(kind["n"] for kind in of["out_of_domain_by_kind"].values()) == of["out_of_domain"]["n"]
    )


@pytest.mark.usefixtures("stubborn")
def test_without_images_there_is_nothing_to_judge(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text('{"id": "1", "text": "x", "domain": "radiology"}\n')
    with pytest.raises(CorpusError):
        evaluate_modality([tmp_path / "records.jsonl"], preset="other")


def test_an_arm_judges_only_what_it_has_not_learned() -> None:
    arm = Arm("a", Stubborn(), learned=("medpix2", "labelled/wbc"))
    train, val = Case(id="1", split="train"), Case(id="2", split="val")
    for folder, case, may in (
        ("data/medpix2", train, False),
        ("data/medpix2", val, True),
        ("data/labelled/wbc", train, False),
        ("data/wbc", train, True),
        ("data/other", train, True),
    ):
        assert arm.may_judge(Path(folder) / "records.jsonl", case) is may
