"""ROCOv2 (Rückert et al. 2024): radiological figures with captions and UMLS concepts.

``train_captions.csv`` (``ID``, ``Caption``), ``train_concepts.csv`` (``ID``, ``CUIs``) and a folder
``train`` of images, and so for ``valid`` and ``test``; ``cui_mapping.csv`` names the concepts and
``license_information.csv`` says where each figure comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmedrag.datasets.delimited import csv_rows
from mmedrag.datasets.rows import existing_file, first_text, side_table
from mmedrag.errors import CorpusError
from mmedrag.types import Case, Domain, Problem

SPLITS = {"train": "train", "valid": "val", "validation": "val", "test": "test"}
_CAPTIONS = re.compile(rf"({'|'.join(SPLITS)})_captions\.csv")
_ARTICLE = re.compile(r"PMC\d+")
_SUFFIXES = (".png", ".jpg", ".jpeg")


def is_captions(file: Path) -> bool:
    """Whether a file is called as ROCOv2's tables of captions are."""
    return _CAPTIONS.fullmatch(file.name) is not None


def read_rocov2(path: Path, *, domain: Domain | None = None) -> Iterator[Case | Problem]:
    """Read ROCOv2, or one of its tables of captions: one case a figure; labels are its concepts.

    Study and patient are the article, where a table of licences names it. Where images have not
    been fetched, cases come without and one problem a split says how many.

    Raises:
        CorpusError: where there is no table of captions.
    """
    files = (
        sorted(file for file in path.iterdir() if is_captions(file)) if path.is_dir() else [path]
    )
    if not files:
        raise CorpusError(f"{path} holds no train_captions.csv", "Name the folder of ROCOv2.")
    for file in files:
        yield from _split(file, domain or Domain.RADIOLOGY)


def _split(captions: Path, domain: Domain) -> Iterator[Case | Problem]:
    folder, name = captions.parent, captions.name.removesuffix("_captions.csv")
    concepts = _side(folder / f"{name}_concepts.csv")
    terms = {key: first_text(row, "Canonical name", "Name") for key, row in _mapped(folder).items()}
    origins = _side(folder / "license_information.csv")
    absent = 0
    for row in csv_rows(captions):
        if isinstance(row, Problem):
            yield row
            continue
        line, cells = row
        identifier, text = first_text(cells, "ID", "id"), first_text(cells, "Caption", "caption")
        if not identifier or not text:
            yield Problem(captions, line, "needs an ID and a Caption")
            continue
        image = _image(folder, name, identifier)
        absent += image is None
        origin = origins.get(identifier, {})
        article = _ARTICLE.search(" ".join(map(str, origin.values())))
        codes = first_text(concepts.get(identifier, {}), "CUIs", "cuis").split(";")
        yield Case(
            id=f"rocov2/{identifier}",
            text=text,
            image=image,
            domain=domain,
            patient_id=article.group() if article else "",
            study_id=article.group() if article else "",
            labels=tuple(terms.get(code) or code for code in codes if code),
            source="ROCOv2",
            licence=first_text(origin, "license", "licence", "License", "CC License"),
            split=SPLITS[name],
            meta={"text_kind": "caption", "cuis": [code for code in codes if code]},
        )
    if absent:
        reason = f"{absent} images are absent; their cases have text only"
        yield Problem(captions, None, reason, stored=True)


def _mapped(folder: Path) -> dict[str, dict[str, Any]]:
    return _side(folder / "cui_mapping.csv") or _side(folder / "cui_mapping_full.csv")


def _side(table: Path) -> dict[str, dict[str, Any]]:
    """The rows of a table by their first column; empty where it is absent."""
    if not table.is_file():
        return {}
    rows = (row for row in csv_rows(side_table(table)) if not isinstance(row, Problem))
    return {str(next(iter(cells.values()))).strip(): cells for _, cells in rows if cells}


def _image(folder: Path, split: str, identifier: str) -> Path | None:
    folders = (split, f"{split}_images", f"{split}_images/{split}", f"images/{split}", "images")
    names = (f"{position}/{identifier}{suffix}" for position in folders for suffix in _SUFFIXES)
    return next((file for name in names if (file := existing_file(folder, name))), None)
