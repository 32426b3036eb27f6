"""A folder of images with sidecar texts: ``scan.png`` beside ``scan.txt`` or ``scan.json``.

A text file is the report. A JSON file holds fields of the native format. Sub-folders are read;
those named ``radiology``, ``pathology`` or ``ophthalmology`` give their images that domain.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmedrag.datasets.records import DOMAINS, BadRow, case_from
from mmedrag.datasets.rows import MAX_LINE, BadJson, parse_json
from mmedrag.errors import CorpusError
from mmedrag.types import Case, Domain, Problem

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm"})
"""The file names that are taken for images; what they hold is checked when they are decoded."""


def read_folder(path: Path, *, domain: Domain | None = None) -> Iterator[Case | Problem]:
    """Read every image under a folder: one case an image, its id the relative path.

    Raises:
        CorpusError: where there is no such folder or no image in it.
    """
    if not path.is_dir():
        raise CorpusError(f"{path} is not a folder", "Name a folder of images.")
    found = False
    for file in files_under(path):
        if file.suffix.lower() in SUFFIXES:
            found = True
            yield _case(file, path, domain)
    if not found:
        raise CorpusError(f"{path} holds no images", f"Known are {', '.join(sorted(SUFFIXES))}.")


def files_under(folder: Path) -> Iterator[Path]:
    """All files under a folder in a fixed order, hidden ones left out, links not followed."""
    for parent, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(parent) / name


def _case(file: Path, root: Path, domain: Domain | None) -> Case | Problem:
    place = file.relative_to(root)
    try:
        fields = {"id": place.as_posix(), **_sidecar(file)}
        fields["image"] = place.as_posix()
        named = next((part.lower() for part in place.parts[:-1] if part.lower() in DOMAINS), None)
        return case_from({"domain": named, **fields}, root, domain)
    except BadRow as error:
        return Problem(file, None, str(error))


def _sidecar(file: Path) -> dict[str, Any]:
    for suffix in (".json", ".txt"):
        beside = file.with_suffix(suffix)
        if beside.is_file():
            text = _text(beside)
            return {"text": text} if suffix == ".txt" else _fields(text, beside)
    return {}


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_LINE + 1)
    except OSError as error:
        raise BadRow(f"{file.name} cannot be read ({error.strerror})") from None
    if len(data) > MAX_LINE:
        raise BadRow(f"{file.name} is larger than {MAX_LINE // 2**20} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _fields(text: str, file: Path) -> dict[str, Any]:
    value = parse_json(text)
    if isinstance(value, dict):
        return value
    reason = value.reason if isinstance(value, BadJson) else "not a JSON object"
    raise BadRow(f"{file.name}: {reason}")
