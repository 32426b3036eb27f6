"""A case as rows of the tables: its record, its words, and its values for filters."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np

from mmedrag.casebase.mentions import Recognition
from mmedrag.casebase.postings import words_of
from mmedrag.casebase.records import COLUMNS, Record, checksum, record_of
from mmedrag.casebase.stems import separated
from mmedrag.errors import CasebaseError
from mmedrag.filters import FIRST_DAY, LAST_DAY, compared, number
from mmedrag.filters.values import stored_values
from mmedrag.types import Case, Entry, Vector

Attribute: TypeAlias = tuple[str, str | None, Decimal | None]
"""A field, its value as it is compared as a text, and as it is compared as a number."""

PLAIN = (
    "id", "domain", "modality", "patient_id", "study_id", "date", "source", "licence", "split",
)  # fmt: skip
"""Fields with a column of their own; only what reads as a number is an attribute too."""

_POSITIONS = 16_383  # the highest that a tsvector keeps
_OFTEN = 255  # positions of one lexeme that a tsvector keeps


@dataclass(frozen=True, slots=True, eq=False)
class CaseRows:
    """Everything that is written of one entry."""

    record: Record
    checksum: bytes
    domain: str
    vector: str
    stems: Mapping[str, int]
    length: int
    attributes: tuple[Attribute, ...]
    recognition: Recognition | None
    preview: bytes | None

    @property
    def columns(self) -> tuple[object, ...]:
        """Values of the table ``cases`` after the row number."""
        words = tsvector(self.stems)
        return (*self.record.values, self.record.text, self.checksum, self.length, words)


CASE_COLUMNS = ("row", *COLUMNS, "text", "checksum", "length", "stems")


def rows_of(entry: Entry, dim: int, stems: Sequence[str]) -> CaseRows:
    """Check an entry and make it rows.

    Args:
        entry: as it was handed in.
        dim: length of the vectors.
        stems: of the words of its report that are worth searching.

    Raises:
        CasebaseError: it cannot be stored as it is; the message names the case.
    """
    record = record_of(entry, dim)
    if any("\0" in str(value) for value in (*record.values, record.text)):
        raise CasebaseError(
            f"Case {record.id!r} has a NUL character, which PostgreSQL cannot store", "Remove it."
        )
    return CaseRows(
        record,
        checksum(record.values, record.text, record.vector),
        "" if entry.case.domain is None else str(entry.case.domain),
        vector_literal(np.frombuffer(record.vector, "<f4")),
        dict(Counter(stems)),
        length_of(entry.case.text),
        tuple(attributes_of(entry.case)),
        record.recognition,
        entry.thumbnail,
    )


def words_to_stem(text: str) -> list[str]:
    """The words of a report whose stems are searched."""
    return words_of(text)


def length_of(text: str) -> int:
    """How many words a report has, for BM25."""
    return len(separated([text])) - 1


def tsvector(stems: Mapping[str, int]) -> str:
    """Stems with their counts as PostgreSQL reads them: one position for each occurrence."""
    positions = {
        often: ",".join(map(str, range(1, min(often, _OFTEN) + 1))) for often in {*stems.values()}
    }
    return " ".join(f"'{stem}':{positions[often]}" for stem, often in stems.items())


def vector_literal(vector: Vector) -> str:
    """A vector as pgvector reads it; nine digits give back the same float32."""
    return f"[{','.join([f'{value:.9g}' for value in vector.tolist()])}]"


def vector_of(sent: bytes) -> Vector:
    """A vector from what ``vector_send`` gives: two numbers, then floats, the high byte first."""
    return np.frombuffer(sent, ">f4", offset=4).astype(np.float32)


def attributes_of(case: Case) -> Iterator[Attribute]:
    """The values of a case that filters ask for and that no column answers."""
    for field in PLAIN:
        for value in stored_values(case, field):
            if value not in (None, "") and number(value) is not None:
                yield field, None, _decimal(value)
    named = {"diagnosis": case.diagnosis, **dict(_flat("meta", case.meta))}
    named |= {day: stored_values(case, day)[0] for day in (FIRST_DAY, LAST_DAY)}
    pairs = [("labels", label) for label in dict.fromkeys(case.labels)] + [*named.items()]
    for field, value in pairs:
        if value not in (None, ""):
            yield field, compared(field, value).replace("\0", "\ufffd"), _decimal(value)


def _decimal(value: object) -> Decimal | None:
    read = number(value)
    return None if read is None else Decimal(read)


def _flat(path: str, content: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """The values of ``meta`` and of what is within them, as they come back from JSON."""
    for key, value in json.loads(json.dumps(content)).items():
        if "." not in key:
            field = f"{path}.{key}".replace("\0", "\ufffd")
            yield field, value
            if isinstance(value, dict):
                yield from _flat(field, value)
