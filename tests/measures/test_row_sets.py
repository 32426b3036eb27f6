"""Sets of row numbers as ascending arrays do what sets do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.measures.row_sets import distinct, places_in, union, without

ROWS = st.sets(st.integers(1, 40) | st.integers(1, 9_000), max_size=300)


def rows(numbers):
    return np.array(sorted(numbers), np.int64)


@given(ROWS, ROWS)
def test_what_is_left_are_the_rows_that_are_not_among_the_others(some, others):
    assert without(rows(some), rows(others)).tolist() == sorted(some - others)


@pytest.mark.parametrize(("some", "others"), [([10**15], [1, 5]), ([1, 5], [10**15])])
def test_rows_far_apart_take_no_memory(some, others):
    assert without(rows(some), rows(others)).tolist() == some
    assert places_in(rows([*some, *others]))(rows(some)).shape == (len(some),)


@given(st.lists(st.integers(1, 60) | st.integers(1, 9_000), max_size=300))
def test_each_row_comes_once_however_dense_they_are(numbers):
    assert distinct(np.array(numbers, np.int64)).tolist() == sorted(set(numbers))


@given(st.lists(ROWS, max_size=4))
def test_joined_are_the_rows_of_all(sets):
    assert union([rows(numbers) for numbers in sets]).tolist() == sorted(set().union(*sets))


@given(ROWS, st.data())
def test_a_place_is_where_the_row_stands(numbers, data):
    every = rows(numbers)
    some = rows(data.draw(st.sets(st.sampled_from(sorted(numbers))))) if numbers else rows([])
    assert every[places_in(every)(some)].tolist() == some.tolist()
