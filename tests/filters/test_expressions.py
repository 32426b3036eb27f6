"""Filters joined, and made of values."""

from __future__ import annotations

import pytest

from mmedrag.errors import FilterError
from mmedrag.filters import as_of, both, parse
from mmedrag.types import Case


def test_both_filters_must_let_a_case_in():
    assert both(None, None) is None
    assert both("id = 'a'", None) == both(None, "id = 'a'") == "id = 'a'"
    joined = parse(both("modality = 'ct'", "id = 'a' or id = 'b'"))
    for case, expected in (("a", True), ("b", True), ("c", False)):
        assert joined.matches(Case(id=case, modality="CT")) is expected
        assert not joined.matches(Case(id=case, modality="mr"))


def test_what_came_later_is_hidden_of_one_patient():
    mine = [Case(id=d, patient_id="O'Hara", date=d) for d in ("2020-01-01", "2020-03-01", "2020")]
    others = Case(id="other", patient_id="P", date="2024-01-01")
    node = parse(as_of("O'Hara", "2020-02"))
    assert [c.id for c in (*mine, others) if node.matches(c)] == ["2020-01-01", "other"]
    with pytest.raises(FilterError, match="no date"):
        as_of("P", "soon")


def test_no_filter_gets_out_of_its_brackets():
    with pytest.raises(FilterError):
        both("modality = 'ct'", "id = 'a') or (id = 'b'")
