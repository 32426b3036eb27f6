"""Contracts of :class:`mmedrag.protocols.CaseIndex` and :class:`~mmedrag.protocols.CaseStore`.

Subclass one and say how the engine is made; pytest runs its laws. Two tiers: an exact index finds
the most similar cases, an approximate one a stated share of them (``recall``). Entries are drawn at
random, short, empty and repeated vectors among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mmedrag.errors import FilterError, MMedRAGError
from mmedrag.filters import parse
from mmedrag.protocols import CaseIndex, CaseStore
from mmedrag.testing.questions import question_of
from mmedrag.types import Case, Domain, Entry, Matrix, Query, Vector

DIM = 8
WORDS = ("effusion", "nodule", "fracture", "drusen", "mitosis", "normal", "left", "right", "ct")
FILTERS = (
    None,
    "modality = 'ct'",
    "modality != 'CT' and meta.age >= 40",
    "labels in ('a', 'b') or patient_id is null",
    "not (patient_id like 'p1%') and meta.age < 90",
    "id = 'nobody'",
)

contract = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.differing_executors]
)
store_contract = settings(contract, max_examples=8)


def unit(rng: np.random.Generator, dim: int = DIM) -> Vector:
    """A random direction."""
    v = rng.normal(size=dim)
    return np.asarray(v / np.linalg.norm(v), np.float32)


def entry(rng: np.random.Generator, case_id: str, dim: int = DIM) -> Entry:
    """A random case; its vector may be short or zero, as where a modality is absent."""
    case = Case(
        id=case_id,
        text=" ".join(rng.choice(WORDS, rng.integers(0, 6))),
        domain=[None, *Domain][rng.integers(4)],
        modality=str(rng.choice(["CT", "mr", ""])),
        patient_id=str(rng.choice(["p1", "p12", "p2", ""])),
        labels=tuple(sorted(set(rng.choice(["a", "b", "c"], rng.integers(0, 3)).tolist()))),
        meta={"age": int(rng.integers(100))},
    )
    length = rng.choice([0.0, 0.5, 1.0], p=[0.1, 0.2, 0.7])
    return Entry(case, (unit(rng, dim) * length).astype(np.float32), f"content-{case_id}", None)


def entries_of(seed: int, n: int, dim: int = DIM) -> list[Entry]:
    """Random entries with unique ids; about a fifth repeat the vector of another."""
    rng = np.random.default_rng(seed)
    made = [entry(rng, f"case-{i}", dim) for i in range(n)]
    for i in range(1, n):
        if rng.random() < 0.2:
            twin = made[rng.integers(i)].vector
            made[i] = Entry(made[i].case, twin, made[i].content, None)
    return made


def queries() -> st.SearchStrategy[tuple[Query, int, Domain | None, int]]:
    """``(query, k, domain, seed of the vector)``."""
    text = st.lists(st.sampled_from((*WORDS, "unheard", "the")), max_size=4).map(" ".join)
    query = st.builds(Query, text=text, where=st.sampled_from(FILTERS))
    domain = st.sampled_from([None, *Domain])
    return st.tuples(query, st.integers(0, 30), domain, st.integers(0, 2**32 - 1))


Search = tuple[Query, int, Domain | None, int]


class CaseIndexLaws:
    """Laws of section 3.4, stage 1, that every case index keeps."""

    def index_of(self, entries: Sequence[Entry]) -> AbstractContextManager[CaseIndex]:
        """The index under test, holding the entries; their vectors are ``DIM`` wide."""
        raise NotImplementedError

    def test_is_a_case_index(self) -> None:
        with self.index_of(entries_of(0, 3)) as index:
            assert isinstance(index, CaseIndex)

    @contract
    @given(st.integers(0, 2**32 - 1), st.integers(0, 40), queries())
    def test_hits_keep_the_laws(self, seed: int, n: int, search: Search) -> None:
        query, k, domain, vector_seed = search
        entries = entries_of(seed, n)
        stored = {e.case.id: e for e in entries}
        vector = unit(np.random.default_rng(vector_seed))
        before = vector.tobytes()
        with self.index_of(entries) as index:
            hits = index.search(question_of(query, vector, domain), k)
            again = index.search(question_of(query, vector, domain), k)
        assert len(hits) <= k
        assert len({hit.case.id for hit in hits}) == len(hits)
        assert [h.relevance for h in hits] == sorted((h.relevance for h in hits), reverse=True)
        assert [(h.case, h.relevance) for h in hits] == [(h.case, h.relevance) for h in again]
        assert vector.tobytes() == before
        for hit in hits:
            entry = stored[hit.case.id]
            assert hit.case == entry.case
            assert domain in (None, hit.case.domain)
            assert query.where is None or parse(query.where).matches(hit.case)
            np.testing.assert_array_equal(hit.vector, entry.vector)
            assert abs(hit.similarity - float(entry.vector @ vector)) < 1e-5

    def test_a_filter_that_does_not_parse_is_a_filter_error(self) -> None:
        with self.index_of(entries_of(0, 3)) as index:
            question = question_of(Query(where="colour = 'red'"), unit(np.random.default_rng(0)))
            with pytest.raises(FilterError):
                index.search(question, 5)


class CaseIndexContract(CaseIndexLaws):
    """The exact tier: all that match are found, and the most similar are among the first."""

    @contract
    @given(st.integers(0, 2**32 - 1), st.integers(0, 40), queries())
    def test_as_many_hits_as_match(self, seed: int, n: int, search: Search) -> None:
        query, k, domain, vector_seed = search
        entries = entries_of(seed, n)
        matching = _matching(entries, query, domain)
        with self.index_of(entries) as index:
            question = question_of(query, unit(np.random.default_rng(vector_seed)), domain)
            assert len(index.search(question, k)) == min(k, len(matching))

    def test_of_reports_that_say_the_same_the_most_similar_are_found(self) -> None:
        rng = np.random.default_rng(11)
        query = unit(rng)
        entries = [
            Entry(
                Case(id=f"{i:03d}", text="Drusen" if i < 250 else "Normal", domain=domain),
                _at(query, rng.uniform(-1.0, 0.3) if i < 250 else 0.4, rng),
                str(i),
                None,
            )
            for i, domain in enumerate(rng.choice([*Domain], 400).tolist())
        ]
        alike = [entry for entry in entries if entry.case.text == "Drusen"]
        with self.index_of(entries) as index:
            for domain in (None, Domain.RADIOLOGY):
                hits = index.search(question_of(Query(text="drusen"), query, domain), 20)
                found = {hit.case.id for hit in hits if hit.case.text == "Drusen"}
                those = [e for e in alike if domain in (None, e.case.domain)]
                those.sort(key=lambda e: -float(e.vector @ query))
                assert found == {e.case.id for e in those[: len(found)]}

    @contract
    @given(st.integers(0, 2**32 - 1), st.integers(0, 40), queries())
    def test_without_text_the_most_similar_are_found(
        self, seed: int, n: int, search: Search
    ) -> None:
        query, k, domain, vector_seed = search
        entries = entries_of(seed, n)
        vector = unit(np.random.default_rng(vector_seed))
        query = replace(query, text="")
        best = sorted(float(e.vector @ vector) for e in _matching(entries, query, domain))
        with self.index_of(entries) as index:
            hits = index.search(question_of(query, vector, domain), k)
        np.testing.assert_allclose(
            [h.similarity for h in hits], best[::-1][: len(hits)], rtol=0, atol=1e-5
        )


class ApproximateCaseIndexContract(CaseIndexLaws):
    """The approximate tier: of the ten most similar of ``size`` cases, ``recall`` are found.

    The cases lie in clusters, as those of a clinical corpus do; the queries lie near cases.
    """

    recall = 0.9
    """Share of the true ten, on average over the queries, that the engine's maker states."""

    size, queries, wide = 5_000, 100, 32

    def test_the_stated_recall_is_reached(self) -> None:
        rng = np.random.default_rng(0)
        centres = np.stack([unit(rng, self.wide) for _ in range(50)])
        entries = [
            Entry(Case(id=f"{i:05d}", domain=Domain.RADIOLOGY), near, str(i), None)
            for i, near in enumerate(_around(rng, centres[rng.integers(50, size=self.size)]))
        ]
        vectors = np.stack([entry.vector for entry in entries])
        shares = []
        with self.index_of(entries) as index:
            for vector in _around(rng, vectors[rng.integers(self.size, size=self.queries)]):
                similarities = vectors @ vector
                tenth = np.partition(similarities, -10)[-10]
                hits = index.search(question_of(Query(), vector), 10)
                shares.append(sum(h.similarity >= tenth - 1e-5 for h in hits) / 10)
        assert np.mean(shares) >= self.recall


class CaseStoreLaws(CaseIndexLaws):
    """Laws of every store: what is written is found, what is deleted is gone.

    Join it with a tier: ``class TestMine(CaseStoreLaws, CaseIndexContract)``.
    """

    def empty(self, dim: int) -> AbstractContextManager[CaseStore]:
        """A store without cases, for vectors of this length, closed at the end."""
        raise NotImplementedError

    def reopened(self, store: CaseStore) -> AbstractContextManager[CaseStore]:
        """The same store after it was closed; what it held must be there."""
        raise NotImplementedError

    @contextmanager
    def index_of(self, entries: Sequence[Entry]) -> Iterator[CaseStore]:
        """The entries, written and published."""
        with self.empty(len(entries[0].vector) if entries else DIM) as store:
            store.add(entries)
            store.publish()
            yield store

    def test_is_a_case_store(self) -> None:
        with self.empty(DIM) as store:
            assert isinstance(store, CaseStore)
            assert store.fingerprint == store.fingerprint
            assert list(store.notices) == []
            assert store.count() == 0

    @store_contract
    @given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.booleans())
    def test_what_is_added_is_found(self, seed: int, n: int, published: bool) -> None:
        entries = entries_of(seed, n)
        with self.index_of(entries[: n // 2]) as store:
            store.add(entries[n // 2 :])
            if published:
                store.publish()
            assert store.count() == n
            everything = question_of(Query(), unit(np.random.default_rng(seed)))
            assert {h.case.id for h in store.search(everything, n)} == {e.case.id for e in entries}
            for entry in entries:
                assert store.get(entry.case.id) == entry.case
            contents = [e.content for e in entries]
            kept = store.vectors_by_content([*contents, "unknown"])
            assert set(kept) == set(contents)
            for entry in entries:
                np.testing.assert_array_equal(kept[entry.content], entry.vector)

    @store_contract
    @given(st.integers(0, 2**32 - 1), st.booleans())
    def test_an_entry_replaces_that_of_the_same_id(self, seed: int, published: bool) -> None:
        entries = entries_of(seed, 8)
        new = entry(np.random.default_rng(seed + 1), entries[3].case.id)
        with self.index_of(entries) as store:
            store.add([new])
            if published:
                store.publish()
            assert store.count() == 8
            assert store.get(new.case.id) == new.case
            hits = store.search(question_of(Query(), unit(np.random.default_rng(seed))), 20)
            assert [h.case for h in hits if h.case.id == new.case.id] == [new.case]

    @store_contract
    @given(st.integers(0, 2**32 - 1), st.sets(st.integers(0, 11)), st.booleans())
    def test_what_is_deleted_is_gone(self, seed: int, gone: set[int], published: bool) -> None:
        entries = entries_of(seed, 12)
        ids = [entries[i].case.id for i in sorted(gone)]
        with self.index_of(entries) as store:
            assert store.delete([*ids, "nobody"]) == len(ids)
            if published:
                store.publish()
            assert store.count() == 12 - len(ids)
            assert [store.get(case_id) for case_id in ids] == [None] * len(ids)
            hits = store.search(question_of(Query(), unit(np.random.default_rng(seed))), 20)
            assert {h.case.id for h in hits} == {e.case.id for e in entries} - set(ids)

    def test_all_or_nothing_is_written(self) -> None:
        entries = entries_of(5, 6)
        broken = replace(entries[4], vector=np.full(DIM, np.nan, np.float32))
        with self.index_of(entries[:2]) as store:
            with pytest.raises(MMedRAGError):
                store.add([entries[2], entries[3], broken, entries[5]])
            assert store.count() == 2
            assert store.get(entries[2].case.id) is None

    def test_previews_are_kept(self) -> None:
        entries = entries_of(6, 3)
        shown = replace(entries[1], thumbnail=JPEG)
        with self.index_of([entries[0], shown, entries[2]]) as store:
            assert store.preview(shown.case.id) == JPEG
            assert store.preview(entries[0].case.id) is None
            assert store.preview("nobody") is None

    def test_what_was_written_survives_the_store(self) -> None:
        entries = entries_of(7, 10)
        question = question_of(Query(), unit(np.random.default_rng(7)))
        with self.index_of(entries[:6]) as store:
            store.add(entries[6:])
            store.delete([entries[0].case.id])
            before = [(h.case, h.similarity) for h in store.search(question, 20)]
            store.close()
            store.close()  # a second time changes nothing
            with self.reopened(store) as again:
                assert again.fingerprint == store.fingerprint
                assert again.count() == 9
                assert [(h.case, h.similarity) for h in again.search(question, 20)] == before


def _at(query: Vector, cosine: float, rng: np.random.Generator) -> Vector:
    """A random direction with this cosine to the query."""
    away = unit(rng)
    away = away - (away @ query) * query
    away /= np.linalg.norm(away)
    return np.asarray(cosine * query + (1 - cosine**2) ** 0.5 * away, np.float32)


def _matching(entries: Sequence[Entry], query: Query, domain: Domain | None) -> list[Entry]:
    condition = parse(query.where) if query.where else None
    return [
        e
        for e in entries
        if domain in (None, e.case.domain) and (condition is None or condition.matches(e.case))
    ]


def _around(rng: np.random.Generator, points: Matrix) -> Matrix:
    """A unit vector near each point, ``(n, dim)``."""
    noise = rng.normal(scale=0.35 / points.shape[1] ** 0.5, size=points.shape)
    moved = points + noise
    return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), np.float32)


def _jpeg() -> bytes:
    buffer = BytesIO()
    Image.new("L", (8, 8), 128).save(buffer, "JPEG")
    return buffer.getvalue()


JPEG = _jpeg()
