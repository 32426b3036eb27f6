"""The course of one patient as a value: what was seen when, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from mmedrag.courses.changes import changes_of
from mmedrag.courses.studies import Study, studies_of
from mmedrag.protocols import Ontology
from mmedrag.types import Answer, Change, Evidence


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Studies of a patient in time, and the changes between them.

    ``answer`` is the course in words, cited and checked like any answer; ``None`` where nobody
    asked for words.
    """

    patient_id: str
    studies: tuple[Study, ...]
    changes: tuple[Change, ...]
    answer: Answer | None = None

    @property
    def timed(self) -> tuple[Study, ...]:
        """The studies whose time is known."""
        return tuple(s for s in self.studies if s.time is not None)

    def _repr_html_(self) -> str:
        """The course in a notebook: its timeline, then its words."""
        cell: str = import_module("mmedrag.views.timeline").course_cell(self)
        return cell


def course_of(patient_id: str, evidence: Sequence[Evidence], ontology: Ontology) -> Course:
    """Read a course from a patient's cases.

    Args:
        patient_id: whose they are.
        evidence: the cases with the mentions of their reports.
        ontology: what is a kind of what, and in which region.
    """
    studies = studies_of(evidence, ontology)
    return Course(patient_id, tuple(studies), tuple(changes_of(studies, ontology)))
