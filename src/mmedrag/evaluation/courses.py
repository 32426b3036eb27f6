"""Courses measured: are changes read right, and do like courses have like outcomes?

On synthetic courses every change is known. On real patients with a recorded outcome, each is held
against all others: do the patients with the likest course share the outcome more often than those
whose last study alone is likest? A patient is never compared with itself, and nothing that was
recorded after a study stands in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmedrag import presets
from mmedrag.assembly import dictionary
from mmedrag.courses.course import Course, course_of
from mmedrag.courses.trajectories import Trajectory, distance, trajectory_of
from mmedrag.datasets import read_corpus
from mmedrag.encoders.batches import embed_in_batches
from mmedrag.evaluation.courses_section import as_section
from mmedrag.measures.bootstrap import interval, paired_test
from mmedrag.phantoms.courses import generate_courses
from mmedrag.progress import Progress, silent
from mmedrag.protocols import DefinitionSource, Embedder, Ontology
from mmedrag.types import Case, Evidence, Matrix
from mmedrag.views.section import Section

PATIENTS = 84
NEIGHBOURS = 5
OUTCOMES = ("survival", "intubated")

Similar = Callable[[Trajectory, Trajectory], float]


@dataclass(frozen=True, slots=True, eq=False)
class _Patient:
    """A course with its trajectories: by image and text, and by the images alone."""

    course: Course
    whole: Trajectory
    images: Trajectory

    @property
    def cases(self) -> list[Case]:
        return [case for study in self.course.studies for case in study.cases]


ARMS: Mapping[str, Callable[[_Patient], Trajectory]] = {
    "trajectory": lambda p: p.whole,
    "last study alone": lambda p: p.whole.last(),
    "trajectory, images alone": lambda p: p.images,
    "last study, image alone": lambda p: p.images.last(),
}
PAIRS = (
    ("trajectory", "last study alone"),
    ("trajectory, images alone", "last study, image alone"),
)


def evaluate_courses(
    files: Sequence[Path] = (),
    *,
    preset: str = "offline",
    models: Mapping[str, str] | None = None,
    outcomes: Sequence[str] = OUTCOMES,
    patients: int = PATIENTS,
    progress: Progress = silent,
) -> Section:
    """Measure changes and like courses on synthetic patients, and outcomes on real ones.

    Args:
        files: records with ``patient_id``, a time, and outcomes in ``meta``.
        preset: whose encoders are used.
        models: that replace the preset's own, by role.
        outcomes: fields of ``meta`` that say how a patient fared.
        patients: synthetic ones.
        progress: told how many more cases are embedded.

    Raises:
        CorpusError: where records cannot be read.
        ModelError: where a model cannot be loaded.
    """
    embedder = presets.build(preset, models or {}).embedder
    source = dictionary()
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        synthetic = _read([generate_courses(patients, into=folder)], embedder, source, progress)
    results: dict[str, Any] = {
        "changes": _changes(synthetic),
        "synthetic": _like(synthetic, lambda p: f"{_meta(p, 'course')} {_meta(p, 'finding')}"),
    }
    real = _read(files, embedder, source, progress) if files else []
    results["outcomes"] = {
        name: figures
        for name in outcomes
        if (figures := _like(real, partial(_meta, field=name)))["patients"]
    }
    results["trends"] = _trends_of(real)
    return as_section(results, NEIGHBOURS)


def _read(
    files: Sequence[Path], embedder: Embedder, source: DefinitionSource, progress: Progress
) -> list[_Patient]:
    """Patients with two timed studies and more."""
    cases = [c for file in files for c in read_corpus(file) if isinstance(c, Case) and c.patient_id]
    shown = [replace(case, text="") for case in cases]
    vectors = embed_in_batches(embedder, cases, progress=progress)
    pictured = [case for case in shown if case.image is not None]
    images = dict(zip((c.id for c in pictured), embed_in_batches(embedder, pictured), strict=True))
    mentions = source.recognise([case.text for case in cases])
    ontology: Ontology = source.concepts  # type: ignore[attr-defined]  # a Dictionary
    by_patient: dict[str, list[int]] = {}
    for row, case in enumerate(cases):
        by_patient.setdefault(case.patient_id, []).append(row)
    patients = []
    for patient_id, rows in by_patient.items():
        evidence = [Evidence(f"C{i}", cases[row], vectors[row], 0.0, 0.0, mentions[row])
                    for i, row in enumerate(rows, 1)]  # fmt: skip
        course = course_of(patient_id, evidence, ontology)
        if len(course.timed) > 1:
            patients.append(_Patient(course, trajectory_of(course), _by_image(course, images)))
    return patients


def _by_image(course: Course, images: Mapping[str, Matrix]) -> Trajectory:
    """The course as its images show it: no report is read."""
    dim = course.studies[0].evidence[0].vector.shape[0]
    nothing = np.zeros(dim, np.float32)

    def shown(evidence: Evidence) -> Evidence:
        return replace(evidence, vector=images.get(evidence.name, nothing))

    studies = tuple(
        replace(study, states={}, evidence=tuple(map(shown, study.evidence)))
        for study in course.studies
    )
    return trajectory_of(replace(course, studies=studies))


def _meta(patient: _Patient, field: str) -> str:
    values = (case.meta.get(field) for case in patient.cases)
    return next((str(value) for value in values if value not in (None, "")), "")


def _changes(patients: Sequence[_Patient]) -> dict[str, Any]:
    """Whether the change of every synthetic follow-up is read right, and none read into others."""
    right, groups, spurious, silent_ones = [], [], 0, 0
    confusion: dict[str, dict[str, int]] = {}
    for number, patient in enumerate(patients):
        for study in patient.course.timed[1:]:
            meta = study.cases[0].meta
            read = [c for c in patient.course.changes
                    if c.later == study.key and c.term == meta["finding"]]  # fmt: skip
            predicted = str(read[0].trend) if read else "none"
            truth = str(meta.get("trend", "none"))
            confusion.setdefault(truth, {}).setdefault(predicted, 0)
            confusion[truth][predicted] += 1
            if truth == "none":
                silent_ones += 1
                spurious += predicted != "none"
                continue
            right.append(predicted == truth)
            groups.append(number)
    values = np.array(right, np.float64)[:, None]
    low, high = interval(values, np.array(groups))[0]
    return {
        "changes": len(right), "patients": len(patients), "accuracy": float(values.mean()),
        "ci95": [float(low), float(high)], "none": silent_ones, "spurious": spurious,
        "confusion": confusion,
    }  # fmt: skip


def _like(patients: Sequence[_Patient], outcome: Callable[[_Patient], str]) -> dict[str, Any]:
    """How often the nearest patients share what a patient has, by arm; classes weigh the same."""
    labelled = [p for p in patients if outcome(p)]
    labels = np.unique([outcome(p) for p in labelled], return_inverse=True)[1]
    counts = np.bincount(labels) if len(labelled) else np.zeros(0, np.int64)
    usable = counts > 1
    if usable.sum() < 2:
        return {"patients": 0}
    chosen = np.flatnonzero(usable[labels])
    labelled, labels = (
        [labelled[i] for i in chosen],
        np.unique(labels[chosen], return_inverse=True)[1],
    )
    counts = np.bincount(labels)
    weights = len(labelled) / (len(counts) * counts[labels])
    rows = np.arange(len(labelled))
    shares = {name: _shares([view(p) for p in labelled], labels) * weights
              for name, view in ARMS.items()}  # fmt: skip
    chance = float(np.mean((counts[labels] - 1) / (len(labelled) - 1) * weights))
    arms = {
        name: {"share": float(v.mean()), "ci95": interval(v[:, None], rows)[0].tolist()}
        for name, v in shares.items()
    }
    tests = {}
    for first, second in PAIRS:
        test = paired_test(shares[first], shares[second], rows)
        tests[f"{first} – {second}"] = {
            "difference": test.difference, "ci95": list(test.interval), "p": test.p_value,
        }  # fmt: skip
    return {"patients": len(labelled), "classes": counts.tolist(), "chance": chance, "arms": arms,
            "tests": tests}  # fmt: skip


def _shares(trajectories: Sequence[Trajectory], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """The share of each patient's nearest others that have its label, ``(n,)``."""
    n = len(trajectories)
    distances = np.full((n, n), np.inf)
    for i in range(n):
        for j in range(i):
            distances[i, j] = distances[j, i] = distance(trajectories[i], trajectories[j])
    k = min(NEIGHBOURS, n - 1)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :k]
    shares: NDArray[np.float64] = (labels[nearest] == labels[:, None]).mean(axis=1)
    return shares


def _trends_of(patients: Sequence[_Patient]) -> dict[str, int]:
    """How often each change was read in real reports, for which nobody has written the truth."""
    counts: dict[str, int] = {}
    for patient in patients:
        for change in patient.course.changes:
            counts[str(change.trend)] = counts.get(str(change.trend), 0) + 1
            counts["contradictions"] = counts.get("contradictions", 0) + bool(change.contradiction)
            counts["naming no finding"] = counts.get("naming no finding", 0) + (not change.concept)
    return counts
