"""Filters as SQL of PostgreSQL: what they mean, and that SQL and Python agree."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings

from filter_cases import CASES, CONCEPTS, MEANINGS, REPORTS, STATED, expressions, mentioned
from mmedrag.backends.postgres import PostgresStore
from mmedrag.definitions import glossary
from mmedrag.errors import FilterError
from mmedrag.filters import MAX_DEPTH, parse
from mmedrag.testing.case_index import DIM, entries_of
from mmedrag.testing.questions import question_of
from mmedrag.types import Case, Entry, Query
from proofs import examples

NOWHERE = np.zeros(DIM, np.float32)


@pytest.fixture(scope="module")
def store(server) -> Iterator[PostgresStore]:
    cases = [*CASES, *(e.case for e in entries_of(9, 30))]
    url = f"{server.url}?schema=conditions"
    with PostgresStore.create(url, dim=DIM, fingerprint="f", preset="p") as made:
        made.add([Entry(case, NOWHERE, "", None) for case in cases])
        yield made


@pytest.fixture(scope="module")
def reports(server) -> Iterator[PostgresStore]:
    url = f"{server.url}?schema=reports"
    with PostgresStore.create(url, dim=DIM, fingerprint="f", preset="p") as made:
        made.add([Entry(Case(id=i, text=t), NOWHERE, i, None) for i, t in REPORTS.items()])
        with pytest.raises(FilterError, match=r"6 cases .*mmedrag rebuild"):
            found(made, "affirms = 'pleural effusion'")
        made.recognise(glossary())
        made.relate(glossary().concepts)
        yield made


def found(store: PostgresStore, where: str) -> set[str]:
    hits = store.search(question_of(Query(where=where), NOWHERE), 99)
    return {hit.case.id for hit in hits}


@pytest.mark.parametrize(("where", "expected"), MEANINGS)
def test_meaning(store, where, expected) -> None:
    assert found(store, where) & {case.id for case in CASES} == set(expected)


@settings(deadline=None, max_examples=examples(100))
@given(expressions)
def test_sql_and_python_agree(store, where) -> None:
    condition = parse(where)
    assert found(store, where) == {case.id for case in store.cases() if condition.matches(case)}


@pytest.mark.parametrize(("where", "expected"), STATED)
def test_what_reports_say_can_be_asked(reports, where, expected) -> None:
    assert found(reports, where) == expected
    stated = {i: mentioned(text) for i, text in REPORTS.items()}
    matching = {i for i, m in stated.items() if parse(where).matches(Case(id=i), m, CONCEPTS)}
    assert matching == expected


def test_many_values_and_joined_conditions_can_be_asked(store) -> None:
    joined = " or ".join("id = 1" for _ in range(300))
    listed = f"id in ({','.join(['1'] * 4900)})"
    for where in (joined, listed, "(" * (MAX_DEPTH - 1) + joined + ")" * (MAX_DEPTH - 1)):
        assert found(store, where) == set()


def test_the_words_of_an_injection_are_only_words(store) -> None:
    for attack in ("x' OR 1=1 --", "'; DROP TABLE cases; --", "%s", "\\", "a') UNION SELECT 1 --"):
        escaped = attack.replace("'", "''")
        for where in ("patient_id = '{}'", "meta.x = '{}'", "labels like '{}'", "affirms = '{}'"):
            if "affirms" not in where:
                assert found(store, where.format(escaped)) == set()
    assert store.count() == 34
