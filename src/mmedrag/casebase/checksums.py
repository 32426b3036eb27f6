"""Stored bytes against their checksums, whenever they are read."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np

from mmedrag.casebase.records import case_of, checksum
from mmedrag.errors import CasebaseDamaged
from mmedrag.types import Case, Vector


def checked_vector(whose: str, blob: bytes, stored: int | None) -> Vector:
    """A stored vector; ``stored`` is its checksum, where the file's format has one.

    Raises:
        CasebaseDamaged: it fails it.
    """
    if stored is not None and crc32(blob) != stored:
        raise _damaged(f"The vector {whose}")
    return np.frombuffer(blob, "<f4")


def checked_case(row: sqlite3.Row) -> Case:
    """The case in a row of its number, ``COLUMNS``, text, vector and checksum.

    Raises:
        CasebaseDamaged: it fails its checksum.
    """
    if not is_sound(row[1:]):
        raise _damaged(f"Case {row['id']!r}")
    return case_of(row[1:-2])


def is_sound(row: Sequence[Any]) -> bool:
    """Whether a row of the columns ``COLUMNS``, text, vector and checksum has this checksum."""
    *values, text, vector, stored = row
    try:
        return bool(checksum(values, text, vector) == stored)
    except TypeError:  # a part is missing, or a text has become a blob
        return False


def _damaged(what: str) -> CasebaseDamaged:
    return CasebaseDamaged(
        f"{what} fails its checksum",
        "Run 'mmedrag verify'; delete what it names and add it again, or restore a backup.",
    )
