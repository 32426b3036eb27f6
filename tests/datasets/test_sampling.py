"""A few of many: in order, from the first on, never more than were wanted."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mmedrag.datasets.sampling import evenly_spaced


@given(st.integers(0, 200), st.integers(1, 50))
def test_at_most_so_many_and_spread_over_all(n: int, most: int) -> None:
    chosen = evenly_spaced(range(n), most)
    assert len(chosen) <= most
    assert chosen == sorted(set(chosen))
    assert len({b - a for a, b in pairwise(chosen)}) <= 1
    assert n <= most or len(chosen) > most // 2
    assert (n <= most) <= (chosen == [*range(n)])
