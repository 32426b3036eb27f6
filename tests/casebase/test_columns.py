"""Filters by columns say what filters say of each case."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_folder import FAST
from mmedrag.casebase.blocks import write_array
from mmedrag.casebase.columns import Columns, ColumnWriter
from mmedrag.casebase.records import DIAGNOSIS
from mmedrag.casebase.vocabulary import PLAIN
from mmedrag.filters import Predicate
from mmedrag.types import Case
from proofs import examples

CASES = [
    Case(id="a", modality="CT", patient_id="P1", date="2021-05-01", labels=("Covid", "x")),
    Case(id="b", modality="mr", labels=("x", "x", ""), diagnosis="Glioma"),
    Case(id="c", meta={"age": 7, "site": {"name": "north"}, "list": [1, 2], "flag": True}),
    Case(id="d", meta={"age": "7.0", "site": "north", "empty": "", "none": None, "a.b": 1}),
    Case(id="e", modality="ct", meta={"age": 2**53 + 1}, labels=("COVID",), split="val"),
]
PREDICATES = [
    Predicate("modality", "=", ("ct",)),
    Predicate("modality", "like", ("%R",)),
    Predicate("modality", "null"),
    Predicate("modality", "<", ("mr",)),
    Predicate("patient_id", "=", ("P1", 3)),
    Predicate("patient_id", "=", ("p1",)),
    Predicate("date", ">=", ("2021",)),
    Predicate("labels", "=", ("covid",)),
    Predicate("labels", "null"),
    Predicate("diagnosis", "like", ("gli%",)),
    Predicate("diagnosis", "null"),
    Predicate("meta.age", "=", (7,)),
    Predicate("meta.age", "=", ("7",)),
    Predicate("meta.age", ">", (2**53,)),
    Predicate("meta.site", "null"),
    Predicate("meta.site.name", "=", ("north",)),
    Predicate("meta.list", "=", ("[1,2]",)),
    Predicate("meta.flag", "=", (1,)),
    Predicate("meta.empty", "null"),
    Predicate("meta.unheard", "null"),
    Predicate("meta.unheard", "=", ("x",)),
    Predicate("source", "null"),
]


def columns_of(tmp_path, chunks):
    writer = ColumnWriter()
    for cases in chunks:
        plain = [[str(getattr(case, field) or "") for case in cases] for field in PLAIN]
        meta = [json.dumps(m) for m in map(stored_meta, cases)]
        writer.add(plain, [json.dumps(case.labels) for case in cases], meta)
    entry, vocabulary = writer.write(tmp_path)
    values = {
        field: {number: value for number, (value, _) in enumerate(counted, 1)}
        for field, counted in vocabulary.items()
    }
    return Columns(tmp_path, entry, sum(map(len, chunks))), values


def stored_meta(case):
    return {**case.meta, **({DIAGNOSIS: case.diagnosis} if case.diagnosis else {})}


@pytest.mark.parametrize("predicate", PREDICATES, ids=str)
@pytest.mark.parametrize("cut", [0, 2, 5])
def test_a_column_says_what_the_filter_says(tmp_path, monkeypatch, predicate, cut):
    columns, values = columns_of(tmp_path, [CASES[:cut], CASES[cut:]])
    assert columns.has(predicate.field)
    for compared in (-1, 1, 9):  # all values looked up, or few or all compared
        monkeypatch.setattr("mmedrag.casebase.columns._COMPARED", compared)
        mask = columns.mask(predicate, lambda field: values[field])
        assert mask.tolist() == [predicate.matches(case) for case in CASES]


def test_values_that_no_case_has_any_more_are_passed_over(tmp_path):
    columns, values = columns_of(tmp_path, [CASES])
    kept = {number: value for number, value in values["modality"].items() if value != "CT"}
    mask = columns.mask(Predicate("modality", "=", ("ct",)), lambda _: kept)
    assert mask.tolist() == [False, False, False, False, True]


def test_fields_with_too_many_or_too_long_values_are_left_to_sql(tmp_path, monkeypatch):
    monkeypatch.setattr("mmedrag.casebase.columns.LARGEST", 3)
    monkeypatch.setattr("mmedrag.casebase.columns.PATHS", 3)
    cases = [
        Case(id=str(i), source=f"s{i}", split="val", labels=(f"l{i}",), meta={"n": "x" * 2_000})
        for i in range(5)
    ]
    columns, _ = columns_of(tmp_path, [cases])
    assert not columns.has("source")
    assert not columns.has("labels")
    assert not columns.has("meta.n")
    assert columns.has("split")
    assert not columns.has("affirms")


def test_columns_of_no_cases(tmp_path):
    columns, values = columns_of(tmp_path, [])
    mask = columns.mask(Predicate("modality", "null"), lambda field: values[field])
    assert mask.shape == (0,)
    assert mask.dtype == np.bool_


LABELS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=4), max_size=30)


@settings(deadline=None, max_examples=examples(60))
@given(LABELS, st.sets(st.sampled_from("aBcXh"), min_size=1), st.integers(0, 9), st.integers(-1, 2))
def test_labels_that_stand_together_are_those_of_each_case(labels, asked, few, compared):
    cases = [Case(id=str(i), labels=tuple(own)) for i, own in enumerate(labels)]
    predicate = Predicate("labels", "=", tuple(sorted(asked)))
    with TemporaryDirectory(dir=FAST) as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmedrag.casebase.columns._FEW", few)
        patch.setattr("mmedrag.casebase.columns._COMPARED", compared)
        columns, values = columns_of(Path(folder), [cases])
        mask = columns.mask(predicate, lambda field: values[field])
    assert mask.tolist() == [predicate.matches(case) for case in cases]


def test_labels_in_the_order_of_cases_as_earlier_releases_left_them(tmp_path):
    columns, values = columns_of(tmp_path, [CASES])
    codes, positions = (array.span() for array in columns.arrays()["labels"])
    order = np.argsort(positions, kind="stable")
    entry = [
        write_array(tmp_path / name, [array[order]], dtype)
        for name, array, dtype in (("c", codes, "<u2"), ("p", positions, "<u4"))
    ]
    earlier = Columns(tmp_path, {"fields": {"labels": entry}, "left_out": []}, len(CASES))
    predicate = Predicate("labels", "=", ("covid", "x"))
    mask = earlier.mask(predicate, lambda field: values[field])
    assert mask.tolist() == [predicate.matches(case) for case in CASES]
