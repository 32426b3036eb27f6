"""Stored cases and vectors, held against their checksums whenever they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmedrag.backends.postgres.rows import vector_of
from mmedrag.backends.postgres.sessions import Connection
from mmedrag.casebase.exact import Rows
from mmedrag.casebase.records import COLUMNS, case_of, checksum
from mmedrag.errors import CasebaseDamaged
from mmedrag.types import Case, Matrix, Vector

_COLUMNS = ", ".join(f"cases.{name}" for name in (*COLUMNS, "text", "checksum"))
_WHOLE = (
    f"SELECT cases.row, {_COLUMNS}, vector_send(embedding) FROM cases LEFT JOIN vectors "  # noqa: S608
    "ON vectors.row = cases.row AND vectors.domain = COALESCE(cases.domain, '') WHERE "
)
_CONTENT, _THUMBNAIL = COLUMNS.index("content"), COLUMNS.index("thumbnail")


@dataclass(frozen=True, slots=True, eq=False)
class StoredCase:
    """All that is stored of a case but its mentions; its row number first."""

    row: int
    case: Case
    vector: Vector
    content: str
    thumbnail: str | None


def cases_at(connection: Connection, vectors: Mapping[int, Vector]) -> dict[int, Case]:
    """Cases by row number.

    Args:
        connection: in a transaction.
        vectors: their stored vectors, which their checksums are over too.

    Raises:
        CasebaseDamaged: one fails its checksum.
    """
    by_row = {}
    text = f"SELECT cases.row, {_COLUMNS} FROM cases WHERE row = ANY(%s)"  # noqa: S608
    for row, *values in connection.execute(text, [list(vectors)]):
        number = int(row)
        by_row[number] = _checked(values, vectors[number])
    return by_row


def vectors_at(connection: Connection, rows: Rows, dim: int) -> Matrix:
    """Stored vectors, ``(len(rows), dim)``; ``rows`` ascending and present.

    Raises:
        CasebaseDamaged: one is missing.
    """
    matrix = np.empty((len(rows), dim), np.float32)
    text = "SELECT row, vector_send(embedding) FROM vectors WHERE row = ANY(%s)"
    count = 0
    for row, sent in connection.execute(text, [rows.tolist()]):
        assert isinstance(sent, bytes)
        matrix[np.searchsorted(rows, row)] = vector_of(sent)
        count += 1
    if count != len(rows):
        raise CasebaseDamaged(f"{len(rows) - count} vectors are missing", "Restore a backup.")
    return matrix


def case_at(connection: Connection, case_id: str) -> Case | None:
    """The case of that id.

    Raises:
        CasebaseDamaged: it fails its checksum.
    """
    stored = list(_stored(connection, "cases.id = %s", [case_id]))
    return stored[0].case if stored else None


def pages(
    connection: Connection, size: int, ids: Sequence[str] | None = None
) -> Iterator[list[StoredCase]]:
    """Everything that is stored of all cases, or of some ids, in the order of adding.

    Raises:
        CasebaseDamaged: a case fails its checksum.
    """
    row = 0
    chosen, values = ("true", []) if ids is None else ("cases.id = ANY(%s)", [list(ids)])
    text = f"cases.row > %s AND {chosen} ORDER BY cases.row LIMIT {size:d}"
    while page := list(_stored(connection, text, [row, *values])):
        yield page
        row = page[-1].row


def problems(connection: Connection) -> Iterator[str]:
    """Cases that fail their checksum, one line each."""
    with connection.cursor("cases") as cursor:
        cursor.itersize = 500
        cursor.execute(f"{_WHOLE} true ORDER BY cases.row")
        for _, *values, sent in cursor:
            if sent is None:
                yield f"case {values[0]!r} has no vector"
            elif not _is_sound(values, vector_of(sent)):
                yield f"case {values[0]!r} fails its checksum"


def _stored(connection: Connection, test: str, values: Sequence[object]) -> Iterator[StoredCase]:
    for row, *columns, sent in connection.execute(_WHOLE + test, list(values)):
        if sent is None:
            raise CasebaseDamaged(f"The vector of case {columns[0]!r} is missing", _REMEDY)
        vector = vector_of(sent)
        case = _checked(columns, vector)
        yield StoredCase(row, case, vector, columns[_CONTENT], columns[_THUMBNAIL])


_REMEDY = "Run 'mmedrag verify'; delete what it names and add it again, or restore a backup."


def _checked(values: Sequence[object], vector: Vector) -> Case:
    if not _is_sound(values, vector):
        raise CasebaseDamaged(f"Case {values[0]!r} fails its checksum", _REMEDY)
    return case_of(values[:-1])


def _is_sound(values: Sequence[object], vector: Vector) -> bool:
    *columns, text, stored = values
    return checksum(columns, str(text), vector.astype("<f4").tobytes()) == stored
