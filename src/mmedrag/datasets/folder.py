"""A folder of images with sidecar texts: ``scan.png`` beside ``scan.txt`` or ``scan.json``.

A text file is the report. A JSON file holds fields of the native format. Sub-folders are read;
those named ``radiology``, ``pathology`` or ``ophthalmology`` give their images that domain.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmedrag import domains
from mmedrag.datasets.records import BadRow, case_from
from mmedrag.datasets.rows import MAX_LINE, BadJson, corpus_key, parse_json
from mmedrag.errors import CorpusError
from mmedrag.imaging.signatures import kind_of_file
from mmedrag.types import Case, Domain, Problem

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm"})
"""File names that promise an image; whether one is, its first bytes say."""

TABLES = frozenset({".csv", ".tsv", ".parquet", ".pq", ".jsonl", ".ndjson"})
"""File names of tables, which are read by themselves and not as part of a folder."""

_SIDECARS = (".json", ".txt")


def read_folder(
    path: Path, *, domain: Domain | None = None, salt: bytes | None = None
) -> Iterator[Case | Problem]:
    """Read every image under a folder: one case an image, its id the folder and relative path.

    What a file is, its contents say. Where DICOM files lie among them, anywhere, the folder is read
    as :func:`~mmedrag.datasets.dicom.read_dicom` reads it: de-identified.

    Args:
        path: the folder.
        domain: for images whose folder or sidecar names none.
        salt: for DICOM, the key of the pseudonyms.

    Raises:
        CorpusError: where there is no such folder or no image in it.
    """
    if not path.is_dir():
        raise CorpusError(f"{path} is not a folder", "Name a folder of images.")
    if any(kind_of_file(file) == "dicom" for file in files_under(path)):
        from mmedrag.datasets.dicom import read_dicom

        yield from read_dicom(path, domain=domain, salt=salt)
        return
    empty = True
    for file in files_under(path):
        if kind_of_file(file):
            empty = False
            yield picture_case(file, path, domain)
        elif file.suffix.lower() in SUFFIXES:
            empty = False
            yield Problem(file, None, "is not a PNG, JPEG, TIFF, BMP or DICOM file")
        elif file.suffix.lower() in TABLES:
            yield Problem(file, None, "a table is not read as part of a folder: index it by itself")
    if empty:
        raise CorpusError(f"{path} holds no images", f"Known are {', '.join(sorted(SUFFIXES))}.")


def files_under(folder: Path) -> Iterator[Path]:
    """All regular files under a folder in a fixed order, hidden ones left out.

    Links to folders are not followed; pipes and devices, which could block for ever, are left out.
    """
    for parent, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and _is_regular(file := Path(parent) / name):
                yield file


def picture_case(file: Path, root: Path, domain: Domain | None) -> Case | Problem:
    """A picture with what its sidecar says."""
    place = file.relative_to(root)
    try:
        fields = {"id": f"{corpus_key(root)}/{place.as_posix()}", **sidecar(file)}
        fields["image"] = place.as_posix()
        named = next(filter(None, (domains.get(part.lower()) for part in place.parts[:-1])), None)
        return case_from({"domain": named, **fields}, root, domain)
    except BadRow as error:
        return Problem(file, None, str(error))


def sidecar(file: Path) -> dict[str, Any]:
    """The fields that a ``.json`` or ``.txt`` file beside an image gives it.

    Raises:
        BadRow: where that file cannot be read.
    """
    for suffix in _SIDECARS:
        beside = file.with_suffix(suffix)
        if beside != file and _is_regular(beside):
            text = _text(beside)
            return {"text": text} if suffix == ".txt" else _fields(text, beside)
    return {}


def is_sidecar(file: Path) -> bool:
    """Whether a file is the sidecar of an image that lies beside it."""
    if file.suffix.lower() not in _SIDECARS:
        return False
    images = (file.with_suffix(suffix) for suffix in ("", *SUFFIXES))
    return any(kind_of_file(image) for image in images)


def _is_regular(file: Path) -> bool:
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except (OSError, ValueError):
        return False


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
