"""The study of routing: a bad classifier is found out, on what it has not learned from."""

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
from mmedrag.modality import NOT_MEDICAL
from mmedrag.phantoms.corpus import generate
from mmedrag.types import Case, Domain, Query, Routing

NAMES = (*(str(d) for d in Domain), NOT_MEDICAL)


class Stubborn:
    """Says radiology of everything."""

    def classify(self, queries: list[Query], pictures: object = None) -> list[Routing]:
        scores = dict(zip(NAMES, (0.7, 0.1, 0.1, 0.1), strict=True))
        return [Routing(scores, Domain.RADIOLOGY, reason="always")] * len(queries)


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
    monkeypatch.setattr(modality, "SYNTHETIC", 20)


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
