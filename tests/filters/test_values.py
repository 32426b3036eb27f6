"""Values as filters compare them."""

from __future__ import annotations

import pytest

from mmedrag.filters import number


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("12", 12), (" 12 ", 12), ("1.5", 1.5), (True, 1), (-0.0, 0.0), (2**53 + 1, 2**53 + 1),
        (str(2**53 + 1), 2**53 + 1), (2**63, float(2**63)), ("9" * 5000, None), ("nan", None),
        ("", None), ("12a", None), (None, None), ([1], None),
    ],
)  # fmt: skip
def test_numbers(value, expected):
    assert number(value) == expected
