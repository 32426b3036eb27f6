"""Laws of the concept channel over generated corpora, judged by what each report was made to say.

A report is generated with the facts that it states, so the oracle reads no report: it has its own
table of kinds and its own rules of what follows from what.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fast_folder import FAST
from mmedrag.casebase import Casebase, Entry
from mmedrag.casebase.exact import ExactIndex
from mmedrag.definitions import glossary
from mmedrag.definitions.expansion import ConceptExpander
from mmedrag.entailment import NORMAL
from mmedrag.testing.case_index import DIM, unit
from mmedrag.testing.questions import question_of
from mmedrag.types import Assertion, Case, Criterion, Domain, Query, Question

SOURCE = glossary()
EXPANDER = ConceptExpander(SOURCE.concepts)

KINDS = {
    "effusion": {"effusion", "pleural effusion", "pericardial effusion", "empyema"},
    "pleural effusion": {"pleural effusion", "empyema"},
    "pericardial effusion": {"pericardial effusion"},
    "empyema": {"empyema"},
    "pneumothorax": {"pneumothorax", "tension pneumothorax"},
    "tension pneumothorax": {"tension pneumothorax"},
    "cardiomegaly": {"cardiomegaly"},
}
"""Of each term, those that are it or a kind of it."""

TERMS = sorted(KINDS)
STATED = {
    "+": "There is {}.", "-": "There is no {}.", "?": "Possible {}.", "h": "History of {}.",
    "n": "The heart size is normal.",
}  # fmt: skip

Facts = tuple[tuple[str, str], ...]
"""Pairs of a term and what is said of it, a key of STATED."""

facts = st.lists(
    st.tuples(st.sampled_from(TERMS), st.sampled_from([*STATED, "+", "-"])),
    max_size=4,
    unique_by=lambda fact: fact[0],
).map(tuple)
corpora = st.lists(
    st.tuples(facts, st.sampled_from(["ct", "xray"]), st.sampled_from([*Domain])), max_size=25
)
wanted = st.lists(
    st.tuples(st.sampled_from(TERMS), st.booleans()),
    min_size=1,
    max_size=3,
    unique_by=lambda w: w[0],
)
law = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

FILTERS = {
    "modality = 'ct'": lambda report, modality: modality == "ct",
    "affirms = 'effusion'": lambda report, _: has(report, "effusion"),
    "not rules_out = 'effusion'": lambda report, _: not lacks(report, "effusion"),
}


def has(report: Facts, term: str) -> bool:
    return any(said == "+" and other in KINDS[term] for other, said in report)


def lacks(report: Facts, term: str) -> bool:
    wider = [other for other, said in report if said == "-" and term in KINDS[other]]
    return any(not has(report, other) for other in wider)


def text_of(report: Facts) -> str:
    return " ".join(STATED[said].format(term) for term, said in report) or "Nothing is described."


@contextmanager
def stored(corpus: Sequence[tuple[Facts, str, Domain]], seed: int):
    rng = np.random.default_rng(seed)
    cases = [
        Case(id=f"{i:02}", text=text_of(report), modality=modality, domain=domain)
        for i, (report, modality, domain) in enumerate(corpus)
    ]
    read = SOURCE.recognise([case.text for case in cases])
    vectors = np.array([unit(rng) for _ in cases], np.float32).reshape(-1, DIM)
    entries = [
        Entry(case, vector, case.id, None, mentions, SOURCE.fingerprint)
        for case, vector, mentions in zip(cases, vectors, read, strict=True)
    ]
    with (
        TemporaryDirectory(dir=FAST) as folder,
        Casebase.create(Path(folder) / "x", dim=DIM, fingerprint="f", preset="p") as casebase,
    ):
        casebase.relate(SOURCE.concepts)
        casebase.add(entries)
        yield casebase, ExactIndex(cases, vectors, read, SOURCE.concepts)


def asked(text: str, seed: int, where: str | None = None, domain: Domain | None = None) -> Question:
    question = question_of(Query(text, where=where), unit(np.random.default_rng(seed)), domain)
    question = replace(question, mentions=SOURCE.recognise([text])[0])
    return replace(question, criteria=EXPANDER.criteria(question))


def test_the_table_of_kinds_is_the_glossary() -> None:
    concepts = SOURCE.concepts
    for one in TERMS:
        for other in TERMS:
            assert concepts.is_a(concepts.find(other), concepts.find(one)) is (other in KINDS[one])


@pytest.mark.parametrize(
    "form", ["{0} but no {1}", "{0} without {1}", "no {1} but {0}", "{0}, negative for {1}"]
)
@law
@given(
    corpora,
    st.sampled_from(TERMS),
    st.sampled_from(TERMS),
    st.integers(1, 30),
    st.sampled_from(
        [None, "modality = 'ct'", "affirms = 'effusion'", "not rules_out = 'effusion'"]
    ),
    st.sampled_from([None, Domain.RADIOLOGY]),
    st.integers(0, 99),
)
def test_what_meets_the_whole_question_comes_first(
    form, corpus, there, absent, k, where, domain, seed
) -> None:
    question = asked(form.format(there, absent), seed, where, domain)
    if there == absent:
        assert question.criteria == ()
        return
    assert {(c.term, c.assertion.value) for c in question.criteria} == {
        (there, "affirmed"), (absent, "negated"),
    }  # fmt: skip
    with stored(corpus, seed) as (casebase, _):
        found = [int(hit.case.id) for hit in casebase.search(question, k)]
    meets = [
        i for i, (report, modality, of) in enumerate(corpus)
        if has(report, there) and lacks(report, absent)
        and domain in (None, of)
        and (where is None or FILTERS[where](report, modality))
    ]  # fmt: skip
    assert set(found[: len(meets)]) <= set(meets)
    assert len(set(found) & set(meets)) == min(k, len(meets))


@law
@given(
    corpora,
    wanted | st.tuples(st.just(NORMAL), st.booleans()).map(lambda normal: [normal]),
    st.integers(1, 30),
    st.sampled_from([None, "modality = 'ct'", "affirms = 'effusion'", "rules_out = 'empyema'"]),
    st.booleans(),
    st.integers(0, 99),
)
def test_the_exact_judge_finds_the_same(corpus, terms, k, where, required, seed) -> None:
    concepts = SOURCE.concepts
    criteria = tuple(
        Criterion(
            Assertion.AFFIRMED if there or not required else Assertion.NEGATED,
            NORMAL if term == NORMAL else concepts.find(term),
            term,
            required=required,
        )
        for term, there in terms
    )
    question = replace(
        question_of(Query(where=where), unit(np.random.default_rng(seed))), criteria=criteria
    )
    with stored(corpus, seed) as (casebase, judge):
        found, expected = casebase.search(question, k), judge.search(question, k)
    assert [hit.case.id for hit in found] == [hit.case.id for hit in expected]
    assert [hit.relevance for hit in found] == pytest.approx([h.relevance for h in expected])


@law
@given(corpora, st.sampled_from(TERMS), st.booleans())
def test_filters_know_kinds(corpus, term, affirmed) -> None:
    where = f"{'affirms' if affirmed else 'rules_out'} = '{term}'"
    question = question_of(Query(where=where), unit(np.random.default_rng(0)))
    with stored(corpus, 0) as (casebase, judge):
        found = {int(hit.case.id) for hit in casebase.search(question, 99)}
        assert found == {int(hit.case.id) for hit in judge.search(question, 99)}
    states = has if affirmed else lacks
    assert found == {i for i, (report, _, _) in enumerate(corpus) if states(report, term)}
