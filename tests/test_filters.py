"""The ``where`` grammar: its tree, its messages, and filters joined."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedrag.errors import FilterError
from mmedrag.filters import (
    MAX_DEPTH,
    MAX_LENGTH,
    Joined,
    Not,
    Predicate,
    as_of,
    both,
    fields_of,
    number,
    parse,
)
from mmedrag.types import Case


def test_an_expression_is_a_tree_of_values():
    tree = parse("modality = 'ct' and not (meta.age >= 40 or affirms in ('drusen', 'mass'))")
    assert tree == Joined(
        "AND",
        (
            Predicate("modality", "=", ("ct",)),
            Not(
                Joined(
                    "OR",
                    (
                        Predicate("meta.age", ">=", (40,)),
                        Predicate("affirms", "=", ("drusen", "mass")),
                    ),
                )
            ),
        ),
    )
    assert hash(tree) == hash(
        parse("modality='ct' and not(meta.age>=40 or affirms in('drusen','mass'))")
    )
    assert fields_of(tree) == {"modality", "meta.age", "affirms"}


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("", "ends too early"),
        ("modality", "ends too early"),
        ("modality = ct", "'ct' at character 12.*single quotes"),
        ("colour = 'red'", "'colour' at character 1.*Known fields"),
        ("modality = 'ct' modality = 'mr'", "character 17.*and"),
        ("modality = 'ct", "Close the text"),
        ("modality == 'ct'", "'=' at character 11"),
        ("modality in 'ct'", r"'\(' must stand"),
        ("modality not = 'ct'", "'in' or 'like'"),
        ("meta. = 1", "character 5"),
        ("modality = 'ct'; DROP TABLE cases", "';' at character 16"),
        ("labels like 5", "pattern"),
        (f"id like '{'%a' * 20}'", "at most 8"),
        ("meta.age > 1e999", "finite number must stand"),
        ("meta.age > 9223372036854775808", "9223372036854775808.*at most 9223372036854775807"),
        ("id = " + "9" * 5000, "at most 9223372036854775807"),
        ("id = 'a\0b'", "NUL character at 8"),
        ("affirms > 'drusen'", "After affirms write = != in"),
        ("(" * (MAX_DEPTH + 1) + "id = 'a'", "Nest at most"),
        ("not " * 5000 + "id = 'a'", "characters long"),
        ("id = 'a" + "b" * MAX_LENGTH, "characters long"),
        (" or ".join(["id = 1"] * 301), "at most 300 conditions"),
        ("id = '\ud800'", "Unicode"),
        ("before 'soon'", "'soon' is no date"),
        ("before", "ends too early"),
        ("within days of 3", "number of days"),
        ("within 3 weeks of 3", "within 30 days of"),
        ("within 3 days 3", "'of' must stand"),
    ],
)
def test_what_does_not_parse_is_named_with_its_place(where, message):
    with pytest.raises(FilterError, match=message):
        parse(where)


@settings(max_examples=300)
@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(
            [
                "modality",
                "meta.x",
                "labels",
                "=",
                "in",
                "(",
                ")",
                "'ct'",
                "'",
                "--",
                ";",
                "not",
                "and",
                "or",
                "like",
                "is",
                "null",
                "1e5",
                "-",
                "\0",
                "'' OR 1=1",
                "UNION SELECT",
            ]
        ),
        max_size=12,
    ).map(" ".join)
)
def test_any_text_is_a_filter_or_a_filter_error(where):
    with suppress(FilterError):
        parse(where)


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


def test_what_reports_say_needs_their_mentions():
    with pytest.raises(FilterError, match=r"'affirms'.*casebase"):
        parse("affirms = 'drusen'").matches(Case(id="a"))
