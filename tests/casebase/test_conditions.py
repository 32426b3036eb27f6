"""Filters as SQL: their meaning, and that SQL and Python agree on every expression."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filter_cases import CASES, CONCEPTS, MEANINGS, REPORTS, STATED, expressions, mentioned
from mmedrag.casebase import Casebase, Entry
from mmedrag.definitions import glossary
from mmedrag.errors import FilterError
from mmedrag.filters import MAX_DEPTH, MAX_LENGTH, parse
from mmedrag.testing.case_index import DIM, entries_of
from mmedrag.testing.questions import question_of
from mmedrag.types import Case, Query
from proofs import examples


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


@pytest.mark.parametrize(("where", "expected"), MEANINGS)
def test_meaning(casebase, where, expected):
    own = {case.id for case in CASES}
    assert found(casebase, where) & own == set(expected)
    assert {c.id for c in CASES if parse(where).matches(c)} == set(expected)


@settings(deadline=None, max_examples=examples(200))
@given(expressions)
def test_sql_and_python_agree(casebase, where):
    condition = parse(where)
    expected = {case.id for case in casebase.cases() if condition.matches(case)}
    assert found(casebase, where) == expected


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


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    vector = np.zeros(DIM, np.float32)
    path = tmp_path_factory.mktemp("reports") / "cases"
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as made:
        made.add([Entry(Case(id=i, text=t), vector, i, None) for i, t in REPORTS.items()])
        yield made


@pytest.fixture(scope="module")
def read_reports(reports):
    with pytest.raises(FilterError, match=r"6 cases .*mmedrag rebuild"):
        found(reports, "affirms = 'pleural effusion'")
    reports.recognise(glossary())
    reports.relate(glossary().concepts)
    return reports


@pytest.mark.parametrize(("where", "expected"), STATED)
def test_what_reports_say_can_be_asked(read_reports, where, expected):
    assert found(read_reports, where) == expected
    said = {i: mentioned(text) for i, text in REPORTS.items()}
    matching = {i for i, m in said.items() if parse(where).matches(Case(id=i), m, CONCEPTS)}
    assert matching == expected


def test_a_report_that_nobody_has_read_is_noticed_after_others_were_asked(tmp_path):
    vector, where = np.zeros(DIM, np.float32), "affirms = 'pleural effusion'"
    read = Entry(Case(id="read", text="Clear."), vector, "read", None, (), "somebody")
    with Casebase.create(tmp_path / "c", dim=DIM, fingerprint="f", preset="p") as made:
        made.add([read])
        assert found(made, where) == set()
        made.add([Entry(Case(id="unread", text="Effusion."), vector, "unread", None)])
        with pytest.raises(FilterError, match="1 cases"):
            found(made, where)
        made.delete(["unread"])
        assert found(made, where) == set()


@pytest.fixture(scope="module")
def published_reports(tmp_path_factory):
    """Some reports in a generation, one of them replaced since, one deleted, the others new."""
    vector = np.zeros(DIM, np.float32)
    path = tmp_path_factory.mktemp("published") / "cases"
    entries = [Entry(Case(id=i, text=t), vector, i, None) for i, t in REPORTS.items()]
    gone = Entry(Case(id="gone", text=entries[0].case.text), vector, "gone", None)
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as made:
        made.relate(glossary().concepts)
        made.add([*entries[:4], gone])
        made.recognise(glossary())
        made.publish()
        made.delete(["gone"])
        made.add(entries[3:])
        made.recognise(glossary())
        yield made


@pytest.mark.parametrize(("where", "expected"), STATED)
def test_a_generation_and_new_rows_say_the_same(published_reports, where, expected):
    assert found(published_reports, where) == expected


@settings(deadline=None, max_examples=examples(100))
@given(*(3 * [st.sampled_from([where for where, _ in STATED])]), st.sampled_from(["and", "or"]))
def test_joined_conditions_on_reports_lose_nothing(published_reports, first, second, third, word):
    where = f"({first}) {word} not ({second}) or ({third}) {word} domain is not null"
    condition = parse(where)
    expected = {
        i for i, text in REPORTS.items()
        if condition.matches(Case(id=i), mentioned(text), CONCEPTS)
    }  # fmt: skip
    assert found(published_reports, where) == expected
