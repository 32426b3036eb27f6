"""A case as rows: vectors, words and values for filters."""

from __future__ import annotations

import struct
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmedrag.backends.postgres.rows import attributes_of, tsvector, vector_literal, vector_of
from mmedrag.dates import days_of
from mmedrag.types import Case

FLOATS = arrays(np.float32, 5, elements=st.floats(-1, 1, width=32))


@given(FLOATS)
def test_a_vector_as_text_is_the_same_vector(vector) -> None:
    read = [np.float32(value) for value in vector_literal(vector)[1:-1].split(",")]
    np.testing.assert_array_equal(np.array(read, np.float32), vector)


@given(FLOATS)
def test_a_vector_as_it_is_sent(vector) -> None:
    sent = struct.pack(">HH", len(vector), 0) + vector.astype(">f4").tobytes()
    np.testing.assert_array_equal(vector_of(sent), vector)


def test_words_have_a_position_for_each_occurrence() -> None:
    assert tsvector({"lung": 3, "clear": 1}) == "'lung':1,2,3 'clear':1"
    assert tsvector({"a": 10_000}).count(",") == 254
    assert tsvector({}) == ""


def test_values_for_filters_are_those_that_python_compares() -> None:
    case = Case(id="7", patient_id="P1", labels=("Covid", "Covid", ""), date="2020-02",
                diagnosis="flu",
                meta={"age": 40, "site": {"name": "a\0b"}, "a.b": 1, "no": None})  # fmt: skip
    found = {(field, value): number for field, value, number in attributes_of(case)}
    assert found.pop(("id", None)) == 7
    assert found.pop(("meta.age", "40")) == Decimal(40)
    first, last = days_of("2020-02")
    assert found.pop(("date.first", str(first))) == first
    assert found.pop(("date.last", str(last))) == last
    assert found == {
        ("labels", "covid"): None,
        ("diagnosis", "flu"): None,
        ("meta.site", '{"name":"a\\u0000b"}'): None,
        ("meta.site.name", "a\ufffdb"): None,
    }
