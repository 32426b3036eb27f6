"""Stored bytes against their checksums, whenever they are read."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np

from mmedrag.casebase.records import COLUMNS, case_of, checksum
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


def checked_case(row: sqlite3.Row, vector: bytes) -> Case:
    """The case in a row of its number, ``COLUMNS`` and text; its checksum is the row's last value.

    Args:
        row: as it is stored.
        vector: the case's vector, as it is given out.

    Raises:
        CasebaseDamaged: it fails its checksum.
    """
    values = row[1 : len(COLUMNS) + 2]
    if not is_sound(values, vector, row["checksum"]):
        raise _damaged(f"Case {row['id']!r}")
    return case_of(values)


def is_sound(values: Sequence[Any], vector: bytes, stored: bytes) -> bool:
    """Whether the values of ``COLUMNS`` and the text have this checksum, with this vector."""
    try:
        return bool(checksum(values[:-1], values[-1], vector) == stored)
    except TypeError:  # a part is missing, or a text has become a blob
        return False


def _damaged(what: str) -> CasebaseDamaged:
    return CasebaseDamaged(
        f"{what} fails its checksum",
        "Run 'mmedrag verify'; delete what it names and add it again, or restore a backup.",
    )
