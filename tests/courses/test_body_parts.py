"""Organs that are examined together."""

from __future__ import annotations

from mmedrag.courses.body_parts import parts_of
from mmedrag.types import Case


def test_organs_of_one_examination_are_of_one_part():
    assert parts_of(["pleura", "heart"]) == {"chest"}
    assert parts_of(["lung", "brain"]) == {"chest", "head"}
    assert parts_of(["bone", "nowhere", ""]) == frozenset()


def test_a_header_names_the_part_itself():
    assert parts_of([], [Case(id="a", meta={"BodyPartExamined": "CHEST"})]) == {"chest"}
    assert parts_of([], [Case(id="a", meta={"BodyPartExamined": 3})]) == frozenset()
