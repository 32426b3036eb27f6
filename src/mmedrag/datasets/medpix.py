"""MedPix 2.0 (Siragusa et al. 2024): ``Case_topic.json``, ``Descriptions.json`` and ``images/``.

Descriptions hold one object an image (``image``, ``U_id``, ``Type``, ``Description`` with caption,
modality, plane, age, sex); case topics one object a case with history, findings, diagnosis and
discussion. Both files are JSON arrays; JSON Lines of the same objects are read too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmedrag.datasets.records import BadRow, case_from
from mmedrag.datasets.rows import first_text, json_values, side_table, text_of
from mmedrag.errors import CorpusError
from mmedrag.types import Case, Domain, Problem

MODALITIES = {"CT": "ct", "TAC": "ct", "MR": "mri", "MRI": "mri"}
_NAMES = ("Descriptions.json", "Description.json")
_SUFFIXES = (".png", ".jpg", ".jpeg", "")


def read_medpix(path: Path, *, domain: Domain | None = None) -> Iterator[Case | Problem]:
    """Read MedPix 2.0: one case an image; patient and study are the MedPix case (``U_id``).

    The text is the image's caption; history, findings, diagnosis and discussion stand in ``meta``.

    Raises:
        CorpusError: where the two files are absent or not JSON.
    """
    file = next((result for name in _NAMES if (result := path / name).is_file()), None)
    if file is None:
        raise CorpusError(f"{path} holds no Descriptions.json", "Name the MedPix-2-0 folder.")
    topics = {text_of(row.get("U_id")): row for row in _objects(path / "Case_topic.json") if row}
    for number, row in enumerate(_objects(file), start=1):
        try:
            if row is None:
                raise BadRow("not an object")
            yield _case(row, topics.get(text_of(row.get("U_id")), {}), path, domain)
        except BadRow as error:
            yield Problem(file, None, f"entry {number}: {error}")


def _objects(file: Path) -> Iterator[dict[str, Any] | None]:
    """The objects of a JSON array, or of JSON Lines, one at a time; ``None`` for another value."""
    text = side_table(file).read_text(encoding="utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    read = text.startswith("[")
    for value in json_values(text):
        read = read or isinstance(value, dict)
        yield value if isinstance(value, dict) else None
    if not read:
        raise CorpusError(f"{file} is not JSON", "Fetch it again.")


def _section(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = row.get(name)
    return value if isinstance(value, dict) else {}


def _case(row: dict[str, Any], topic: dict[str, Any], folder: Path, domain: Domain | None) -> Case:
    about, case, disease = (
        _section(row, "Description"),
        _section(topic, "Case"),
        _section(topic, "Topic"),
    )
    name, uid = text_of(row.get("image")), text_of(row.get("U_id"))
    meta = {
        "age": about.get("Age"),
        "sex": about.get("Sex"),
        "plane": about.get("Plane"),
        "modality_text": about.get("Modality"),
        "acr": about.get("ACR Codes"),
        "case_title": case.get("Title"),
        "case_diagnosis": case.get("Case Diagnosis"),
        "history": case.get("History"),
        "exam": case.get("Exam"),
        "findings": case.get("Findings"),
        "differential": case.get("Differential Diagnosis"),
        "discussion": case.get("Discussion") or disease.get("Disease Discussion"),
    }
    labels = [row.get("Location"), row.get("Location Category")]
    fields = {
        "id": name,
        "image": _image(folder, name),
        "text": first_text(about, "Caption") or first_text(case, "Findings", "Title"),
        "domain": domain or Domain.RADIOLOGY,
        "modality": MODALITIES.get(text_of(row.get("Type")).upper(), ""),
        "patient_id": uid,
        "study_id": uid,
        "diagnosis": first_text(case, "Case Diagnosis", "Title"),
        "labels": [label for label in labels if isinstance(label, str)],
        "source": "MedPix 2.0",
        "meta": {key: value for key, value in meta.items() if value not in (None, "", "N/A")},
    }
    return case_from(fields, folder)


def _image(folder: Path, name: str) -> str:
    names = [f"images/{name}{suffix}" for suffix in _SUFFIXES]
    return next((result for result in names if (folder / result).is_file()), names[0])
