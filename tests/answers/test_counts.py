"""Base rates by SQL over stored mentions are those of a plain recount of every case."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmedrag.answers.counts import SCOPES, CorpusCounts
from mmedrag.answers.differential import diagnoses_of
from mmedrag.answers.statements import is_normal, read_cases
from mmedrag.casebase import Casebase
from mmedrag.casebase.occurrences import Occurrences
from mmedrag.definitions import Dictionary
from mmedrag.entailment import NORMAL
from mmedrag.errors import FilterError
from mmedrag.protocols import CaseNames, CorpusStatistics, OccurrenceStore
from mmedrag.types import (
    Assertion,
    Case,
    Domain,
    Entry,
    Evidence,
    Prevalence,
    Query,
    Question,
    Routing,
)

NOWHERE = np.zeros(0, np.float32)
SENTENCES = (
    "No {}.", "{} is present.", "Possible {}.", "Large {} on the left.", "History of {}.",
    "Normal chest.", "Without {}.", "Unremarkable study.",
)  # fmt: skip
FINDINGS = (
    "pneumothorax", "pleural effusion", "effusion", "pneumonia", "cardiomegaly", "mass",
    "atelectasis", "fracture",
)  # fmt: skip
NAMES = ("", "", "Pneumonia", "Zebra syndrome", "Pneumonia; pleural effusion", "normal")
LABELS = ((), (), ("normal",), ("Pleural_Effusion",), ("no finding",), ("Head",), ("no tumor",),
          ("pneumonia",), ("possible mass", "mass"), ("mass", "pneumonia"))  # fmt: skip


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> Iterator[Casebase]:
    with Casebase.create(tmp_path / "x", dim=2, fingerprint="f", preset="p") as made:
        yield made


def corpus(number: int, seed: int) -> list[Case]:
    rng = random.Random(seed)
    return [
        Case(
            id=f"{seed}-{i}",
            text=" ".join(rng.choice(SENTENCES).format(rng.choice(FINDINGS)) for _ in range(3)),
            diagnosis=rng.choice(NAMES),
            labels=rng.choice(LABELS),
            domain=rng.choice((Domain.RADIOLOGY, Domain.PATHOLOGY, None)),
            modality=rng.choice(("ct", "mr")),
        )
        for i in range(number)
    ]


def entries(cases: Sequence[Case], terms: Dictionary) -> list[Entry]:
    return [
        Entry(c, np.array([1.0, 0.0], np.float32), c.id, None, said, terms.fingerprint)
        for c, said in zip(cases, terms.recognise([c.text for c in cases]), strict=True)
    ]


def recount(cases: Sequence[Case], terms: Dictionary) -> dict[str, Prevalence]:
    """Every case read anew, one by one."""
    found = terms.recognise([c.text for c in cases])
    evidence = [Evidence("", c, NOWHERE, 0.0, 0.0, m) for c, m in zip(cases, found, strict=True)]
    rows = []
    for reading in read_cases(evidence, terms):
        by = {
            said: {c for c, s in reading.stated.items() if s.assertion is said}
            for said in (Assertion.AFFIRMED, Assertion.NEGATED)
        }
        affirmed, negated = by.values()
        affirmed |= {code for code, _, _ in diagnoses_of(reading, terms.concepts)}
        state = is_normal(reading)
        if state is not None:
            (affirmed if state else negated).add(NORMAL)
        rows.append((affirmed, negated))
    codes = {code for affirmed, negated in rows for code in affirmed | negated}
    return {
        code: Prevalence(
            sum(not group.isdisjoint(a) for a, _ in rows),
            sum(code in n and group.isdisjoint(a) for a, n in rows),
            len(rows),
        )
        for code in codes
        for group in [{code, *kinds(code, terms)}]
    }


def kinds(code: str, terms: Dictionary) -> tuple[str, ...]:
    return () if code.startswith(("diagnosis:", "state:")) else terms.concepts.descendants(code)


def counted(
    counts: CorpusCounts, terms: Dictionary, codes: Sequence[str], **asked: object
) -> dict[str, Prevalence]:
    groups = {code: (code, *kinds(code, terms)) for code in codes}
    query = Query("", where=asked.get("where"))  # type: ignore[arg-type]
    question = Question(query, Routing({}, asked.get("domain")), NOWHERE)  # type: ignore[arg-type]
    return dict(counts.prevalence(question, groups))


def test_a_case_is_called_by_its_diagnosis_and_by_its_labels(store, terms):
    cases = corpus(80, 5)
    store.add(entries(cases, terms))
    counts = CorpusCounts(store.occurrences, terms, terms.concepts)
    assert isinstance(counts, CaseNames)
    pneumonia = terms.concepts.find("pneumonia")
    called = counts.called([pneumonia])
    assert ("diagnosis", "Pneumonia; pleural effusion") in called
    assert ("labels", "pneumonia") in called
    assert len(set(called)) == len(called)
    for name, value in called:
        question = Question(Query("", where=f"{name} = '{value}'"), Routing({}, None), NOWHERE)
        rate = counts.prevalence(question, {"it": [pneumonia]})["it"]
        assert rate.affirmed > 0
    assert counts.called([terms.concepts.find("sarcoidosis")]) == []
    store.add(entries([Case(id="new", labels=("sarcoidosis",))], terms))
    assert counts.called([terms.concepts.find("sarcoidosis")]) == [("labels", "sarcoidosis")]


def test_what_a_deleted_case_was_called_is_forgotten(store, terms):
    gone = Case(id="gone", diagnosis="Sarcoidosis of Jane Roe", labels=("pneumonia",))
    store.add(entries([gone, Case(id="stays", labels=("pneumonia",))], terms))
    counts = CorpusCounts(store.occurrences, terms, terms.concepts)
    pneumonia = [terms.concepts.find("pneumonia")]
    assert counts.called(pneumonia) == [("labels", "pneumonia")]
    assert "Jane Roe" in remembered(counts)
    store.delete(["gone"])
    assert counts.called(pneumonia) == [("labels", "pneumonia")]
    assert "Jane Roe" not in remembered(counts)


class Untold(Occurrences):
    """A store that cannot tell what a write has changed."""

    def changes(self, since):
        changes = super().changes(since)
        return changes if changes.state == since else replace(changes, gone=None)


def test_where_no_changes_are_told_what_guides_a_search_may_be_a_moment_old(
    store, terms, monkeypatch
):
    store.add(entries([Case(id="old", labels=("pneumonia",))], terms))
    counts = CorpusCounts(Untold(store._asked), terms, terms.concepts)
    group = {"it": [terms.concepts.find("sarcoidosis")]}
    question = Question(Query(""), Routing({}, None), NOWHERE)
    assert counts.held(question, group)["it"].affirmed == 0
    store.add(entries([Case(id="new", labels=("sarcoidosis",))], terms))
    with monkeypatch.context() as patch:
        patch.setattr("mmedrag.answers.counts.LARGE", 0)
        assert counts.held(question, group)["it"].affirmed == 0
        assert counts.called(group["it"]) == []
        patch.setattr("mmedrag.answers.counts.RECENT", -1.0)
        assert counts.held(question, group)["it"].affirmed == 1
    assert counts.called(group["it"]) == [("labels", "sarcoidosis")]
    assert counts.prevalence(question, group)["it"].affirmed == 1


def remembered(counts: CorpusCounts) -> str:
    return repr([getattr(counts._kept.wordings, name) for name in ("_rows", "_said", "_of")])


@pytest.mark.parametrize("seed", range(4))
def test_counts_are_those_of_a_plain_recount(store, terms, seed):
    cases = corpus(80, seed)
    store.add(entries(cases, terms))
    counts = CorpusCounts(store.occurrences, terms, terms.concepts)
    assert isinstance(counts, CorpusStatistics)
    assert isinstance(store.occurrences, OccurrenceStore)
    for domain in (None, Domain.RADIOLOGY):
        for where in (None, "modality = 'ct'"):
            searched = [
                c for c in cases
                if domain in (None, c.domain) and (where is None or c.modality == "ct")
            ]  # fmt: skip
            plain = recount(searched, terms)
            assert len(plain) > 10
            assert counted(counts, terms, [*plain], domain=domain, where=where) == plain


def test_they_follow_the_store(store, terms):
    first, second = corpus(30, 7), corpus(20, 8)
    store.add(entries(first, terms))
    counts = CorpusCounts(store.occurrences, terms, terms.concepts)
    plain = recount(first, terms)
    assert counted(counts, terms, [*plain]) == plain
    store.add(entries(second, terms))
    store.delete([c.id for c in first[:15]])
    plain = recount([*first[15:], *second], terms)
    assert counted(counts, terms, [*plain]) == plain


def test_a_replaced_case_is_counted_as_it_is_now(store, terms):
    case = Case(id="a", text="Pneumothorax.")
    store.add(entries([case], terms))
    counts = CorpusCounts(store.occurrences, terms, terms.concepts)
    code = terms.recognise(["pneumothorax"])[0][0].concept
    assert counted(counts, terms, [code])[code] == Prevalence(1, 0, 1)
    store.add(entries([Case(id="a", text="No pneumothorax.")], terms))
    assert counted(counts, terms, [code])[code] == Prevalence(0, 1, 1)


def test_cases_that_nobody_has_read_are_not_counted(store, terms):
    read, unread = corpus(4, 1), corpus(3, 2)
    store.add(entries(read, terms))
    store.add([Entry(c, np.array([1.0, 0.0], np.float32), c.id, None) for c in unread])
    counts = CorpusCounts(store.occurrences, terms, terms.concepts)
    assert counted(counts, terms, [NORMAL])[NORMAL].of == len(read)


def test_a_filter_for_each_question_fills_no_memory(store, terms):
    store.add(entries(corpus(4, 3), terms))
    counts = CorpusCounts(store.occurrences, terms, terms.concepts)
    for i in range(3 * SCOPES):
        counted(counts, terms, [NORMAL], where=f"patient_id = 'p{i}'")
    assert len(counts._kept.counts) <= SCOPES
    assert len(counts._kept.searched) <= SCOPES


def test_a_filter_that_does_not_parse_is_refused(store, terms):
    counts = CorpusCounts(store.occurrences, terms, terms.concepts)
    with pytest.raises(FilterError):
        counted(counts, terms, [NORMAL], where="modality ==")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ("add", "add", "delete", "delete", "replace", "publish", "unread", "recognise",
             "rebuild", "look")
        ),
        st.integers(0, 30),
    ),
    min_size=4, max_size=9,
)  # fmt: skip


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_what_is_kept_is_what_would_be_counted_from_scratch(tmp_path_factory, terms, steps):
    path = tmp_path_factory.mktemp("kept") / "x"
    codes = [terms.concepts.find(name) for name in FINDINGS]
    with (
        Casebase.create(path, dim=2, fingerprint="f", preset="p") as writer,
        Casebase.open(path, readonly=True) as reader,
    ):
        kept = [CorpusCounts(one.occurrences, terms, terms.concepts) for one in (writer, reader)]
        for step, (doing, number) in enumerate(steps):
            if doing in ("add", "unread"):
                new = [replace(c, id=f"{step}-{c.id}") for c in corpus(3 + number % 5, number)]
                unread = [Entry(c, np.array([1.0, 0.0], np.float32), c.id, None) for c in new]
                writer.add(unread if doing == "unread" else entries(new, terms))
            elif doing == "replace":
                ids = [*writer.ids()][number % 3 :: 5]
                new = [replace(c, id=i) for i, c in zip(ids, corpus(len(ids), step), strict=True)]
                writer.add(entries(new, terms))
            elif doing == "delete":
                writer.delete([*writer.ids()][number % 4 :: 3])
            elif doing == "publish":
                writer.publish()
            elif doing == "recognise":
                writer.recognise(terms)
            elif doing == "rebuild":
                writer.rebuild(terms)
            scratch = CorpusCounts(writer.occurrences, terms, terms.concepts)
            for counts in kept[: 1 + (number % 2)]:
                asked = [*codes[number % 3 :], NORMAL][:: 1 + number % 2]
                for domain in (None, Domain.RADIOLOGY)[: 1 + number % 2]:
                    for where in (None, "modality = 'ct'"):
                        of = {"domain": domain, "where": where}
                        assert counted(counts, terms, asked, **of) == counted(
                            scratch, terms, asked, **of
                        )
                assert counts.called(codes) == scratch.called(codes)
                assert counts._kept.wordings._said.keys() == scratch._kept.wordings._said.keys()
