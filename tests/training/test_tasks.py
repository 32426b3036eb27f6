"""The classifications that the image encoder is tuned to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmedrag.training.sets import TrainingSet, no_class
from mmedrag.training.tasks import tasks
from mmedrag.types import Case, Domain


def medpix(number: int, plane: str) -> Case:
    return Case(
        id=str(number),
        text="A lesion.",
        domain=Domain.RADIOLOGY,
        modality="mri",
        labels=("Brain and Neuro", "Head"),
        meta={"plane": plane, "modality_text": "MR - FLAIR", "case_diagnosis": "Glioma"},
    )


def test_tasks_know_training_classes_only() -> None:
    planes = {"plane": lambda case: case.meta.get("plane")}
    teaching = TrainingSet("teaching", Path("a"), attributes=planes, label=no_class)
    cases = [(teaching, medpix(i, "Axial" if i < 6 else "Coronal")) for i in range(9)]
    cases.append((TrainingSet("x", Path("b")), Case(id="9", text="a sentence", labels=("cyst",))))
    train = np.array([True] * 8 + [False, True])
    found = {task.name: task for task in tasks(cases, train)}
    assert found["plane"].classes.tolist() == [0] * 6 + [-1] * 4  # two coronal ones are too few
    assert found["plane"].count == 1
    assert found["label"].classes[9] == -1
    assert found["kind"].classes.tolist() == [0] * 9 + [-1]
