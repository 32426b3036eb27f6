"""Files under a folder, and images with the text or fields that stand beside them.

``scan.png`` beside ``scan.txt`` (its report) or ``scan.json`` (fields of the native format, or by
the other names that tables may have).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmedrag import domains
from mmedrag.datasets.records import BadRow, case_from
from mmedrag.datasets.rows import (
    MAX_LINE,
    BadJson,
    corpus_key,
    decoded,
    existing_file,
    parse_json,
    text_of,
)
from mmedrag.datasets.tables import by_native_names
from mmedrag.imaging.signatures import kind_of_file
from mmedrag.types import Case, Domain, Problem

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm"})
"""File names that promise an image; whether one is, its first bytes say."""

TABLES = frozenset({".csv", ".tsv", ".parquet", ".pq", ".jsonl", ".ndjson"})
"""File names of tables."""

CASEBASE = "casebase.db"
"""What lies in a folder that is a casebase: its pictures are previews, and no corpus."""

_SIDECARS = (".json", ".txt")


def files_under(folder: Path, unread: Callable[[Problem], None] = lambda _: None) -> Iterator[Path]:
    """All regular files under a folder in a fixed order, hidden ones left out.

    Links to folders are not followed; pipes and devices, which could block for ever, are left out,
    and so are casebases: one that lies in its own corpus would be filled with its own previews.
    A folder that cannot be listed (permissions, too deep) goes to ``unread``, and so does a link to
    a picture that is not there.
    """
    waiting = [os.fspath(folder)]  # os.walk recurses, and a thousand folders deep it fails
    while waiting:
        parent = waiting.pop()
        try:
            with os.scandir(parent) as listed:
                entries = sorted((e for e in listed if not e.name.startswith(".")), key=_name)
        except OSError as error:
            reason = f"this folder cannot be listed ({error.strerror})"
            unread(Problem(Path(parent), None, reason))
            continue
        if any(entry.name == CASEBASE for entry in entries):
            continue
        folders = [entry for entry in entries if _is_folder(entry)]
        waiting += [entry.path for entry in reversed(folders) if not entry.is_symlink()]
        for entry in entries:
            file = Path(entry.path)
            if _is_regular(file):
                yield file
            elif file.suffix.lower() in SUFFIXES and _leads_nowhere(entry):
                unread(Problem(file, None, "a link to a file that is not there"))


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110 - raises nothing


def picture_case(
    file: Path, root: Path, domain: Domain | None, known: Mapping[str, Any] | None = None
) -> Case | Problem:
    """A picture with what its sidecar says, and before that what is known of it otherwise."""
    position = file.relative_to(root)
    try:
        fields = {"id": f"{corpus_key(root)}/{position.as_posix()}", **(known or {})}
        fields |= sidecar(file)
        fields["image"] = position.as_posix()
        return case_from({"domain": domain_of_folder(position), **fields}, root, domain)
    except BadRow as error:
        return Problem(file, None, str(error))


def domain_of_folder(position: Path) -> Domain | None:
    """The domain that a sub-folder of a file's relative path is named after."""
    parents = (domains.get(folder.lower()) for folder in position.parts[:-1])
    return next(filter(None, parents), None)


def sidecar(file: Path) -> dict[str, Any]:
    """The fields that a ``.json`` and a ``.txt`` file beside an image give it.

    Raises:
        BadRow: where that file cannot be read.
    """
    fields, report = (_beside(file, suffix) or _after(file, suffix) for suffix in _SIDECARS)
    found = {} if fields is None else by_native_names(_fields(_text(fields), fields))
    if report is not None and not text_of(found.get("text")):
        found["text"] = _text(report)
    return found


def is_sidecar(file: Path) -> bool:
    """Whether a file is the sidecar of an image that lies beside it, also as ``scan.png.txt``."""
    if file.suffix.lower() not in _SIDECARS:
        return False
    images = (_beside(file, suffix) for suffix in ("", *SUFFIXES))
    return any(kind_of_file(image) for image in images if image is not None)


def _beside(file: Path, suffix: str) -> Path | None:
    """The file of the same name with that suffix, in capitals too, or in another Unicode form."""
    for ending in dict.fromkeys((suffix, suffix.upper())):
        found = existing_file(file.parent, file.with_suffix(ending).name)
        if found is not None and found.name != file.name:
            return found
    return None


def _after(file: Path, suffix: str) -> Path | None:
    """The file of the whole name with that suffix after it: ``scan.png.txt``."""
    return existing_file(file.parent, file.name + suffix)


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
    return decoded(data)


def _fields(text: str, file: Path) -> dict[str, Any]:
    value = parse_json(text)
    if isinstance(value, dict):
        return value
    reason = value.reason if isinstance(value, BadJson) else "not a JSON object"
    raise BadRow(f"{file.name}: {reason}")
