"""How fast a recipe learns when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.training.schedule import Schedule, rate_share


@given(st.integers(1, 400))
def test_the_rate_rises_over_a_tenth_and_ends_at_nothing(steps: int) -> None:
    shares = [rate_share(step, steps) for step in range(steps + 1)]
    top = shares.index(max(shares))
    assert top <= steps / 10
    assert shares[: top + 1] == sorted(shares[: top + 1])
    assert shares[top:] == sorted(shares[top:], reverse=True)
    assert 0 < max(shares) <= 1
    assert shares[-1] == pytest.approx(0, abs=1e-12)


def test_a_rest_of_one_is_no_batch() -> None:
    schedule = Schedule(epochs=2, batch=4, micro=2)
    assert [schedule.steps(n) for n in (1, 4, 5, 6, 9)] == [1, 1, 1, 2, 2]
    assert schedule.rate(3, 6) == rate_share(3, 4)
