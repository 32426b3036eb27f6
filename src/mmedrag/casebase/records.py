"""Cases as rows of the database, and as lines of the native JSONL format."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmedrag.casebase.construction import constructor
from mmedrag.casebase.mentions import Recognition
from mmedrag.casebase.thumbnails import digest_of
from mmedrag.errors import CasebaseError
from mmedrag.types import Case, Domain, Entry, Vector

_NORM_SLACK = 1e-3  # float32 rounding of encoders; more is a vector that was never normalised

# made once: they run for each case read
_as_json = json.JSONEncoder(ensure_ascii=False).encode
_from_json = json.JSONDecoder().raw_decode
_case = constructor(Case)

DIAGNOSIS = "\x1fdiagnosis"
"""Where the stored ``meta`` holds a case's diagnosis, which has no column of its own."""

COLUMNS = (
    "id",
    "domain",
    "modality",
    "patient_id",
    "study_id",
    "date",
    "source",
    "licence",
    "split",
    "labels",
    "meta",
    "image",
    "frame",
    "content",
    "thumbnail",
)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """An entry checked and ready to be written."""

    values: tuple[str | int | None, ...]  # aligned with COLUMNS
    text: str
    vector: bytes
    recognition: Recognition | None

    @property
    def id(self) -> str:
        """The case's id."""
        return str(self.values[0])

    @property
    def thumbnail(self) -> str | None:
        """Digest of the case's thumbnail."""
        return None if self.values[-1] is None else str(self.values[-1])


def record_of(entry: Entry, dim: int) -> Record:
    """Check an entry.

    Raises:
        CasebaseError: it cannot be stored as it is; the message names the case.
    """
    case = entry.case
    if not case.id:
        raise CasebaseError("A case has no id", "Give every case an id of its own.")
    vector = _checked_vector(entry, dim)
    _require_places(entry)
    try:
        record = Record(_values(entry), case.text, vector.tobytes(), _recognition(entry))
        for value in (*record.values, record.text):
            str(value).encode()
    except (TypeError, ValueError) as fault:
        raise CasebaseError(
            f"Case {case.id!r} cannot be stored: {fault}",
            "Its texts must be valid Unicode and its meta plain JSON values.",
        ) from fault
    return record


def checksum(values: Sequence[object], text: str, vector: bytes) -> bytes:
    """Eight bytes that change when anything stored of a case changes."""
    content = _as_json([*values, text]).encode()
    return hashlib.blake2b(content + b"\0" + vector, digest_size=8).digest()


def case_of(row: Iterable[Any]) -> Case:
    """The case in a row of the columns ``COLUMNS`` and ``text``."""
    (
        case_id, domain, modality, patient, study, date, source, licence, split, labels, meta,
        image, frame, _, _, text,
    ) = row  # fmt: skip
    extra = {} if meta == "{}" else _from_json(meta)[0]
    diagnosis = extra.pop(DIAGNOSIS, "")
    names = () if labels == "[]" else _from_json(labels)[0]
    fields = (
        case_id, image, frame, domain, modality, patient, study, date, names, diagnosis, source,
        licence, split, extra,
    )  # fmt: skip
    return case_from(fields, text)


def case_from(fields: Iterable[Any], text: str) -> Case:
    """The case of a text and of these other fields, as JSON has them; see :func:`case_fields`."""
    (
        case_id, image, frame, domain, modality, patient, study, date, labels, diagnosis, source,
        licence, split, meta,
    ) = fields  # fmt: skip
    return _case(
        case_id, text, None if image is None else Path(image), frame,
        None if domain is None else Domain(domain), modality, patient, study, date, tuple(labels),
        diagnosis, source, licence, split, meta,
    )  # fmt: skip


def case_fields(case: Case) -> tuple[Any, ...]:
    """What :func:`case_from` makes the case from again."""
    image = None if case.image is None else str(case.image)
    return (
        case.id, image, case.frame, case.domain, case.modality, case.patient_id, case.study_id,
        case.date, case.labels, case.diagnosis, case.source, case.licence, case.split, case.meta,
    )  # fmt: skip


def line_of(case: Case, thumbnail: str | None) -> str:
    """One line of the native JSONL format; its image is ``thumbnail``, a path beside the file.

    The case's own image stays where it is and is named as ``original_image``: a casebase gives out
    what it holds, and an original may carry a header with a patient's name. A case without an
    image is read back as it was.
    """
    fields: dict[str, Any] = {
        "id": case.id,
        "image": thumbnail,
        **({} if case.image is None else {"original_image": str(case.image)}),
        "text": case.text,
        "domain": case.domain,
        "modality": case.modality,
        "patient_id": case.patient_id,
        "study_id": case.study_id,
        "date": case.date,
        "labels": list(case.labels),
        "diagnosis": case.diagnosis,
        "source": case.source,
        "license": case.licence,
        "split": case.split,
        "meta": dict(case.meta),
    }
    return json.dumps(fields, ensure_ascii=False)


def _recognition(entry: Entry) -> Recognition | None:
    return None if entry.mentions is None else Recognition(entry.recogniser, entry.mentions)


def _require_places(entry: Entry) -> None:
    """Refuse mentions of one term at one place, which the tables keep once."""
    places = [(m.start, m.end, m.concept, m.term, m.kind) for m in entry.mentions or ()]
    if len(set(places)) < len(places):
        (start, _, _, term, _), times = Counter(places).most_common(1)[0]
        raise CasebaseError(
            f"Case {entry.case.id!r} has {term!r} at character {start} {times} times",
            "Give each mention once, with one assertion.",
        )


def _checked_vector(entry: Entry, dim: int) -> Vector:
    vector = np.ascontiguousarray(entry.vector, dtype="<f4")
    if vector.shape != (dim,):
        raise CasebaseError(
            f"The vector of case {entry.case.id!r} has shape {vector.shape}, not ({dim},)",
            "Use the encoder that the casebase was made with.",
        )
    norm = float(np.linalg.norm(vector.astype(np.float64)))
    if not norm <= 1.0 + _NORM_SLACK:  # catches NaN too
        raise CasebaseError(
            f"The vector of case {entry.case.id!r} has norm {norm:.4g}",
            "Vectors must be finite, of norm 1 or less.",
        )
    return vector


def _values(entry: Entry) -> tuple[str | int | None, ...]:
    case = entry.case
    extra = dict(case.meta) | ({DIAGNOSIS: case.diagnosis} if case.diagnosis else {})
    return (
        case.id,
        None if case.domain is None else str(Domain(case.domain)),
        case.modality,
        case.patient_id,
        case.study_id,
        case.date,
        case.source,
        case.licence,
        case.split,
        json.dumps(list(case.labels), ensure_ascii=False),
        json.dumps(extra, ensure_ascii=False, allow_nan=False),
        None if case.image is None else str(case.image),
        case.frame,
        entry.content,
        None if entry.thumbnail is None else digest_of(entry.thumbnail),
    )
