"""Which concept a diagnosis is, whatever its source says beside it."""

from __future__ import annotations

import numpy as np
import pytest

from mmedrag.answers.differential import UNNAMED, diagnoses_of
from mmedrag.answers.statements import CaseReading, read_cases
from mmedrag.definitions import Dictionary
from mmedrag.types import Case, Evidence


def reading(terms: Dictionary, diagnosis: str) -> CaseReading:
    case = Case(id="1", diagnosis=diagnosis)
    (read,) = read_cases([Evidence("C1", case, np.zeros(2, np.float32), 0.0, 0.0)], terms)
    return read


def named(terms: Dictionary, diagnosis: str) -> list[str]:
    """The diagnoses of a case, by the names of their concepts or in their own words."""
    diagnoses = diagnoses_of(reading(terms, diagnosis), terms.concepts)
    return [w if c.startswith(UNNAMED) else terms.concepts.name(c) for c, w, _ in diagnoses]


@pytest.mark.parametrize(
    ("diagnosis", "concept"),
    [
        ("Stage IV melanoma", "melanoma"),
        ("Tophaceous gout", "gout"),
        ("Acute calculous cholecystitis", "cholecystitis"),
        ("Meningioma of the planum sphenoidale", "meningioma"),
        ("Stress fracture right femoral neck.", "stress fracture"),
        ("Acute on chronic osteomyelitis", "osteomyelitis"),
        ("Autosomal dominant (adult) polycystic kidney disease (ADPKD)",
         "polycystic kidney disease"),
        ("Cerebellopontine angle meningioma, WHO grade 1", "meningioma"),
        ("Histology was consistent with leiomyosarcoma.", "leiomyosarcoma"),
        ("Diagnosis: acute calculous cholecystitis", "cholecystitis"),
    ],
)  # fmt: skip
def test_a_kind_of_a_disease_counts_for_it(terms, diagnosis, concept):
    assert named(terms, diagnosis) == [concept]


@pytest.mark.parametrize(
    "diagnosis",
    [
        "Endobronchial tumours",
        "Medial migration of a PE (tympanostomy) tube",
        "Recurrence of a resected gout",
        "Lipoma arborescens",
        "Gout mimic",
    ],
)
def test_words_that_only_mention_a_disease_stand_for_themselves(terms, diagnosis):
    code, *_ = [c for c, _, _ in diagnoses_of(reading(terms, diagnosis), terms.concepts)]
    assert code.startswith(UNNAMED)


@pytest.mark.parametrize(
    ("diagnosis", "first"),
    [
        ("Astrocytoma, low-grade, supratentorial", "astrocytoma"),
        ("Melanoma, liver", "melanoma"),
        ("Melanoma\nDiagnosis confirmed at histology.", "melanoma"),
    ],
)
def test_what_tells_more_of_a_diagnosis_is_none(terms, diagnosis, first):
    assert named(terms, diagnosis) == [first]


def test_lists_keep_what_no_dictionary_has(terms):
    assert named(terms, "melanoma, zorbian change") == ["melanoma", "zorbian change"]
    assert named(terms, "1. Melanoma\n2. Zorbian change") == ["melanoma", "Zorbian change"]
