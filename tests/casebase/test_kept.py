"""What is kept of an answer is what would be read anew, whatever was added and deleted since."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.casebase.kept import KeptRows
from mmedrag.measures.row_sets import distinct, without

ROWS = st.sets(st.integers(1, 40)).map(sorted)


def rows(numbers):
    return np.array(sorted(numbers), np.int64)


@given(ROWS, ROWS)
def test_what_is_left_are_the_rows_that_are_not_among_the_others(some, others):
    left = without(rows(some), rows(others))
    assert left.tolist() == sorted({*some} - {*others})


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sets(st.integers(1, 40)), st.sets(st.integers(2, 4)),
                       st.booleans()), max_size=12),
    st.sampled_from([0, 10_000]),
)  # fmt: skip
def test_an_answer_follows_what_is_written(states, most):
    kept, there, last = KeptRows(most), set(), 0
    for added, gone, asked, is_told in states:
        deleted = there & gone
        there = there - deleted | {*range(last + 1, last + added + 1)}
        last += added
        kept.follow(last, rows(deleted) if is_told else None)
        for divisor in asked:

            def read(above, divisor=divisor, there=there):
                return rows(r for r in there if r > above and not r % divisor)

            assert kept.rows(divisor, read).tolist() == read(0).tolist()


def test_only_what_was_added_is_read():
    kept, above = KeptRows(10), []

    def read(row):
        above.append(row)
        return rows([row + 1])

    for last in (1, 1, 3):
        kept.follow(last, rows([]))
        kept.rows("key", read)
    assert above == [0, 1]


@given(st.lists(st.integers(1, 60) | st.integers(1, 9_000), max_size=300))
def test_each_row_comes_once_however_dense_they_are(rows):
    assert distinct(np.array(rows, np.int64)).tolist() == sorted(set(rows))
