"""The native format: JSON Lines, one case a line.

Fields: ``id`` and any of ``text``, ``image`` (a path relative to the file, or null), ``frame``,
``domain``, ``modality``, ``patient_id``, ``study_id``, ``date``, ``labels``, ``diagnosis``,
``source`` (or ``source_repo``), ``licence`` (or ``license``), ``split``, ``meta``. Other fields are
kept in ``Case.meta``, and so is a domain that is none of ours: such a case has ``domain=None``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from mmedrag import domains
from mmedrag.datasets.rows import (
    MAX_META,
    MAX_TEXT,
    existing_file,
    inside,
    json_rows,
    plain_value,
    text_of,
)
from mmedrag.durability import durable_file, write_durably
from mmedrag.errors import CorpusError, ImageError
from mmedrag.imaging.decoding import read_bytes, usual_frame
from mmedrag.imaging.signatures import kind_of_file
from mmedrag.types import Case, Domain, Problem

_TEXTS = ("modality", "patient_id", "study_id", "date", "split")
_DIAGNOSES = ("diagnosis", "case_diagnosis", "diagnoses", "final_diagnosis")
_DIAGNOSTIC_TEXTS = {"diagnosis": "text", "diagnostic_keywords": "text", "label": "labels"}
"""By the kind of a record's text: the field that is the diagnosis."""
_FIELDS = {"id", "text", "image", "frame", "domain", "labels", "diagnosis", "meta", *_TEXTS}
_ALIASES = {"source_repo": "source", "license": "licence"}


_ADDRESS = re.compile(r"\s*[a-zA-Z][a-zA-Z0-9+.-]+://")
_NAME, _NAMES = 60, 10  # characters of a field's name, and fields, in a message

MAX_ID = 512
"""Characters of the longest id."""


class BadRow(ValueError):
    """A row that cannot become a case; the message is the problem's reason."""


def read_records(path: Path, *, domain: Domain | None = None) -> Iterator[Case | Problem]:
    """Read a JSON Lines file (or a folder's ``records.jsonl``).

    Args:
        path: the file or its folder.
        domain: for cases that name no domain themselves.

    Raises:
        CorpusError: where the file cannot be read.
    """
    file = path / "records.jsonl" if path.is_dir() else path
    seen: dict[str, int] = {}
    for row in json_rows(file):
        if isinstance(row, Problem):
            yield row
            continue
        line, fields = row
        try:
            case = case_from(fields, file.parent, domain)
        except BadRow as error:
            yield Problem(file, line, str(error))
            continue
        first = seen.setdefault(case.id, line)
        yield (
            case
            if first == line
            else Problem(file, line, f"id {case.id!r} is that of line {first}")
        )


def readable(path: Path) -> tuple[list[Case], list[Problem]]:
    """All cases of a file (see :func:`read_records`), and what of it could not be read.

    Raises:
        CorpusError: where the file cannot be read, or none of its rows.
    """
    rows = list(read_records(path))
    cases = [row for row in rows if isinstance(row, Case)]
    problems = [row for row in rows if isinstance(row, Problem)]
    if problems and not cases:
        raise CorpusError(
            f"None of {len(problems)} rows of {path} can be read; the first: {problems[0]}",
            "Mend the rows, or give another file.",
        )
    return cases, problems


def case_from(fields: Mapping[str, Any], folder: Path, domain: Domain | None = None) -> Case:
    """A case from the native fields.

    Raises:
        BadRow: for a field of the wrong type, an image outside the folder or absent.
    """
    named = {_ALIASES.get(key, key): value for key, value in fields.items()}
    native = {*_FIELDS, *_ALIASES.values()}
    meta = named.get("meta")
    if meta is not None and not isinstance(meta, dict):
        raise BadRow("meta is not an object")
    text = named.get("text")
    if text is not None and not isinstance(text, str):
        raise BadRow("text is not a string")
    if text is not None and text.lstrip().startswith("{\\rtf"):
        raise BadRow("text is RTF, the format of a word processor: save it as plain text")
    if text is not None and len(text) > MAX_TEXT:
        raise BadRow(f"text longer than {MAX_TEXT:,} characters")
    named_domain = text_of(named.get("domain"))
    unknown = {key: named[key] for key in named if key not in native}
    if named_domain and _domain(named_domain) is None:
        unknown["domain"] = named_domain
    image = image_path(folder, named.get("image"))
    case = Case(
        id=_identifier(named.get("id")),
        text=text_of(text),
        image=image,
        frame=_frame(named.get("frame"), image),
        domain=_domain(named_domain) if named_domain else domain,
        labels=_labels(named.get("labels")),
        diagnosis=_diagnosis(named),
        source=_plain("source", named.get("source")),
        licence=_plain("licence", named.get("licence")),
        meta=_meta({**unknown, **(meta or {})}),
        **{name: _plain(name, named.get(name)) for name in _TEXTS},
    )
    if not case.text and case.image is None:
        known = "text" in named or "image" in named
        raise BadRow("neither text nor image" + ("" if known else f"; {_names(named)}"))
    if not _is_unicode(case):
        raise BadRow("a text or the file name is not valid Unicode")
    return case


def _names(fields: Iterable[str]) -> str:
    """The fields that a row has in place of a text and an image."""
    shown = ", ".join(" ".join(name.split())[:_NAME] for name in islice(fields, _NAMES))
    return f"its fields are called {shown}"


def image_path(folder: Path, name: object) -> Path | None:
    """The image that a corpus names, inside its folder (see :func:`existing_file`).

    Raises:
        BadRow: for a path outside the folder, one where no file is, or an address.
    """
    if name is None or name == "":
        return None
    if not isinstance(name, str):
        within = isinstance(name, Mapping) and "bytes" in name
        reason = "the picture itself: write the pictures to files" if within else "no path"
        raise BadRow(f"image holds {reason}")
    result = existing_file(folder, name)
    if result is not None:
        return result
    if _ADDRESS.match(name):
        raise BadRow(f"image {name[:200]!r} is an address: fetch it, and name the file")
    if inside(folder, name) is None:
        where = "is outside the corpus folder: move the file of rows above its images"
        raise BadRow(f"image {name[:200]!r} {where}")
    raise BadRow(f"image {name[:200]!r} does not exist")


def write_records(cases: Iterable[Case], into: Path) -> tuple[int, list[Problem]]:
    """Write cases in the native format, so that :func:`read_records` gives the same cases back.

    Images outside the new file's folder are copied into ``images/`` beside it. The file appears
    whole or not at all.

    Returns:
        How many cases were written, and the images that could not be copied (their cases are
        written without an image; one that had nothing else is left out).

    Raises:
        CorpusError: where the folder cannot be written.
    """
    problems: list[Problem] = []
    records = (_record(case, into.parent, problems) for case in cases)
    return write_rows((r for r in records if r["text"] or r["image"]), into), problems


def write_rows(rows: Iterable[Mapping[str, object]], into: Path) -> int:
    """Write JSON Lines; the file appears whole or not at all, in a folder that is made for it.

    Returns:
        How many rows were written.

    Raises:
        CorpusError: where the folder cannot be written.
    """
    count = 0
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        with durable_file(into) as temporary, temporary.open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
    except OSError as error:
        raise CorpusError(
            f"{into} cannot be written ({error.strerror})",
            "Free the disk or choose another folder.",
        ) from None
    return count


def _record(case: Case, folder: Path, problems: list[Problem]) -> dict[str, Any]:
    return {
        "id": case.id,
        "image": _kept_image(case, folder, problems),
        "text": case.text,
        **({"frame": case.frame} if case.frame or _is_dicom(case.image) else {}),
        "domain": case.domain,
        "modality": case.modality,
        "patient_id": case.patient_id,
        "study_id": case.study_id,
        "date": case.date,
        "labels": list(case.labels),
        "diagnosis": case.diagnosis,
        "source": case.source,
        "licence": case.licence,
        "split": case.split,
        "meta": dict(case.meta),
    }


def _is_dicom(image: Path | None) -> bool:
    """Whether a file is of a kind whose frame is another than the first where none is named."""
    return image is not None and kind_of_file(image) == "dicom"


def _kept_image(case: Case, folder: Path, problems: list[Problem]) -> str | None:
    if case.image is None:
        return None
    root = Path(os.path.abspath(folder))  # noqa: PTH100
    image = Path(os.path.abspath(case.image))  # noqa: PTH100
    if image.is_relative_to(root) and image.is_file():
        return image.relative_to(root).as_posix()
    try:
        data = read_bytes(image)
    except ImageError as error:
        problems.append(Problem(case.image, None, str(error)))
        return None
    copy = folder / "images" / hashlib.sha256(data).hexdigest()[:32]
    copy.parent.mkdir(exist_ok=True)
    if not copy.exists():
        write_durably(copy, data)
    return copy.relative_to(folder).as_posix()


def _identifier(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not text_of(value):
        raise BadRow("no id")
    text = text_of(value)
    if len(text) > MAX_ID:
        raise BadRow(f"id longer than {MAX_ID} characters")
    return text


def _is_unicode(case: Case) -> bool:
    """Whether a case can be stored: file names can hold other bytes, JSON half a letter."""
    values = (case.id, str(case.image), case.text, case.labels, case.diagnosis, case.meta)
    others = (case.modality, case.patient_id, case.study_id, case.date, case.source, case.split)
    try:
        json.dumps([*values, *others, case.licence], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain(name: str, value: object) -> str:
    if isinstance(value, dict | list):
        raise BadRow(f"{name} is not a string")
    return text_of(value)


def _labels(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, dict | list) for item in items):
        raise BadRow("labels is not a list of strings")
    return tuple(label for item in items if (label := text_of(item)))


def _meta(fields: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON is of any type
    if len(json.dumps(fields, default=str, skipkeys=True)) > MAX_META:
        raise BadRow(f"meta longer than {MAX_META:,} characters")
    return plain_value(fields)


def _diagnosis(named: Mapping[str, Any]) -> str:
    """The field ``diagnosis``; else what ``meta`` holds under such a name, or what the text is.

    A list of diagnoses becomes one text. ``meta`` itself stays as it is.
    """
    if "diagnosis" in named:
        return _plain("diagnosis", named["diagnosis"])
    meta = named.get("meta") or {}
    values = [meta.get(name) for name in _DIAGNOSES]
    values.append(named.get(_DIAGNOSTIC_TEXTS.get(text_of(named.get("text_kind")), "")))
    return next((text for value in values if (text := _joined(value))), "")


def _joined(value: object) -> str:
    items = value if isinstance(value, list) else [value]
    texts = (text_of(item) for item in items if isinstance(item, str))
    return "; ".join(text for text in dict.fromkeys(texts) if text)


def _frame(value: object, image: Path | None) -> int:
    if text_of(value) == "":
        return 0 if image is None else _usual_frame(image)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise BadRow("frame is not a whole number from 0")
    return value


def _usual_frame(image: Path) -> int:
    try:
        return usual_frame(image)
    except ImageError:
        return 0  # what is wrong with the file is said when it is decoded


def _domain(value: object) -> Domain | None:
    return domains.get(text_of(value).lower())
