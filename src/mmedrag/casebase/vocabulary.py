"""Numbers for the words and values of a generation; the texts themselves stay in the database.

A generation's files hold numbers alone. Which word or value a number stands for is a row of the
table ``vocabulary``, with the number of cases that have it: when the last of them is deleted, the
row is erased with it, and nothing in any file says any more what the number meant.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mmedrag.casebase.records import DIAGNOSIS

WORDS = "text"
"""The field whose values are the stems of a report."""

PLAIN = ("domain", "modality", "patient_id", "study_id", "date", "source", "licence", "split")
"""Fields with a column of their own and one value a case."""

_as_json = json.JSONEncoder(ensure_ascii=False).encode  # made once: it runs for each value

Counted = list[tuple[str, int]]
"""Values in the order of their numbers, which start at 1, and how many cases have each."""


class Vocabulary:
    """The table ``vocabulary`` of one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def keep(self, generation: int, fields: Mapping[str, Counted]) -> None:
        """Keep the vocabulary of a new generation."""
        for field, values in fields.items():
            self._connection.executemany(
                "INSERT INTO vocabulary VALUES (?, ?, ?, ?, ?)",
                (
                    (generation, field, value, number, cases)
                    for number, (value, cases) in enumerate(values, 1)
                ),
            )

    def forget_before(self, generation: int) -> None:
        """Erase the vocabularies of older generations."""
        self._connection.execute("DELETE FROM vocabulary WHERE generation < ?", [generation])

    def forget_case(self, row: int, stored: Iterable[tuple[str, str]]) -> None:
        """A case is deleted: erase what no other case of its generations has."""
        generations = self._connection.execute(
            "SELECT number FROM generations WHERE last_row >= ?", [row]
        ).fetchall()
        keys = [(number, *value) for (number,) in generations for value in stored]
        for sql in (
            "UPDATE vocabulary SET cases = cases - 1 "
            "WHERE generation = ? AND field = ? AND value = ?",
            "DELETE FROM vocabulary WHERE generation = ? AND field = ? AND value = ? AND cases < 1",
        ):
            self._connection.executemany(sql, keys)

    def values(self, generation: int, field: str) -> dict[int, str]:
        """The values of a field by number."""
        sql = "SELECT number, value FROM vocabulary WHERE generation = ? AND field = ?"
        return {row[0]: row[1] for row in self._connection.execute(sql, [generation, field])}

    def beginning(self, generation: int, field: str, letter: str) -> list[str]:
        """The values of a field that begin with a letter."""
        cursor = self._connection.execute(
            "SELECT value FROM vocabulary "
            "WHERE generation = ? AND field = ? AND value >= ? AND value < ?",
            [generation, field, letter, chr(ord(letter) + 1)],
        )
        return [value for (value,) in cursor]

    def number(self, generation: int, field: str, value: str) -> int | None:
        """The number of a value."""
        stored = self._connection.execute(
            "SELECT number FROM vocabulary WHERE generation = ? AND field = ? AND value = ?",
            [generation, field, value],
        ).fetchone()
        return None if stored is None else int(stored[0])

    def counted(self, generation: int) -> dict[str, dict[str, tuple[int, int]]]:
        """Everything that is kept of a generation: number and cases, by field and value."""
        by_field: dict[str, dict[str, tuple[int, int]]] = {}
        sql = "SELECT field, value, number, cases FROM vocabulary WHERE generation = ?"
        for field, value, number, cases in self._connection.execute(sql, [generation]):
            by_field.setdefault(field, {})[value] = (number, cases)
        return by_field

    def problems(self) -> Iterator[str]:
        """Rows that cannot be what was written; nothing when sound."""
        sql = "SELECT 1 FROM vocabulary WHERE typeof(number) || typeof(cases) != 'integerinteger'"
        if self._connection.execute(sql).fetchone():
            yield "the table vocabulary is damaged"


def values_of(plain: Sequence[str | None], labels: str, meta: str) -> Iterator[tuple[str, str]]:
    """What a case is filtered by: pairs of field and value, missing values left out.

    Args:
        plain: the values of :data:`PLAIN`.
        labels: as stored, a JSON list.
        meta: as stored, a JSON object.
    """
    for field, value in zip(PLAIN, plain, strict=True):
        if value:
            yield field, value
    for label in label_values(labels):
        yield "labels", label
    yield from meta_values(meta).items()


def label_values(labels: str) -> list[str]:
    """The distinct labels of a case."""
    return [] if labels == "[]" else [*dict.fromkeys(filter(None, json.loads(labels)))]


def meta_values(meta: str) -> dict[str, str]:
    """Values of a case's ``meta``, as JSON, and its diagnosis by the field that asks for them."""
    if meta == "{}":
        return {}
    content = json.loads(meta)
    diagnosis = content.pop(DIAGNOSIS, "")
    values = {"diagnosis": diagnosis} if diagnosis else {}
    return values | dict(_flat("meta", content))


def _flat(path: str, content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        if value in (None, "") or "." in key:
            continue
        yield f"{path}.{key}", str(value) if type(value) is int else _as_json(value)
        if isinstance(value, dict):
            yield from _flat(f"{path}.{key}", value)
