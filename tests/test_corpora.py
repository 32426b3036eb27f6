"""A corpus without ids keeps the ids of its cases when it moves, and no other corpus gets them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmedrag.casebase import Casebase
from mmedrag.corpora import corpus_of
from mmedrag.datasets.rows import corpus_key
from mmedrag.indexing import IndexReport, index
from mmedrag.presets import Stages


@pytest.fixture
def casebase(tmp_path: Path, offline: Stages) -> Iterator[Casebase]:
    with Casebase.create(
        tmp_path / "c", dim=offline.embedder.dim, fingerprint="f", preset="offline"
    ) as casebase:
        yield casebase


def table(path: Path, *texts: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("text,domain\n" + "".join(f"{text},radiology\n" for text in texts))
    return path


def pictures(folder: Path, seed: int = 0) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for name in ("a", "b", "c"):
        Image.fromarray(rng.integers(0, 255, (16, 16), np.uint8)).save(folder / f"{name}.png")
    return folder


def fill(casebase: Casebase, offline: Stages, path: Path) -> IndexReport:
    return index(corpus_of(casebase, path), casebase, offline.embedder, offline.classifier)


def test_a_moved_folder_with_a_table_keeps_ids_and_studies(casebase, offline, tmp_path):
    folder = pictures(tmp_path / "here" / "corpus")
    (folder / "t.csv").write_text("images,text\na.png;b.png,No mass.\n")
    fill(casebase, offline, folder)
    before = {case_id: casebase.get(case_id).study_id for case_id in casebase.ids()}
    assert len(set(before.values())) == 2
    moved = tmp_path / "there" / "corpus"
    moved.parent.mkdir()
    folder.rename(moved)
    report = fill(casebase, offline, moved)
    assert {case_id: casebase.get(case_id).study_id for case_id in casebase.ids()} == before
    assert report.encoded == 0


def test_a_moved_table_keeps_its_ids(casebase, offline, tmp_path):
    path = table(tmp_path / "here" / "t.csv", "No mass.", "A nodule.", "Clear lungs.")
    fill(casebase, offline, path)
    before = sorted(casebase.ids())
    assert before[0].startswith(f"{corpus_key(path)}/row-")
    moved = tmp_path / "there" / "t.csv"
    moved.parent.mkdir()
    path.rename(moved)
    report = fill(casebase, offline, moved)
    assert sorted(casebase.ids()) == before
    assert (report.unchanged, report.encoded) == (3, 0)
    assert report.replaced == ()
    table(moved, "No mass.", "A nodule.", "Clear lungs.", "A fracture.")
    fill(casebase, offline, moved)
    assert casebase.count() == 4
    path.parent.rename(tmp_path / "empty")
    table(path, "No mass.", "A nodule.", "Clear lungs.")  # a copy at the old place
    fill(casebase, offline, path)
    assert casebase.count() == 7


def test_moved_pictures_keep_their_ids_and_are_found_at_their_new_place(
    casebase, offline, tmp_path
):
    path = pictures(tmp_path / "one" / "images")
    fill(casebase, offline, path)
    before = sorted(casebase.ids())
    moved = tmp_path / "two" / "images"
    shutil.move(path, moved)
    report = fill(casebase, offline, moved)
    assert sorted(casebase.ids()) == before
    assert report.encoded == 0
    assert {case.image.parent for case in casebase.cases()} == {moved}


def test_a_copy_and_another_corpus_of_the_name_stay_apart(casebase, offline, tmp_path):
    one = pictures(tmp_path / "one" / "images")
    fill(casebase, offline, one)
    two = Path(shutil.copytree(one, tmp_path / "two" / "images"))
    fill(casebase, offline, two)
    assert casebase.count() == 6
    shutil.rmtree(one)
    three = pictures(
        tmp_path / "three" / "images", seed=1
    )  # the old place is empty, but it differs
    assert fill(casebase, offline, three).replaced == ()
    assert casebase.count() == 9


def test_ids_of_a_casebase_that_remembers_no_places_are_kept(casebase, offline, tmp_path):
    path = table(tmp_path / "here" / "t.csv", "No mass.", "A nodule.")
    fill(casebase, offline, path)
    before = sorted(casebase.ids())
    casebase.take_setting("corpora")
    moved = tmp_path / "t.csv"
    path.rename(moved)
    fill(casebase, offline, moved)
    assert sorted(casebase.ids()) == before
    assert list(json.loads(casebase.settings["corpora"]).values()) == [str(moved)]


def test_cases_with_ids_of_their_own_are_not_touched(casebase, offline, tmp_path):
    (tmp_path / "r.jsonl").write_text('{"id": "x", "text": "No mass."}\n')
    fill(casebase, offline, tmp_path / "r.jsonl")
    assert list(casebase.ids()) == ["x"]
    assert "corpora" not in casebase.settings
