"""Values as filters compare them: stored ones, and those of an expression."""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

from mmedrag.dates import first_day, last_day
from mmedrag.types import Case

Value: TypeAlias = str | int | float

LARGEST = 2**63 - 1
"""Of the whole numbers that engines compare exactly."""

MENTIONED = ("affirms", "rules_out")
"""Fields that ask for what the report says, as it was recognised when the case was stored."""

FIELDS = (
    "id", "domain", "modality", "patient_id", "study_id", "date", "offset_days", "source",
    "licence", "split", "labels", "diagnosis", *MENTIONED,
)  # fmt: skip
FIRST_DAY, LAST_DAY = "date.first", "date.last"
"""The first and the last day that a date may mean (:mod:`mmedrag.dates`), as :data:`TIMES` ask."""
TIMES = ("before", "until", "after")
"""Words that ask for a time."""
CASELESS = frozenset({"domain", "modality", "split", "labels", *MENTIONED})
"""Fields whose texts are compared without regard to ASCII case."""

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""What each relation but ``like`` and ``null`` asks of two values."""
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def number(value: object) -> int | float | None:
    """The finite number that a stored value is or reads as; whole where it is and below 2^63."""
    if not isinstance(value, str | int | float):
        return None
    if not isinstance(value, float):
        with suppress(ValueError):
            whole = int(value)
            if abs(whole) <= LARGEST:
                return whole
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    return read if math.isfinite(read) else None


def text(value: object) -> str:
    """A stored value as it is compared with texts."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)


def compared(field: str, value: object) -> str:
    """A stored value of a field, or a text of a filter, as the two are compared as texts."""
    return lower(text(value)) if field in CASELESS else text(value)


def stored_values(case: Case, field: str) -> list[object]:
    """What a case in memory has in a field; missing values may be among them."""
    if field == "labels":
        return list(case.labels)
    if field in (FIRST_DAY, LAST_DAY):
        return [(first_day if field == FIRST_DAY else last_day)(case.date)]
    if field == "offset_days":
        return [case.meta.get(field)]
    if not field.startswith("meta."):
        return [getattr(case, field)]
    value: object = case.meta
    for key in field.split(".")[1:]:
        value = value.get(key) if isinstance(value, dict) else None
    return [value]


def lower(value: str) -> str:
    """A text in lower case as filters see it: that of ASCII letters."""
    return value.translate(_LOWER)


def like(pattern: str) -> re.Pattern[str]:
    """What a pattern matches: ``%`` is any text, ``_`` one character; of texts in :func:`lower`."""
    wild = {"%": ".*", "_": "."}
    pieces = [wild.get(character) or re.escape(character) for character in pattern]
    return re.compile(lower("".join(pieces)), re.DOTALL)
