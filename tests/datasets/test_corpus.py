"""Records as queries and gallery: groups, grades and codes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmedrag.datasets.corpus import Relevance, codes, group_codes, label_codes, read_corpus
from mmedrag.errors import QueryError
from mmedrag.types import Case

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def write_corpus(folder: Path, rows: Sequence[dict[str, object]]) -> Path:
    """Records whose ``colour`` and ``shade`` become the image."""
    lines = []
    for i, row in enumerate(rows):
        fields = {"id": f"r{i}", "domain": "pathology", **row}
        if "colour" in fields:
            colour = COLOURS[str(fields.pop("colour"))]
            shade = 20 * i
            pixel = tuple(min(value + shade, 255) for value in colour)
            Image.new("RGB", (8, 8), pixel).save(folder / f"{i}.png")
            fields["image"] = f"{i}.png"
        lines.append(json.dumps(fields))
    (folder / "records.jsonl").write_text("\n".join(lines), "utf-8")
    return folder / "records.jsonl"


def test_labels_grade_what_is_not_of_the_group() -> None:
    cases = [
        Case(id="0", labels=("x", "y")),
        Case(id="1", labels=("x", "y")),
        Case(id="2", labels=("y", "x")),
        Case(id="3", labels=("y", "z")),
        Case(id="4", labels=("z",)),
        Case(id="5"),
    ]
    truth = Relevance.of(cases, np.array([0, 0, 1, 2, 3, 4]))
    rows = np.arange(6)
    assert truth.grades(rows[:1], rows).tolist() == [[3, 3, 2, 1, 0, 0]]
    assert truth.grades(rows[5:], rows).tolist() == [[0, 0, 0, 0, 0, 3]]


def test_groups_by_every_key(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"patient_id": "1", "study_id": "a", "text": "One  text", "labels": ["x", "y"]},
        {"patient_id": "1", "study_id": "b", "text": "one text", "labels": ["y", "x"]},
        {"patient_id": "", "study_id": "b", "text": "other"},
    ]
    corpus = read_corpus([write_corpus(tmp_path, rows)])
    assert group_codes(corpus, "patient_id").tolist() == [0, 0, 1]
    assert group_codes(corpus, "study_id").tolist() == [0, 1, 1]
    assert group_codes(corpus, "text").tolist() == [0, 0, 1]
    assert group_codes(corpus, "labels").tolist() == [0, 0, 1]
    with pytest.raises(QueryError, match="cannot be grouped by age"):
        group_codes(corpus, "age")


def test_patients_of_two_files_are_not_one(tmp_path: Path) -> None:
    paths = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        paths.append(write_corpus(tmp_path / name, [{"patient_id": "1", "text": "same"}]))
    corpus = read_corpus(paths)
    assert group_codes(corpus, "patient_id").tolist() == [0, 1]
    assert group_codes(corpus, "text").tolist() == [0, 0]


def test_a_grouping_that_nobody_has_is_told(tmp_path: Path) -> None:
    corpus = read_corpus([write_corpus(tmp_path, [{"text": "alone"}])])
    with pytest.raises(QueryError, match="No record has patient_id"):
        group_codes(corpus, "patient_id")


def test_labels_are_asked_by_position() -> None:
    cases = [Case(id="0", labels=("a", "b")), Case(id="1", labels=("a",))]
    assert label_codes(cases, "labels[0]").tolist() == [0, 0]
    assert label_codes(cases, "labels[1]").tolist() == [0, -1]
    for wrong in ("labels", "labels[x]", "labels[-1]", "text"):
        with pytest.raises(QueryError, match="--label is"):
            label_codes(cases, wrong)
    with pytest.raises(QueryError, match="No record has"):
        label_codes(cases, "labels[2]")


def test_codes_number_by_appearance() -> None:
    assert codes(["b", None, "a", "b"]).tolist() == [0, -1, 1, 0]
