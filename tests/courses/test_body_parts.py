"""Organs that are examined together."""

from __future__ import annotations

from mmedrag.courses.body_parts import body_parts_of
from mmedrag.types import Case


def test_organs_of_one_examination_are_of_one_part():
    assert body_parts_of(["pleura", "heart"]) == {"chest"}
    assert body_parts_of(["lung", "brain"]) == {"chest", "head"}
    assert body_parts_of(["bone", "nowhere", ""]) == frozenset()


def test_a_header_names_the_part_itself():
    assert body_parts_of([], [Case(id="a", meta={"BodyPartExamined": "CHEST"})]) == {"chest"}
    assert body_parts_of([], [Case(id="a", meta={"BodyPartExamined": 3})]) == frozenset()
