"""Cases of one patient as evidence, read by the glossary."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from mmedrag.definitions import Dictionary
from mmedrag.types import Case, Evidence


@pytest.fixture(scope="session", name="read")
def _read(terms: Dictionary) -> Callable[[Sequence[Case]], list[Evidence]]:
    def read(cases: Sequence[Case]) -> list[Evidence]:
        mentions = terms.recognise([c.text for c in cases])
        return [
            Evidence(f"C{i}", case, np.eye(4, dtype=np.float32)[i % 4], 0.0, 0.0, said)
            for i, (case, said) in enumerate(zip(cases, mentions, strict=True), 1)
        ]

    return read


@pytest.fixture(scope="session", name="patient")
def _patient(read):
    def patient(*reports: tuple[float | None, str], modality: str = "xray") -> list[Evidence]:
        return read(
            [
                Case(id=f"s{i}", text=text, modality=modality, patient_id="P",
                     meta={} if day is None else {"offset_days": day})
                for i, (day, text) in enumerate(reports)
            ]
        )  # fmt: skip

    return patient
