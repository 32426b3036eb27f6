"""FAISS, rows added since, deletions, filters and words: judged by the exact numpy index."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_folder import FAST
from mmedrag.casebase import Casebase, Entry
from mmedrag.casebase.exact import ExactIndex, ExactRows, nearest
from mmedrag.errors import EncoderMismatch, FilterError, QueryError
from mmedrag.protocols import CaseIndex
from mmedrag.testing.case_index import DIM, FILTERS, CaseIndexContract, entries_of, unit
from mmedrag.testing.questions import question_of
from mmedrag.types import Case, Domain, Query
from proofs import examples

faiss.omp_set_num_threads(1)  # two threads that wait for each other are slower on a busy machine


@contextmanager
def casebase_of(entries, dim=DIM):
    """A new casebase that holds the entries, not yet published."""
    with TemporaryDirectory(dir=FAST) as folder:
        path = Path(folder) / "cases"
        with Casebase.create(path, dim=dim, fingerprint="f", preset="p") as made:
            made.add(entries)
            yield made


def exact_of(entries):
    vectors = [e.vector for e in entries]
    return ExactIndex([e.case for e in entries], np.array(vectors).reshape(len(entries), -1))


def said(hits):
    return [h.case.id for h in hits], np.array([h.similarity for h in hits])


def agree(index, judge, query, vector, k, domain):
    found, similarities = said(index.search(question_of(query, vector, domain), k))
    expected, judged = said(judge.search(question_of(query, vector, domain), k))
    assert found == expected
    np.testing.assert_allclose(similarities, judged, atol=1e-5)


class TestExactIndex(CaseIndexContract):
    @contextmanager
    def index_of(self, entries):
        vectors = np.array([e.vector for e in entries], np.float32).reshape(-1, DIM)
        yield ExactIndex([e.case for e in entries], vectors)


class TestFreshCasebase(CaseIndexContract):
    @contextmanager
    def index_of(self, entries):
        with casebase_of(entries) as made:
            assert isinstance(made, CaseIndex)
            yield made


class TestPublishedCasebase(CaseIndexContract):
    @contextmanager
    def index_of(self, entries):
        with casebase_of(entries) as made:
            made.publish()
            yield made


class TestInvertedListsWithFreshRowsAndDeletions(CaseIndexContract):
    @contextmanager
    def index_of(self, entries):
        more = [
            Entry(Case(id=f"gone-{e.case.id}", domain=e.case.domain), e.vector, "", None)
            for e in entries
        ]
        half = len(entries) // 2
        with casebase_of([*more, *entries[:half]]) as made:
            made.publish("IVF2,SQ8")
            made.delete([e.case.id for e in more])
            made.add(entries[half:])
            yield made


def test_a_publication_changes_no_answer_to_a_text():
    """However many indexes a search goes through, it joins the 100 most similar cases."""
    entries = entries_of(4, 600)
    rng = np.random.default_rng(5)
    texts = ("effusion", "left nodule", "drusen mitosis", "normal ct fracture right")
    questions = [question_of(Query(text), unit(rng)) for text in texts for _ in range(4)]
    with casebase_of(entries) as made:
        before = [[(h.case.id, h.relevance) for h in made.search(q, 200)] for q in questions]
        made.publish()
        after = [[(h.case.id, h.relevance) for h in made.search(q, 200)] for q in questions]
    assert after == before


@pytest.mark.parametrize("key", ["auto", "Flat", "IVF8,SQ8", "IVF8,Flat", "HNSW16", "SQ8"])
def test_every_index_kind_agrees_with_numpy_whatever_is_deleted_or_filtered(key):
    entries = entries_of(1, 600, dim=16)
    rng = np.random.default_rng(2)
    with casebase_of(entries[:500], dim=16) as made:
        made.publish(key)
        made.add(entries[500:])
        gone = {e.case.id for e in entries[::7]}
        assert made.delete(sorted(gone)) == len(gone)
        judge = exact_of([e for e in entries if e.case.id not in gone])
        exact = key in ("auto", "Flat")
        for where in FILTERS:
            for domain in (None, *Domain):
                query = Query(where=where)
                vector = unit(rng, 16)
                if exact or where:
                    agree(made, judge, query, vector, 10, domain)
                else:
                    found, _ = said(made.search(question_of(query, vector, domain), 10))
                    expected, _ = said(judge.search(question_of(query, vector, domain), 10))
                    assert len(set(found) & set(expected)) >= 7


@pytest.mark.parametrize("publish", [False, True])
def test_ties_are_broken_by_id_even_at_the_cut(publish):
    rng = np.random.default_rng(3)
    vector = unit(rng)
    entries = [
        Entry(Case(id=f"{i:03d}", domain=Domain.RADIOLOGY), vector, "", None)
        for i in rng.permutation(150)
    ]
    with casebase_of(entries) as made:
        if publish:
            made.publish()
        hits = made.search(question_of(Query(), vector, Domain.RADIOLOGY), 20)
    assert [h.case.id for h in hits] == [f"{i:03d}" for i in range(20)]


def test_a_new_case_is_found_and_a_deleted_one_is_gone_at_once():
    entries = entries_of(4, 20)
    new = Entry(Case(id="new", text="zebra"), unit(np.random.default_rng(5)), "", None)
    with casebase_of(entries) as made:
        made.publish()
        made.add([new])
        assert made.search(question_of(Query(), new.vector), 1)[0].case.id == "new"
        assert "new" in said(made.search(question_of(Query(text="zebra"), -new.vector), 40))[0]
        made.publish()
        made.delete(["new"])
        assert "new" not in said(made.search(question_of(Query(text="zebra"), new.vector), 40))[0]


def test_a_word_finds_its_case_and_the_hit_has_its_cosine():
    entries = entries_of(6, 300)
    rare = Entry(
        Case(id="rare", text="Pneumothoraces seen"), -unit(np.random.default_rng(7)), "", None
    )
    query = unit(np.random.default_rng(7))
    with casebase_of([*entries, rare]) as made:
        hits = made.search(question_of(Query(text="pneumothorax? the pneumothoraces"), query), 400)
        found = {h.case.id: h for h in hits}
        assert found["rare"].similarity == pytest.approx(-1.0, abs=1e-5)
        wordless = said(made.search(question_of(Query(text="the of and"), query), 10))[0]
        assert wordless == said(made.search(question_of(Query(), query), 10))[0]


@pytest.mark.parametrize("one_by_one", [0, 1_000_000])
def test_rows_that_sql_names_are_found_one_by_one_and_by_a_pass(monkeypatch, one_by_one):
    monkeypatch.setattr("mmedrag.casebase.generations._PASS", one_by_one)
    with casebase_of(entries := entries_of(3, 40)) as casebase:
        casebase.publish()
        casebase.delete([entries[7].case.id])
        for asked in ((), (1,), (0, 7, 8, 39), range(40)):
            ids = [entries[i].case.id for i in asked] or ["nobody"]
            names = ", ".join(f"'{name}'" for name in ids)
            question = question_of(Query(where=f"id in ({names})"), entries[0].vector)
            found = {hit.case.id for hit in casebase.search(question, 50)}
            assert found == {*ids} - {"nobody", entries[7].case.id}


def test_words_do_not_lead_out_of_the_domain_or_the_filter():
    entries = [
        Entry(
            Case(id=f"{d}-{m}", text="drusen", domain=d, modality=m),
            unit(np.random.default_rng(i)),
            "",
            None,
        )
        for i, (d, m) in enumerate((d, m) for d in (*Domain, None) for m in ("oct", "fundus"))
    ]
    query = Query(text="drusen", where="modality = 'oct'")
    with casebase_of(entries) as made:
        for domain in Domain:
            hits = made.search(question_of(query, entries[0].vector, domain), 10)
            assert [h.case.id for h in hits] == [f"{domain}-oct"]
        assert len(made.search(question_of(query, entries[0].vector), 10)) == 4


@settings(deadline=None, max_examples=examples(150))
@given(st.text(max_size=80), st.data())
def test_no_text_breaks_the_word_search(casebase_of_words, text, data):
    syntax = data.draw(
        st.sampled_from(['"', "*", "AND", "NEAR(", "col:", "^", "(", "'; DROP", "-"])
    )
    query = Query(text=text + syntax + " nodule " + syntax + text)
    hits = casebase_of_words.search(question_of(query, unit(np.random.default_rng(0))), 5)
    assert len(hits) == 5


@pytest.fixture(scope="module")
def casebase_of_words():
    with casebase_of(entries_of(8, 30)) as made:
        yield made


def test_a_whole_report_can_be_the_query(casebase_of_words):
    text = " ".join(f"word{i}" for i in range(5000)) + " nodule" + "x" * 100_000
    assert (
        len(
            casebase_of_words.search(
                question_of(Query(text=text), unit(np.random.default_rng(0))), 5
            )
        )
        == 5
    )


def test_queries_that_cannot_be_answered_are_refused(casebase_of_words):
    vector = unit(np.random.default_rng(0))
    with pytest.raises(EncoderMismatch, match="shape"):
        casebase_of_words.search(question_of(Query(), vector[:4]), 5)
    with pytest.raises(QueryError, match="finite"):
        casebase_of_words.search(question_of(Query(), vector * np.nan), 5)
    with pytest.raises(FilterError):
        casebase_of_words.search(question_of(Query(where="colour = 'red'"), vector), 5)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=60), st.integers(1, 20))
def test_nearest_holds_the_best_and_their_ties(values, k):
    scores = np.array(values, np.float32)
    kept = set(nearest(scores, k, 1000).tolist())
    floor = sorted(values, reverse=True)[min(k, len(values)) - 1]
    assert kept == {i for i, v in enumerate(values) if v >= floor}
    assert min(k, len(values)) <= len(nearest(scores, k, k)) <= max(k, 1)


def test_exact_rows_grow_and_forget():
    rows = ExactRows(2)
    for i in range(50):
        rows.append(np.array([2 * i]), np.array([[i / 50, 0]], np.float32))
    alive = rows.rows != 98
    best = rows.search(np.array([1, 0], np.float32), 1, 1, alive)
    assert rows.rows[best].tolist() == [96]


def sqlite_scores(casebase, asked):
    """BM25 of SQLite's FTS5 over the same texts, by id."""
    with closing(sqlite3.connect(":memory:")) as connection:
        return scores_of(connection, casebase, asked)


def scores_of(connection, casebase, asked):
    connection.execute(
        "CREATE VIRTUAL TABLE words USING fts5 (id UNINDEXED, text, "
        "tokenize='porter unicode61 remove_diacritics 2')"
    )
    cases = [(case.id, case.text) for case in casebase.cases()]
    connection.executemany("INSERT INTO words VALUES (?, ?)", cases)
    sql = "SELECT id, -bm25(words) FROM words WHERE words MATCH ?"
    return dict(connection.execute(sql, [" OR ".join(asked) or '""']).fetchall())


def our_scores(casebase, asked):
    with casebase._access.now() as snapshot:
        positions, scores = snapshot._lexicon.match(" ".join(asked), snapshot.members.alive)
        ids = casebase._access.database.ids(np.sort(snapshot.members.rows_at(positions)))
        return {
            ids[row]: score
            for row, score in zip(snapshot.members.rows_at(positions).tolist(), scores, strict=True)
        }


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["effusions", "nodule", "left", "Fracture", "CT"]), unique=True))
def test_bm25_is_that_of_sqlite(casebase_of_words, asked):
    assert our_scores(casebase_of_words, asked) == pytest.approx(
        sqlite_scores(casebase_of_words, asked), rel=1e-9
    )


def test_bm25_follows_writes_and_a_publication_changes_nothing():
    entries = entries_of(31, 40)
    with casebase_of(entries[:20]) as made:
        for write in (
            lambda: None,
            lambda: made.add(entries[20:]),
            lambda: made.delete([e.case.id for e in entries[5:30]]),
            made.publish,
            lambda: made.add(
                [Entry(Case(id="long", text="nodule " * 300), entries[0].vector, "", None)]
            ),
            lambda: made.delete([e.case.id for e in entries[:3]]),
            made.publish,
        ):
            write()
            expected = sqlite_scores(made, ["nodule", "left"])
            assert our_scores(made, ["left", "nodule"]) == pytest.approx(expected, rel=1e-9)


def test_in_a_large_casebase_the_commonest_words_are_left_out(monkeypatch):
    monkeypatch.setattr("mmedrag.casebase.lexical.POSTINGS", 12)
    texts = ["common rare"] * 4 + ["common"] * 30
    vector = unit(np.random.default_rng(0))
    entries = [
        Entry(Case(id=f"{i:02d}", text=text), vector * 0, "", None) for i, text in enumerate(texts)
    ]
    with casebase_of(entries) as made:
        hits = made.search(question_of(Query(text="common rare"), vector), 4)
        assert [h.case.id for h in hits] == ["00", "01", "02", "03"]
        alone = made.search(question_of(Query(text="common"), vector), 40)
        assert len(alone) == 34


def test_a_diagnosis_is_stored_with_its_case():
    case = Case(id="a", diagnosis="Glioma", meta={"diagnosis": "Oedema"})
    with casebase_of([Entry(case, np.ones(DIM, np.float32) / DIM, "", None)]) as made:
        assert made.get("a") == case


def test_of_common_words_alone_deletions_leave_the_rarest(monkeypatch):
    monkeypatch.setattr("mmedrag.casebase.lexical.POSTINGS", 20)
    rng = np.random.default_rng(0)
    texts = [f"{'oedema ' * (i < 70)}{'fracture' * (i > 50)}" for i in range(120)]
    entries = [
        Entry(Case(id=f"{i}", text=text), unit(rng), "", None) for i, text in enumerate(texts)
    ]
    with casebase_of(entries) as made:
        made.publish()
        made.delete([f"{i}" for i in range(20)])  # there were more of oedema before
        question = question_of(Query(text="oedema fracture"), entries[100].vector)
        before = [(h.case.id, h.relevance) for h in made.search(question, 100)]
        made.publish()
        assert [(h.case.id, h.relevance) for h in made.search(question, 100)] == before


def test_words_that_no_report_holds_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("mmedrag.casebase.remembered._BYTES", 50_000)
    monkeypatch.setattr("mmedrag.casebase.lexical._NUMBERS", 100)
    entries = entries_of(37, 20)
    with casebase_of(entries) as made:
        made.publish()
        made.delete([entries[0].case.id])
        for i in range(20):
            text = " ".join(f"w{i}x{j}" for j in range(50))
            assert made.search(question_of(Query(text=text), entries[1].vector), 3)
        lexicon = made._access._reader._snapshot._lexicon
        assert len(lexicon._weights._found) <= 100
        assert len(lexicon._numbers) <= 100
