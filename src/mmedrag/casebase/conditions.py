"""Filters as SQL: the translator of :mod:`mmedrag.filters` for the tables of ``casebase.db``.

Every value is a parameter; nothing of a filter is pasted into SQL. Stored values of ``meta`` are
compared by the functions that compare them in Python, so both give the same answer to a number or
a text that SQLite would round or format in its own way.
"""

from __future__ import annotations

import json
import sqlite3

import numpy as np

from mmedrag.casebase.criteria import Statements
from mmedrag.casebase.exact import Rows
from mmedrag.casebase.records import DIAGNOSIS
from mmedrag.dates import first_day, last_day
from mmedrag.filters import (
    CASELESS,
    FIRST_DAY,
    LAST_DAY,
    Node,
    Predicate,
    Value,
    number,
    text,
)
from mmedrag.filters.sql import joined
from mmedrag.measures.row_sets import distinct

_INDEXED = ("id", "patient_id", "study_id")
"""Fields of which SQLite has an index, which it uses for a plain comparison alone."""


def prepare(connection: sqlite3.Connection) -> None:
    """Give a connection the functions that conditions use."""
    connection.create_function("first_day", 1, first_day, deterministic=True)
    connection.create_function("last_day", 1, last_day, deterministic=True)
    connection.create_function("as_number", 1, number, deterministic=True)
    connection.create_function("json_number", 1, _json_number, deterministic=True)
    connection.create_function("json_text", 1, _json_text, deterministic=True)


def condition(node: Node) -> tuple[str, list[Value]]:
    """A condition on table ``cases`` that is 0 or 1, and its parameters.

    Args:
        node: a filter that asks for nothing that reports say.
    """
    return joined(node, _predicate)


def _predicate(node: Predicate) -> tuple[str, list[Value]]:
    if node.field == "labels":
        if node.relation == "null":
            return "NOT EXISTS (SELECT 1 FROM json_each(cases.labels) WHERE value != '')", []
        test, values = _tests(node, "NULLIF(value, '')", "as_number(value)", [])
        return f"EXISTS (SELECT 1 FROM json_each(cases.labels) WHERE {test})", values  # noqa: S608
    texts = [operand for operand in node.operands if isinstance(operand, str) and operand]
    if node.field in _INDEXED and node.relation == "=" and len(texts) == len(node.operands):
        return f"cases.{node.field} IN ({', '.join('?' * len(texts))})", [*texts]
    as_text, as_number, path = _stored(node.field)
    if node.relation == "null":
        return f"(NULLIF({as_text}, '') IS NULL)", path
    return _tests(node, f"NULLIF({as_text}, '')", as_number, path)


def _stored(field: str) -> tuple[str, str, list[Value]]:
    """A field's value as text and as number, and the parameters that each of them needs."""
    if field in (FIRST_DAY, LAST_DAY):
        day = f"{'first' if field == FIRST_DAY else 'last'}_day(cases.date)"
        return day, day, []
    if field == "diagnosis":
        keys = [DIAGNOSIS]
    elif field == "offset_days":
        keys = [field]
    elif field.startswith("meta."):
        keys = field.split(".")[1:]
    else:
        return f"cases.{field}", f"as_number(cases.{field})", []
    path = "$" + "".join(f".{json.dumps(key, ensure_ascii=False)}" for key in keys)
    return "json_text(cases.meta -> ?)", "json_number(cases.meta -> ?)", [path]


def stating(node: Predicate, statements: Statements) -> Rows:
    """Rows, ascending, whose reports say what a condition on ``affirms`` or ``rules_out`` asks for.

    Where it asks for reports that say nothing (``null``), all the others.
    """
    affirmed = node.field == "affirms"
    states = statements.affirming if affirmed else statements.ruling_out
    test, values = "1", []
    if node.relation != "null":
        tests = [_tests(node, name, "NULL", []) for name in ("concept", "term")]
        test, values = f"({tests[0][0]} OR {tests[1][0]})", [*tests[0][1], *tests[1][1]]
    named = statements.named(test, values)
    groups = [statements.stated(affirmed, concept, terms) for concept, terms in named.items()]
    if node.relation == "=":
        codes = [operand for operand in node.operands if isinstance(operand, str)]
        concepts = {*codes, *map(statements.find, codes)} - {""}
        groups += [states(concept) for concept in sorted(concepts)]
    return distinct(np.concatenate([np.empty(0, np.int64), *groups]))


def _tests(
    node: Predicate, as_text: str, as_number: str, path: list[Value]
) -> tuple[str, list[Value]]:
    """Whether any operand stands in the relation: texts and numbers are compared apart."""
    texts = [operand for operand in node.operands if isinstance(operand, str)]
    numbers = [operand for operand in node.operands if not isinstance(operand, str)]
    tests: list[str] = []
    values: list[Value] = []
    collated = f"{as_text} COLLATE NOCASE" if node.field in CASELESS else as_text
    for compared, operands in ((collated, texts), (as_number, numbers)):
        if operands:
            tests.append(f"COALESCE({_relation(node.relation, compared, len(operands))}, 0)")
            values += [*path, *operands]
    return f"({' OR '.join(tests)})", values


def _relation(relation: str, compared: str, operands: int) -> str:
    if relation == "=":
        return f"{compared} IN ({', '.join('?' * operands)})"
    return f"{compared} {'LIKE' if relation == 'like' else relation} ?"


def _json_text(fragment: str | None) -> str | None:
    value = None if fragment is None else json.loads(fragment)
    return None if value is None else text(value)


def _json_number(fragment: str | None) -> int | float | None:
    return None if fragment is None else number(json.loads(fragment))
