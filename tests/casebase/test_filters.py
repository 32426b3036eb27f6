"""The ``where`` grammar: meaning, messages, and that SQL and Python agree on every expression."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.case_index import DIM, entries_of
from mmedrag.casebase import Casebase, Entry
from mmedrag.casebase.filters import FIELDS, MAX_DEPTH, MAX_LENGTH, parse
from mmedrag.errors import FilterError
from mmedrag.testing.questions import question_of
from mmedrag.types import Case, Domain, Query

CASES = [
    Case(id="a", modality="CT", domain=Domain.RADIOLOGY, patient_id="P1", date="2021-05-01",
         labels=("Covid", "pneumonia"), meta={"age": 72, "sex": "F", "site": {"name": "north"}}),
    Case(id="b", modality="mr", domain=Domain.PATHOLOGY, patient_id="p1", date="2019-01-31",
         labels=("glioma",), meta={"age": "9", "sex": "M", "flag": True}),
    Case(id="c", study_id="O'Hara", source="x%y", split="val", meta={"age": None}),
    Case(id="d", licence="CC BY 4.0", patient_id="12", meta={"list": [1, 2], "Schlüssel": "ß"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def casebase(tmp_path_factory):
    path = tmp_path_factory.mktemp("filters") / "cases"
    vector = np.zeros(DIM, np.float32)
    extra = [e.case for e in entries_of(9, 30)]
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as made:
        made.add([Entry(case, vector, "", None) for case in [*CASES, *extra]])
        made.publish()
        yield made


def found(casebase, where):
    query = Query(where=where)
    return {h.case.id for h in casebase.search(question_of(query, np.zeros(DIM, np.float32)), 99)}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("modality = 'ct'", "a"),
        ("patient_id = 'P1'", "a"),
        ("patient_id != 'P1'", "bcd"),
        ("patient_id in ('P1', 'p1')", "ab"),
        ("patient_id not in ('P1','p1')", "cd"),
        ("patient_id is null", "c"),
        ("NOT patient_id IS NOT NULL", "c"),
        ("labels = 'covid'", "a"),
        ("labels != 'covid'", "bcd"),
        ("labels in ('glioma', 'pneumonia')", "ab"),
        ("labels like 'gli%'", "b"),
        ("labels is null", "cd"),
        ("meta.age > 8", "ab"),
        ("meta.age = '72'", "a"),
        ("meta.age is null", "cd"),
        ("meta.site.name = 'north'", "a"),
        ("meta.Schlüssel = 'ß'", "d"),
        ("meta.flag = 1", "b"),
        ("date >= '2020'", "a"),
        ("date < '2020'", "b"),
        ("study_id = 'O''Hara'", "c"),
        ("source like 'x%'", "c"),
        ("license = 'CC BY 4.0'", "d"),
        ("patient_id = 12", "d"),
        ("modality='ct' or modality='mr' and split='val'", "a"),
        ("(modality='ct' or modality='mr') and not domain = 'pathology'", "a"),
        ("id <> 'a' and id <= 'c'", "bc"),
    ],
)
def test_meaning(casebase, where, expected):
    own = {case.id for case in CASES}
    assert found(casebase, where) & own == set(expected)
    assert {c.id for c in CASES if parse(where).matches(c)} == set(expected)


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
        ("meta.age > 1e999", "number must stand"),
        ("(" * (MAX_DEPTH + 1) + "id = 'a'", "Nest at most"),
        ("not " * 5000 + "id = 'a'", "characters long"),
        ("id = 'a" + "b" * MAX_LENGTH, "characters long"),
        (" or ".join(["id = 1"] * 301), "at most 300 conditions"),
        ("id = '\ud800'", "Unicode"),
    ],
)
def test_what_does_not_parse_is_named_with_its_place(where, message):
    with pytest.raises(FilterError, match=message):
        parse(where)


names = st.sampled_from([*FIELDS, "meta.age", "meta.site.name", "meta.x"])
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
quoted = (texts | st.sampled_from(["ct", "P1", "a", "%", "x%y", "72"])).map(
    lambda text: "'" + text.replace("'", "''") + "'"
)
values = quoted | st.integers(-(10**30), 10**30).map(str) | st.floats(-1e9, 1e9).map(str)
patterns = quoted.filter(lambda text: text.count("%") <= 8)
predicates = st.one_of(
    st.tuples(names, st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "<>"]), values),
    st.tuples(names, st.sampled_from(["like", "not like"]), patterns),
    st.tuples(names, st.sampled_from(["is null", "is not null"])),
    st.tuples(
        names,
        st.sampled_from(["in", "not in"]),
        st.lists(values, min_size=1, max_size=4).map(lambda v: f"({', '.join(v)})"),
    ),
).map(" ".join)
expressions = st.recursive(
    predicates,
    lambda part: st.one_of(
        part.map(lambda p: f"not ({p})"),
        st.tuples(part, st.sampled_from(["and", "or"]), part).map(lambda p: f"({' '.join(p)})"),
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=200)
@given(expressions)
def test_sql_and_python_agree(casebase, where):
    condition = parse(where)
    expected = {case.id for case in casebase.cases() if condition.matches(case)}
    assert found(casebase, where) == expected


@settings(deadline=None, max_examples=300)
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
def test_any_text_is_a_filter_or_a_filter_error(casebase, where):
    with suppress(FilterError):
        found(casebase, where)
    assert len(casebase) == 34


def test_many_values_and_joined_conditions_stay_within_sqlites_limits(casebase):
    joined = " or ".join("id = 1" for _ in range(300))
    listed = f"id in ({','.join(['1'] * 4900)})"
    nested = "(" * (MAX_DEPTH - 1) + joined + ")" * (MAX_DEPTH - 1)
    for where in (joined, listed, nested):
        assert len(where) <= MAX_LENGTH
        found(casebase, where)


def test_the_words_of_an_injection_are_only_words(casebase):
    for attack in ("x' OR 1=1 --", "'; DELETE FROM cases; --", "a') UNION SELECT 1 --"):
        escaped = attack.replace("'", "''")
        assert found(casebase, f"patient_id = '{escaped}'") == set()
    connection = sqlite3.connect(f"file:{casebase.path / 'casebase.db'}?mode=ro", uri=True)
    assert connection.execute("SELECT count(*) FROM cases").fetchone() == (34,)
    connection.close()
