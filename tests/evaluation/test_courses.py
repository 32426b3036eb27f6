"""The study of courses: figures with intervals, and no patient among its own neighbours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmedrag.courses.trajectories import Trajectory
from mmedrag.evaluation import courses
from mmedrag.evaluation.courses import evaluate_courses


@pytest.fixture(scope="module", name="section")
def _section(tmp_path_factory):
    file = tmp_path_factory.mktemp("outcomes") / "records.jsonl"
    lines = [
        json.dumps({"id": f"{p}-{day}", "patient_id": f"P{p}", "offset_days": day,
                    "domain": "radiology", "text": text, "survival": "Y" if p % 2 else "N"})
        for p in range(8)
        for day, text in ((0, "Consolidation."), (5, "Consolidation has resolved." if p % 2
                                                 else "Consolidation has increased."))
    ]  # fmt: skip
    file.write_text("\n".join(lines), "utf-8")
    return evaluate_courses([Path(file)], patients=14)


def test_changes_of_known_truth_are_counted(section):
    changes = section.data["changes"]
    assert changes["changes"] + changes["none"] == 28
    low, high = changes["ci95"]
    assert 0.5 < low <= changes["accuracy"] <= high <= 1.0


def test_outcomes_are_found_by_like_courses(section):
    survival = section.data["outcomes"]["survival"]
    assert survival["patients"] == 8
    arms = survival["arms"]
    assert arms["trajectory"]["share"] > survival["chance"]
    assert "intubated" not in section.data["outcomes"]  # nobody recorded it
    assert "n = 8" in section.verdict
    assert section.protocol


def test_nobody_is_ones_own_neighbour():
    """The leak law of the study: two of a kind beside six others never find themselves."""
    vectors = np.eye(8, dtype=np.float32)
    alone = [Trajectory(str(i), np.zeros(1), vectors[i : i + 1], ({},)) for i in range(8)]
    labels = np.arange(8)
    assert np.all(courses._shares(alone, labels) == 0.0)


def test_without_records_the_synthetic_part_stands():
    section = evaluate_courses((), patients=7)
    assert section.data["outcomes"] == {}
    assert any("No real records" in note for note in section.notes)
