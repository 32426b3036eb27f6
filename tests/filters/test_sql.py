"""What engines of SQL share of their translators."""

from __future__ import annotations

import sqlite3
from itertools import product

import pytest

from mmedrag.filters import parse
from mmedrag.filters.sql import joined


def translated(leaf):
    return f"({leaf.field} = ?)", [*leaf.operands]


def test_conditions_nest_as_they_are_written_and_values_keep_their_order():
    node = parse("source = 'a' and not (licence = 'b' or split = 'c')")
    assert joined(node, translated) == (
        "((source = ?) AND (NOT ((licence = ?) OR (split = ?))))",
        ["a", "b", "c"],
    )


@pytest.mark.parametrize("row", list(product("ab", repeat=3)))
def test_a_database_reads_them_as_python_does(row):
    source, licence, split = row
    sql, values = joined(parse("not source = 'a' or licence = 'a' and not split = 'a'"), translated)
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (source, licence, split)")
        connection.execute("INSERT INTO t VALUES (?, ?, ?)", row)
        found = connection.execute(f"SELECT count(*) FROM t WHERE {sql}", values).fetchone()[0]
    connection.close()
    assert found == int(source != "a" or (licence == "a" and split != "a"))
