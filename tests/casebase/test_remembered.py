"""What searches have derived is kept within bounds, and found again where it was forgotten."""

from __future__ import annotations

import numpy as np
import pytest

from mmedrag.casebase import remembered
from mmedrag.casebase.remembered import RememberedArrays


def test_arrays_are_found_once_as_long_as_they_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_BYTES", 1_500)
    asked: list[int] = []
    arrays = RememberedArrays[int, np.ndarray](lambda found: found.nbytes)

    def find(number: int) -> np.ndarray:
        def make() -> np.ndarray:
            asked.append(number)
            return np.full(8, number)  # counts as 1,000 bytes

        return arrays.of(number, make)

    for number in (1, 2, 1, 2):
        assert find(number).tolist() == [number] * 8
    assert asked == [1, 2]
    assert find(3).tolist() == [3] * 8  # the two before it are too many to be kept beside it
    assert find(1).tolist() == [1] * 8
    assert asked == [1, 2, 3, 1]
    arrays.forget()
    find(1)
    assert asked == [1, 2, 3, 1, 1]
