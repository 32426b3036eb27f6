"""Synthetic courses: the same from the same seed, with a truth that the drawing follows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from mmedrag.datasets import read_corpus
from mmedrag.errors import CorpusError
from mmedrag.phantoms.courses import COURSES, generate_courses
from mmedrag.types import Case, Trend

KINDS = len(COURSES)


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("courses")
    generate_courses(KINDS, into=folder)
    return folder


def test_every_kind_of_course_has_three_dated_studies(folder):
    cases = [c for c in read_corpus(folder / "records.jsonl") if isinstance(c, Case)]
    assert len(cases) == 3 * KINDS
    for first, second, third in zip(cases[::3], cases[1::3], cases[2::3], strict=True):
        days = [c.meta["offset_days"] for c in (first, second, third)]
        assert days == sorted(set(days))
        assert "trend" not in first.meta
        assert {c.meta.get("trend", "new") for c in (second, third)} <= set(Trend)


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    generate_courses(2, into=tmp_path)
    lines = (folder / "records.jsonl").read_text().splitlines()[:6]
    assert (tmp_path / "records.jsonl").read_text().splitlines() == lines
    name = json.loads(lines[0])["image"]
    assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_films_of_one_patient_are_alike(folder):
    def film(patient: int, study: int) -> np.ndarray:
        file = folder / "images" / f"course-{patient:04d}-{study}.png"
        return np.asarray(Image.open(file), np.float64)

    def alike(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])

    same = [alike(film(p, 1), film(p, 2)) for p in range(KINDS)]
    others = [alike(film(p, 1), film((p + 1) % KINDS, 2)) for p in range(KINDS)]
    assert np.mean(same) > np.mean(others)


def test_a_senseless_number_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="0 courses"):
        generate_courses(0, into=tmp_path)
