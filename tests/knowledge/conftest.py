"""A corpus of a few reports, read into facts by the glossary."""

from __future__ import annotations

import pytest

from mmedrag.definitions import Dictionary
from mmedrag.knowledge.facts import Facts, read_facts
from mmedrag.types import Case, Domain

CORPUS = (
    ("P1", "Ring enhancement and fever.", "Brain abscess"),
    ("P2", "Ring enhancement with vasogenic oedema. Fever.", "Brain abscess"),
    ("P3", "A ring enhancing lesion, fever and headache.", "Brain abscess"),
    ("P4", "Ring enhancement. No fever.", "Glioblastoma"),
    ("P5", "Heterogeneous enhancement, midline shift. No fever.", "Glioblastoma"),
    ("P6", "Pleural effusion and cough.", "Pneumonia"),
    ("P6", "No pleural effusion.", "Pneumonia"),
    ("P7", "Consolidation, cough and fever.", "Pneumonia"),
    ("P8", "Clear lungs.", "Zebra syndrome of nobody"),
)


@pytest.fixture(scope="session", name="cases")
def _cases() -> list[Case]:
    return [
        Case(id=f"c{i}", text=text, diagnosis=diagnosis, patient_id=patient,
             domain=Domain.RADIOLOGY)
        for i, (patient, text, diagnosis) in enumerate(CORPUS)
    ]  # fmt: skip


@pytest.fixture(scope="session", name="facts")
def _facts(cases: list[Case], terms: Dictionary) -> list[Facts]:
    return [f for f, _ in read_facts(((case, None) for case in cases), terms)]


@pytest.fixture(scope="session", name="code")
def _code(terms: Dictionary):
    def code(term: str) -> str:
        found = terms.concepts.find(term)
        assert found, term
        return found

    return code
