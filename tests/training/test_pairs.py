"""Pairs of an image and a text, split by patient."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmedrag.errors import CorpusError
from mmedrag.measures.cosines import unit_rows
from mmedrag.training.features import image_features
from mmedrag.training.pairs import Pairs, read_pair_split, set_of
from mmedrag.training.sets import training_sets
from mmedrag.training.splits import read_split_pairs
from mmedrag.types import Case, Matrix

IMAGE_DIM, TEXT_DIM, DIM = 12, 7, 16


def made_pairs(seed: int, cases: int = 40, records: int = 3) -> Pairs:
    """Pairs whose image and text are noisy linear pictures of one hidden vector a case."""
    world, random = np.random.default_rng(99), np.random.default_rng(seed)
    to_image, to_text = world.normal(size=(4, IMAGE_DIM)), world.normal(size=(4, TEXT_DIM))
    hidden = np.repeat(random.normal(size=(cases, 4)), records, axis=0)
    hidden += 0.1 * random.normal(size=hidden.shape)
    names = [(f"s/{seed}-{c}", f"s/{seed}-{c}-{r}") for c in range(cases) for r in range(records)]
    return Pairs(
        tuple(Case(id=i, text=f"text {i}", patient_id=p, study_id=p) for p, i in names),
        (3 + hidden @ to_image).astype(np.float32),
        unit_rows(hidden @ to_text),
    )


@pytest.fixture(scope="module")
def parts() -> tuple[Pairs, Pairs, Pairs]:
    """To learn from, to choose by, to report on."""
    return made_pairs(1), made_pairs(2, 15), made_pairs(3, 15)


def corpus(folder: Path, rows: Sequence[dict[str, object]]) -> Path:
    """Records with a generated image each; ``pixel`` draws it."""
    folder.mkdir()
    for i, row in enumerate(rows):
        noise = np.random.default_rng(row.pop("pixel", i)).integers(0, 255, (48, 48), np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.png")
        row |= {"id": f"r{i}", "image": f"{i}.png", "domain": "radiology"}
    file = folder / "records.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return file


def test_parts_keep_patients_and_copies_apart(tmp_path: Path) -> None:
    divided = [{"text": f"a {i}", "patient_id": f"p{i // 2}", "split": "train"} for i in range(40)]
    divided += [{"text": f"b {i}", "patient_id": f"v{i}", "split": "val"} for i in range(6)]
    divided += [{"text": "copy", "patient_id": "p0", "pixel": 42, "split": "train"}]  # of b 2
    whole = [{"text": f"c {i}", "patient_id": f"p{i // 2}", "pixel": 900 + i} for i in range(40)]
    whole += [{"text": "normal", "text_kind": "label", "pixel": 999}]
    parts = read_pair_split([corpus(tmp_path / "a", divided), corpus(tmp_path / "b", whole)])
    sides = [{case.patient_id for case in part} for part in (parts.train, parts.tune)]
    held_out = {case.patient_id for case in parts.held_out}
    assert all(sides)
    assert not sides[0] & sides[1]
    assert not (sides[0] | sides[1]) & held_out
    assert {c.id for c in parts.held_out if set_of(c) == "a"} == {f"a/r{i}" for i in range(40, 46)}
    assert 0 < sum(set_of(case) == "b" for case in parts.held_out) < 20
    everyone = [case for part in (parts.train, parts.tune, parts.held_out) for case in part]
    assert "a/p0" not in {case.patient_id for case in everyone}  # tied to a held-out picture
    assert "normal" not in {case.text for case in everyone}


def test_a_split_that_was_written_can_be_given(tmp_path: Path) -> None:
    rows = [{"text": f"c {i}", "patient_id": f"p{i // 2}", "pixel": 900 + i} for i in range(40)]
    file, written = corpus(tmp_path / "a", rows), tmp_path / "splits.json"
    drawn = read_pair_split([file], write=written)
    swapped = json.loads(written.read_text("utf-8"))
    other = {"train": "val", "val": "train"}
    swapped["cases"] = {k: other.get(side, side) for k, side in swapped["cases"].items()}
    assert read_pair_split([file], splits=written) == drawn
    written.write_text(json.dumps(swapped), "utf-8")
    assert read_pair_split([file], splits=written).train == drawn.held_out


def test_nothing_to_learn_from_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text('{"id": "1", "text": "no image"}', "utf-8")
    with pytest.raises(CorpusError, match="image and a text"):
        read_pair_split([file])


def test_images_that_cannot_be_read_are_left_out_and_told(tmp_path: Path) -> None:
    rows = [{"text": f"c {i}", "patient_id": f"p{i}"} for i in range(40)]
    file, told = corpus(tmp_path / "a", rows), list[str]()
    (file.parent / "3.png").write_bytes(b"no picture")
    split = read_pair_split([file], log=told.append)
    assert "a/r3" not in {case.id for part in (split.train, split.tune) for case in part}
    assert told[0].startswith("1 images cannot be read and are left out, the first: ")
    split = read_split_pairs([file], tmp_path / "run", log=told.append)
    assert "a/r3" not in {case.id for case in split.train + split.tune + split.held_out}
    assert told[1] == told[0]


def test_features_are_of_images_that_can_be_read(tmp_path: Path) -> None:
    file, told = corpus(tmp_path / "a", [{"text": f"c {i}"} for i in range(4)]), list[str]()
    (file.parent / "3.png").write_bytes(b"no picture")
    sets = training_sets([file])
    (found,) = image_features(sets, Sizes(), tmp_path / "cache", log=told.append)
    assert [case.id for case in found.cases] == ["r0", "r1", "r2"]
    assert found.rows.shape == (3, 2)
    assert len(told) == 1


class Sizes:
    """A picture is its size."""

    dim = 2
    fingerprint = "sizes"

    def encode(self, images: Sequence[Image.Image]) -> Matrix:
        return np.array([image.size for image in images], np.float32)
