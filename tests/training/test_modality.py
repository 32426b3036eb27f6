"""The routing heads learned from corpora of one's own, with an encoder that sees colours only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from fake_stages import WordEncoder
from PIL import Image

from mmedrag.checkpoint import read_checkpoint
from mmedrag.errors import CorpusError
from mmedrag.measures.cosines import unit_rows
from mmedrag.modality import heads_from_checkpoint
from mmedrag.phantoms.corpus import generate
from mmedrag.training import modality
from mmedrag.training.features import Features
from mmedrag.training.modality import (
    classes,
    part_examples,
    train_modality,
    with_text_head,
)
from mmedrag.training.sets import Recipe, TrainingSet, training_sets
from mmedrag.types import Case, Domain, Matrix


class Thumbnails:
    """A picture is its pixels, small."""

    dim = 48
    fingerprint = "thumbnails"

    def encode(self, images: Sequence[Image.Image]) -> Matrix:
        small = [np.asarray(image.convert("RGB").resize((4, 4)), np.float32) for image in images]
        return np.stack(small).reshape(len(images), -1) / 255


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, number in (("PHANTOMS", 24), ("SYNTHETIC", 40), ("ULTRASOUND", 4), ("PARTS", 5)):
        monkeypatch.setattr(modality, name, number)


def learned(files: Sequence[Path], into: Path, cache: Path | None = None) -> list[str]:
    told: list[str] = []
    learned_from(training_sets(files), into, cache, told)
    return told


def learned_from(
    sets: Sequence[TrainingSet], into: Path, cache: Path | None, told: list[str]
) -> None:
    recipe = Recipe(tuple(sets), cache or into / "cache")
    train_modality(recipe, into, Thumbnails(), WordEncoder(), told.append)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("corpora")
    return [generate(30, i, into=root / name) for i, name in enumerate(("mine", "wbc"))]


def test_what_is_held_out_teaches_the_shipped_head_alone(
    corpora: list[Path], tmp_path: Path
) -> None:
    told: list[str] = []
    mine, wbc = corpora
    sets = (
        TrainingSet("mine", mine),
        TrainingSet("cells/wbc", wbc, images="held out", texts="held out"),
    )
    learned_from(sets, tmp_path, None, told)
    whole, part = (
        read_checkpoint(tmp_path / name, "modality") for name in ("modality", "modality_held_out")
    )
    # the text head's temperature is fitted on wbc
    assert list(part.training_data) == ["mine", "mine (text)", "MMedRAG phantoms"]
    assert list(whole.training_data) == ["mine", "cells/wbc", "mine (text)", "MMedRAG phantoms"]
    assert [line.split(":")[0] for line in told] == ["modality_held_out", "modality"]
    image, text = heads_from_checkpoint(whole)
    fundus = unit_rows(WordEncoder().encode(["Fundus photograph of the right eye: drusen"]))
    assert classes()[int(np.argmax(fundus @ text.weight.T + text.bias))] == "ophthalmology"
    assert image.classes == classes()


def test_another_text_encoder_takes_the_image_head_over(
    corpora: list[Path], tmp_path: Path
) -> None:
    class Renamed(WordEncoder):
        fingerprint = "other words"

    learned(corpora[:1], tmp_path)
    old = read_checkpoint(tmp_path / "modality", "modality")
    recipe = Recipe(training_sets(corpora), tmp_path / "cache")
    new = with_text_head(old, recipe, Renamed())
    assert np.array_equal(new.tensors["image.weight"], old.tensors["image.weight"])
    assert new.encoders == {"image": "thumbnails", "text": "other words"}
    assert list(new.training_data) == ["mine", "mine (text)", "wbc (text)", "MMedRAG phantoms"]
    assert new.settings["image_temperature"] == old.settings["image_temperature"]
    assert not np.array_equal(new.tensors["text.weight"], old.tensors["text.weight"])


def test_images_alone_leave_the_texts_to_drawn_cases(tmp_path: Path) -> None:
    file = generate(12, 5, into=tmp_path / "images_only")
    rows = [{**json.loads(line), "text": ""} for line in file.read_text("utf-8").splitlines()]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    learned([file], tmp_path)
    found = read_checkpoint(tmp_path / "modality", "modality")
    assert list(found.training_data) == ["images_only", "MMedRAG phantoms"]


def test_texts_alone_are_not_enough(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text('{"id": "1", "text": "x", "domain": "radiology"}\n')
    with pytest.raises(CorpusError, match="No image may be learned from"):
        learned([tmp_path / "records.jsonl"], tmp_path)


def test_another_corpus_of_the_same_name_is_encoded(tmp_path: Path) -> None:
    """Its cases may have the same ids too."""
    rows = []
    for place, seed in (("a", 1), ("b", 2)):
        corpus = generate(12, seed, into=tmp_path / place / "mine")
        learned([corpus], tmp_path / place, tmp_path / "cache")
        found = read_checkpoint(tmp_path / place / "modality", "modality")
        rows.append(found.tensors["image.weight"])
    assert not np.array_equal(*rows)


def test_parts_are_of_ultrasound_images_that_may_be_learned_from(tmp_path: Path) -> None:
    file = tmp_path / "x.png"
    Image.fromarray(np.arange(900, dtype=np.uint8).reshape(30, 30)).save(file)

    def case(name: str, modality: str, split: str = "") -> Case:
        return Case(id=name, image=file, domain=Domain.RADIOLOGY, modality=modality, split=split)

    cases = [case("a", "Ultrasound"), case("b", "CT"), case("c", "ultrasound", "val")]
    lungs = TrainingSet("lungs", file, source="pocus")
    features = Features(lungs, cases, np.zeros((3, 48), np.float32))
    (parts,) = part_examples(
        [features, Features(lungs, cases[1:], np.zeros((2, 48)))], Thumbnails()
    )
    assert set(parts.groups) == {"pocus: parts of lungs"}
    assert (len(parts.rows), set(parts.classes)) == (5, {classes().index("radiology")})
    assert len(np.unique(parts.rows, axis=0)) == 5
    assert part_examples([Features(lungs, cases[1:], np.zeros((2, 48)))], Thumbnails()) == []
