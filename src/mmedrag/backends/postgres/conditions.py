"""Filters as SQL: the translator of :mod:`mmedrag.filters` for the tables of PostgreSQL.

Every value is a parameter; nothing of a filter is pasted into SQL. Numbers, labels, dates and
``meta`` are compared by the table ``attributes``, whose rows Python has made as it compares them,
so that both give the same answer.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeAlias

from mmedrag.backends.postgres.rows import PLAIN
from mmedrag.casebase.criteria import Statements
from mmedrag.casebase.exact import Rows
from mmedrag.filters import CASELESS, MENTIONED, Node, Predicate, Value, compared
from mmedrag.filters.sql import joined
from mmedrag.filters.values import lower

Sql: TypeAlias = tuple[str, list[Any]]
"""A condition and its parameters."""

_PREFIX = 64
"""Characters of a value that are indexed."""


def condition(node: Node, statements: Statements) -> Sql:
    """A condition on the table ``cases`` that is true or false, and its parameters.

    Args:
        node: the filter.
        statements: what the reports say.
    """

    def predicate(leaf: Predicate) -> Sql:
        return _mentioned(leaf, statements) if leaf.field in MENTIONED else _predicate(leaf)

    return joined(node, predicate)


def _predicate(node: Predicate) -> Sql:
    field = "meta.offset_days" if node.field == "offset_days" else node.field
    if node.relation == "null":
        if field in PLAIN:
            return f"(COALESCE(cases.{field}, '') = '')", []
        return "(cases.row NOT IN (SELECT row FROM attributes WHERE field = %s))", [field]
    texts = [operand for operand in node.operands if isinstance(operand, str)]
    numbers = [Decimal(operand) for operand in node.operands if not isinstance(operand, str)]
    tests = []
    if texts:
        tests.append(_column(node, texts) if field in PLAIN else _attribute(field, node, texts))
    if numbers and node.relation == "like":
        tests.append(_attribute(field, node, [str(n) for n in numbers]))
    elif numbers:
        test, values = _compared("number", node.relation, numbers)
        matching = f"SELECT row FROM attributes WHERE field = %s AND {test}"  # noqa: S608
        tests.append((f"cases.row IN ({matching})", [field, *values]))
    text = " OR ".join(test for test, _ in tests)
    return f"({text})", [value for _, values in tests for value in values]


def _column(node: Predicate, texts: list[str]) -> Sql:
    """Texts against a column; an empty one is missing and equals nothing."""
    column, relation = f"cases.{node.field}", node.relation
    if relation == "like" or node.field in CASELESS:
        column, texts = f"lower({column})", [lower(text) for text in texts]
    test, values = _compared(column, relation, texts)
    return f"(COALESCE(cases.{node.field}, '') <> '' AND {test})", values


def _attribute(field: str, node: Predicate, texts: list[str]) -> Sql:
    """Texts against values of the table ``attributes``."""
    column = "value"
    if node.relation == "like":
        column, texts = "lower(value)", [lower(text) for text in texts]
    else:
        texts = [compared(node.field, text) for text in texts]
    test, values = _compared(column, node.relation, texts)
    if node.relation == "=":
        test += f" AND left(value, {_PREFIX}) = ANY(%s)"
        values.append([text[:_PREFIX] for text in texts])
    return (
        f"cases.row IN (SELECT row FROM attributes WHERE field = %s AND {test})",  # noqa: S608
        [field, *values],
    )


def _compared(column: str, relation: str, operands: list[Any]) -> Sql:
    """Whether a column stands in the relation to any operand; ``like`` knows no escape."""
    if relation == "=":
        return f"{column} = ANY(%s)", [operands]
    if relation == "like":
        tests = [f"{column} LIKE %s ESCAPE ''" for _ in operands]
    else:
        tests = [f"{column} {relation} %s" for _ in operands]
    return f"({' OR '.join(tests)})", list(operands)


def _mentioned(node: Predicate, statements: Statements) -> Sql:
    affirmed = node.field == "affirms"
    states = statements.affirming if affirmed else statements.ruling_out
    test, values = "true", list[Value]()
    if node.relation != "null":
        tests = [_name(column, node) for column in ("concept", "term")]
        test, values = f"({tests[0][0]} OR {tests[1][0]})", [*tests[0][1], *tests[1][1]]
    named = statements.named(test, values)
    groups: list[Rows] = [statements.stated(affirmed, *item) for item in named.items()]
    if node.relation == "=":
        codes = [operand for operand in node.operands if isinstance(operand, str)]
        concepts = {*codes, *map(statements.find, codes)} - {""}
        groups += [states(concept) for concept in sorted(concepts)]
    rows = sorted({row for group in groups for row in group.tolist()})
    listed = "(cases.row = ANY(%s))"
    return f"(NOT {listed})" if node.relation == "null" else listed, [rows]


def _name(column: str, node: Predicate) -> Sql:
    """Whether a term is called so; a number names none."""
    texts = [lower(operand) for operand in node.operands if isinstance(operand, str)]
    return _compared(f"lower({column})", node.relation, texts) if texts else ("false", [])
