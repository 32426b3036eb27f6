"""PostgreSQL under the contracts of case stores, and beside a casebase that holds the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedrag.backends.postgres import PostgresStore
from mmedrag.casebase import Casebase
from mmedrag.definitions import glossary
from mmedrag.definitions.expansion import ConceptExpander
from mmedrag.entailment import NORMAL
from mmedrag.errors import CasebaseDamaged, CasebaseError, EncoderMismatch
from mmedrag.protocols import OccurrenceStore
from mmedrag.stores import CaseDatabase
from mmedrag.testing.case_index import (
    DIM,
    JPEG,
    ApproximateCaseIndexContract,
    CaseIndexContract,
    entries_of,
    queries,
    unit,
)
from mmedrag.testing.questions import question_of
from mmedrag.types import Assertion, Case, Criterion, Domain, Entry, Kind, Query
from postgres_laws import TABLES, OnServer, made
from proofs import examples


class TestExactly(OnServer, CaseIndexContract):
    """The exact tier: whatever is let in is compared."""


class TestByIndex(OnServer, ApproximateCaseIndexContract):
    """The approximate tier: HNSW, which a scan of no case at all leads to."""

    scan = 0
    recall = 0.95

    def test_the_index_is_used(self) -> None:
        with self.index_of(entries_of(1, 30)) as store:
            assert store.info()["vector_indexes"] == 4


def drawn(seed: int, n: int) -> list[Entry]:
    """Entries whose reports were read, and some previews."""
    reports = [
        "Large left pleural effusion. No pneumothorax.",
        "No pleural effusion. Right lower lobe consolidation.",
        "Effusions and cardiomegaly; possible pneumonia.",
        "Hard exudates and drusen at the macula.",
        "Normal.",
        "",
    ]
    rng = np.random.default_rng(seed)
    entries = entries_of(seed, n)
    texts = [str(rng.choice(reports)) for _ in entries]
    found = glossary().recognise(texts)
    return [
        replace(e, case=replace(e.case, text=text, diagnosis=str(rng.choice(["", "pneumonia"]))),
                mentions=mentions, recogniser=glossary().fingerprint,
                thumbnail=JPEG if i % 5 == 0 else None)
        for i, (e, text, mentions) in enumerate(zip(entries, texts, found, strict=True))
    ]  # fmt: skip


@pytest.fixture(scope="module")
def pair(server, tmp_path_factory) -> Iterator[tuple[Casebase, PostgresStore]]:
    """The same cases in a casebase and on the server, some replaced and deleted."""
    path = tmp_path_factory.mktemp("pair") / "cases"
    with (
        Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase,
        made(f"{server.url}?schema=pair") as store,
    ):
        for one in (casebase, store):
            one.relate(glossary().concepts)
            one.add(drawn(1, 80))
            one.publish()
            one.add(drawn(2, 20))
            one.delete(["case-25", "case-30"])
        yield casebase, store


def told(hits):
    return [(h.case, h.relevance, h.similarity, h.mentions, h.recogniser) for h in hits]


ABNORMAL = "not normal"
WORDS = ("left pleural effusion", "no effusion", "drusen", "pneumonia and cardiomegaly", "unheard",
         ABNORMAL)  # fmt: skip
STATED = (None, "affirms = 'pleural effusion'", "rules_out = 'pneumothorax'", "rules_out is null",
          "affirms like 'cardio%' or diagnosis = 'pneumonia'")  # fmt: skip


@settings(max_examples=examples(60), deadline=None)
@given(queries(), st.sampled_from(WORDS) | st.none(), st.sampled_from(STATED))
def test_it_finds_what_a_casebase_finds(pair, search, text, where) -> None:
    query, k, domain, seed = search
    query = replace(query, text=query.text if text is None else text, where=where or query.where)
    question = question_of(query, unit(np.random.default_rng(seed)), domain)
    (mentions,) = glossary().recognise([query.text])
    question = replace(question, mentions=mentions)
    expander = ConceptExpander(glossary().concepts)
    wanted = expander.criteria(question)
    if text == ABNORMAL:
        wanted = (Criterion(Assertion.NEGATED, NORMAL),)
    question = replace(question, criteria=wanted, synonyms=expander.synonyms(question))
    casebase, store = pair
    assert told(store.search(question, k)) == told(casebase.search(question, k))


def test_it_says_what_a_casebase_says(pair) -> None:
    casebase, store = pair
    assert isinstance(store, CaseDatabase)
    assert list(store.ids()) == list(casebase.ids())
    assert list(store.cases()) == list(casebase.cases())
    assert store.domains() == casebase.domains()
    assert store.affirmed() == casebase.affirmed()
    assert store.recognisers() == casebase.recognisers()
    assert list(store.recognised("other")) == list(casebase.recognised("other"))
    source = glossary().fingerprint
    assert list(store.recognised(source)) == list(casebase.recognised(source))
    assert store.unrecognised(source) == casebase.unrecognised(source) == 0
    for word in ("effusion", "effusions", "unheard", "a b", "", "the"):
        assert store.frequency(word) == casebase.frequency(word)
    for word, meant in (("efusion", {"effusion", "effusions"}), ("dursen", {"drusen"})):
        assert set() < {*store.similar(word)} <= meant
    assert store.similar("") == store.similar("the") == store.similar("xylophone") == {}
    for where in (None, "modality = 'ct'", "affirms = 'pleural effusion'"):
        for domain in (None, Domain.RADIOLOGY):
            facets = store.facets(where=where, domain=domain)
            assert facets == casebase.facets(where=where, domain=domain)


def test_it_counts_what_a_casebase_counts(pair) -> None:
    casebase, store = (one.occurrences for one in pair)
    assert isinstance(store, OccurrenceStore)
    ids = {}
    for one, occurrences in zip(pair, (casebase, store), strict=True):
        rows = occurrences.read_by(glossary().fingerprint, None, None).tolist()
        ids[occurrences] = dict(zip(rows, one.ids(), strict=True))

    def named(occurrences, rows):
        return {ids[occurrences][row] for row in rows.tolist()}

    concepts = {m.concept for m in pair[0].affirmed()}
    assert concepts
    for work in (
        lambda o: o.occurring(concepts, Assertion.NEGATED),
        lambda o: o.undisputed(concepts),
        lambda o: o.read_by(glossary().fingerprint, Domain.RADIOLOGY, "modality = 'ct'"),
        lambda o: o.read_by("other", None, None),
    ):
        assert named(store, work(store)) == named(casebase, work(casebase))
    assert store.concepts_of([Kind.FINDING]) == casebase.concepts_of([Kind.FINDING])
    assert sorted((f, value, named(store, rows)) for f, value, rows in store.names()) == sorted(
        (f, value, named(casebase, rows)) for f, value, rows in casebase.names()
    )
    (*_, first, last) = store.read_by(glossary().fingerprint, None, None).tolist()
    for above in (
        store.occurring(concepts, Assertion.NEGATED, first),
        store.undisputed(concepts, first),
        store.read_by(glossary().fingerprint, None, None, first),
        *(rows for _, _, rows in store.names(first)),
    ):
        assert {*above.tolist()} <= {last}
    before = store.changes(None)
    assert before.gone is None
    assert before.last == last
    assert not len(store.changes(before.state).gone)
    pair[1].set("a", "b")
    assert store.changes(before.state).gone is None


def test_entries_come_back_as_they_were(url) -> None:
    entries = drawn(4, 20)
    with made(url) as store:
        store.add(entries)
        found = list(store.entries())
        assert [e.case.id for e in store.entries(["case-3", "nobody", "case-1"])] == [
            "case-1", "case-3",
        ]  # fmt: skip
        assert store.verify() == []
    for one, other in zip(found, entries, strict=True):
        for field in ("case", "content", "thumbnail", "mentions", "recogniser"):
            assert getattr(one, field) == getattr(other, field)
        np.testing.assert_array_equal(one.vector, other.vector)


def test_all_is_derived_again(url) -> None:
    with made(url) as store:
        store.add([replace(e, mentions=None, recogniser="") for e in drawn(5, 30)])
        store.delete(["case-3"])
        before = [store.frequency("effusion"), store.count()]
        assert store.unrecognised(glossary().fingerprint) == 29
        store.rebuild(glossary())
        assert store.unrecognised(glossary().fingerprint) == 0
        assert [store.frequency("effusion"), store.count()] == before
        assert store.unerased() == {"deleted cases in the tables": 1}
        assert store.erase() == store.unerased() == {}
        assert store.verify() == []


def test_nothing_of_a_deleted_case_is_in_the_tables(url, server) -> None:
    secret = Case(id="secret-id", text="zebraword effusion", patient_id="secret-patient",
                  meta={"note": "secret-note"}, domain=Domain.RADIOLOGY)  # fmt: skip
    (mentions,) = glossary().recognise([secret.text])
    with made(url) as store:
        store.add(entries_of(1, 3))
        entry = Entry(secret, unit(np.random.default_rng(0)), "secret-content", JPEG + b"secret",
                      mentions, "secret-source")  # fmt: skip
        store.add([entry])
        assert store.delete(["secret-id"]) == 1
    schema = url.rpartition("=")[2]
    with psycopg.connect(server.url) as connection:
        connection.execute(f"SET search_path TO {schema}, public")
        for table in [*TABLES.split(", "), "settings", "writes"]:
            for row in connection.execute(f"SELECT * FROM {table}"):
                assert "secret" not in str(row)
                assert "zebraword" not in str(row)


def test_settings_are_kept(url) -> None:
    with made(url, colour="red") as store:
        store.set("a", "1")
        store.set("a", "2")
        assert store.settings == {"colour": "red", "a": "2"}
        assert store.take_setting("a") == "2"
        assert store.take_setting("a") is None
        for key in ("dim", "token"):
            with pytest.raises(CasebaseError, match="own"):
                store.set(key, "1")
    with PostgresStore.open(url, readonly=True) as store:
        assert store.settings == {"colour": "red"}
        with pytest.raises(CasebaseError, match="reading only"):
            store.add(entries_of(0, 1))


def test_what_cannot_be_stored_is_named_and_nothing_is_written(url) -> None:
    good, bad = entries_of(3, 2)
    unpacked = np.random.default_rng(0).bytes(9_000).hex()  # too long for an index
    with made(url) as store:
        for wrong, message in (
            (replace(bad, case=replace(bad.case, text="a\0b")), "NUL"),
            (replace(bad, vector=bad.vector[:3]), "shape"),
            (replace(bad, case=replace(bad.case, id=unpacked)), "too long|exceeds"),
        ):
            with pytest.raises(CasebaseError, match=message):
                store.add([good, wrong])
        assert store.count() == 0
        assert store.verify() == []
        with pytest.raises(EncoderMismatch):
            store.search(question_of(Query("a"), np.ones(3, np.float32)), 1)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE cases SET text = 'other' WHERE id = 'case-1'", "'case-1' fails its checksum"),
        ("UPDATE vectors SET embedding = embedding + embedding", "fails its checksum"),
        ("DELETE FROM vectors WHERE row = 1", "has no vector"),
        ("UPDATE mentions SET assertion = 'negated' WHERE assertion = 'affirmed'", "mentions of"),
        ("DELETE FROM previews", "preview of case 'case-0' is missing"),
        ("UPDATE previews SET jpeg = 'x'", "is damaged"),
        ("UPDATE lexicon SET cases = cases + 1", "lexicon"),
        ("UPDATE state SET words = words + 1", "table state"),
        ("UPDATE cases SET stems = 'zebra:1' WHERE id = 'case-2'", "words of case 'case-2'"),
        ("DELETE FROM attributes WHERE row = 3", "values of case 'case-2'"),
        ("DELETE FROM writes", ""),
        ("UPDATE state SET epoch = epoch + 1", "every write"),
    ],
)
def test_damage_is_found(url, server, damage, found) -> None:
    with made(url) as store:
        store.add(drawn(1, 12))
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"SET search_path TO {url.rpartition('=')[2]}, public")
            connection.execute(damage)
        problems = store.verify()
        assert any(found in problem for problem in problems) if found else problems == []


def test_a_damaged_case_is_not_given_out(url, server) -> None:
    with made(url) as store:
        store.add(drawn(1, 5))
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"SET search_path TO {url.rpartition('=')[2]}, public")
            connection.execute("UPDATE cases SET text = text || '!'")
        question = question_of(Query(), unit(np.random.default_rng(0)))
        for work in (lambda: store.get("case-0"), lambda: store.search(question, 1),
                     lambda: list(store.entries())):  # fmt: skip
            with pytest.raises(CasebaseDamaged, match="checksum"):
                work()


def test_lost_writes_are_noticed_and_nothing_is_written_after_them(url, server) -> None:
    with made(url) as store:
        store.add(drawn(1, 5))
        store.add(drawn(2, 2))
    with psycopg.connect(server.url, autocommit=True) as connection:  # an older copy is restored
        connection.execute(f"SET search_path TO {url.rpartition('=')[2]}, public")
        connection.execute("DELETE FROM writes WHERE epoch = 2")
        connection.execute("UPDATE state SET epoch = 1")
    with PostgresStore.open(url) as store:
        assert "1 acknowledged writes are lost" in store.notices[0]
        assert store.count() == 5
        with pytest.raises(CasebaseDamaged, match="lost"):
            store.add(drawn(3, 1))
        store.rebuild()
        store.add(drawn(3, 1))
    with PostgresStore.open(url) as store:
        assert store.notices == []
