"""Labels that stand in a table as a column each, 1 where a picture shows it: as in CheXpert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmedrag.datasets.rows import text_of

_FINDINGS = frozenset(
    [
        *("no_finding", "enlarged_cardiomediastinum", "cardiomegaly", "lung_opacity"),
        *("airspace_opacity", "lung_lesion", "edema", "consolidation", "pneumonia"),
        *("atelectasis", "pneumothorax", "pleural_effusion", "pleural_other", "fracture"),
        *("support_devices", "effusion", "emphysema", "fibrosis", "hernia", "infiltration"),
        *("mass", "nodule", "pleural_thickening", "tuberculosis", "covid_19"),
    ]
)
"""Columns of CheXpert, MIMIC-CXR and ChestX-ray14, and of sets like them."""

_LEAST = 3  # such columns, so that one of a patient's history is none
_SHOWN = frozenset({"1", "1.0", "true"})


def finding_columns(plain: Mapping[str, str]) -> tuple[str, ...]:
    """The columns of a table that are named after a finding, by their plain names."""
    columns = tuple(column for name, column in plain.items() if name in _FINDINGS)
    return columns if len(columns) >= _LEAST else ()


def shown(cells: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    """Of these columns those with a 1; neither with a 0 nor with the -1 of what is uncertain."""
    return [name for name in columns if text_of(cells.get(name)).lower() in _SHOWN]
