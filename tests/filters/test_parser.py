"""The ``where`` grammar: its tree and its messages."""

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
    fields_of,
    parse,
)
from proofs import examples


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


@settings(max_examples=examples(300))
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
