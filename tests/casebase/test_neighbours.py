"""The kept neighbours are the nearest there are, whatever was added, deleted or damaged."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_folder import FAST
from mmedrag.casebase import Casebase, Entry
from mmedrag.casebase.neighbours import NEIGHBOURS, nearest_of
from mmedrag.errors import QueryError
from mmedrag.expansion import NearQuestion, OverNeighbours
from mmedrag.protocols import NeighbourIndex
from mmedrag.testing.case_index import (
    DIM,
    FILTERS,
    CaseIndexLaws,
    entries_of,
    unit,
)
from mmedrag.testing.questions import question_of
from mmedrag.types import Case, Domain, Query


@contextmanager
def casebase_of(entries, dim=DIM):
    with (
        TemporaryDirectory(dir=FAST) as folder,
        Casebase.create(Path(folder) / "c", dim=dim, fingerprint="f", preset="p") as made,
    ):
        made.add(entries)
        yield made


def kept(casebase):
    """The generation, and the lists that it holds."""
    with casebase._access.now() as snapshot:
        generation = snapshot._generation
        lists = generation.neighbours.span(0, len(generation.rows))
        return generation, lists


def are_the_nearest(casebase):
    """Each list against all inner products of its domain; any of ties may stand at its end."""
    generation, lists = kept(casebase)
    vectors = generation.vectors.span().astype(np.float64)
    for shard in generation.shards.values():
        inside = np.arange(shard.start, shard.stop)
        values = vectors[inside] @ vectors[inside].T
        np.fill_diagonal(values, -np.inf)
        best = -np.sort(-values, axis=1)[:, :NEIGHBOURS]
        width = min(best.shape[1], len(inside) - 1)
        near, nearness = lists.positions[inside], lists.nearness[inside]
        np.testing.assert_allclose(nearness[:, :width], best[:, :width], atol=2e-7)
        assert (near[:, width:] == -1).all()
        for row, (listed, said) in enumerate(zip(near[:, :width], nearness, strict=True)):
            assert len(set(listed.tolist())) == width
            np.testing.assert_allclose(values[row, listed - shard.start], said[:width], atol=2e-7)
    return lists


class TestOverNeighbours(CaseIndexLaws):
    """A walk that rules the order, over cases of the generation, added and deleted ones."""

    @contextmanager
    def index_of(self, entries):
        class Onward:
            def search(self, question, k):
                return OverNeighbours(0.9, candidates=3).search(made, question, k)

        gone = [
            Entry(Case(id=f"gone-{e.case.id}", domain=e.case.domain), e.vector, "", None)
            for e in entries
        ]
        with casebase_of([*gone, *entries[: len(entries) // 2]]) as made:
            made.publish(neighbours=True)
            made.delete([e.case.id for e in gone])
            made.add(entries[len(entries) // 2 :])
            yield Onward()


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.integers(0, 8), st.integers(0, 12))
def test_what_is_taken_over_is_what_is_found_anew(seed, added, deleted):
    entries = entries_of(seed, 130)
    rng = np.random.default_rng(seed)
    with casebase_of(entries[:120]) as made:
        made.publish(neighbours=True)
        made.add(entries[120 : 120 + added])
        made.delete([f"case-{i}" for i in rng.permutation(120)[:deleted]])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mmedrag.casebase.neighbours._FEW", 1)  # whatever was added
            made.publish()
        carried = are_the_nearest(made)
        made.rebuild()
        np.testing.assert_array_equal(carried.nearness, are_the_nearest(made).nearness)
        assert made.verify() == []


def test_only_what_changed_is_searched_for(monkeypatch):
    entries = entries_of(3, 201)
    searched = []
    with casebase_of(entries[:200]) as made:
        made.publish(neighbours=True)
        made.add(entries[200:])

        def counted(corpora, shard, positions, own):
            searched.append(len(positions))
            return nearest_of(corpora, shard, positions, own)

        monkeypatch.setattr("mmedrag.casebase.neighbours.nearest_of", counted)
        made.publish()
        assert sum(searched) == 1
        are_the_nearest(made)
        made.rebuild()
        assert sum(searched) == 202


@pytest.mark.parametrize("key", ["IVF8,SQ8", "HNSW8", "PCA8,IVF8,Flat"])
def test_an_approximate_index_proposes_and_exact_products_are_kept(key, monkeypatch):
    monkeypatch.setattr("mmedrag.casebase.shard._SHARE", 1.0)  # however little it skips
    monkeypatch.setattr("mmedrag.casebase.neighbours._FEW", 1)
    entries = [e for e in entries_of(5, 900, 16) if e.case.domain is Domain.RADIOLOGY]
    with casebase_of(entries[9:], 16) as made:
        made.publish(key, neighbours=True)
        assert made.info()["index"] == {"radiology": key}
        are_nearly_the_nearest(made)
        made.add(entries[:9])
        made.delete([e.case.id for e in entries[20:30]])
        made.publish()
        are_nearly_the_nearest(made)
        assert made.verify() == []


def are_nearly_the_nearest(casebase):
    generation, lists = kept(casebase)
    vectors = generation.vectors.span().astype(np.float64)
    values = vectors @ vectors.T
    np.fill_diagonal(values, -np.inf)
    taken = np.take_along_axis(values, lists.positions.astype(np.int64), axis=1)
    np.testing.assert_allclose(lists.nearness, taken, atol=2e-7)
    twentieth = -np.sort(-values, axis=1)[:, NEIGHBOURS - 1 : NEIGHBOURS]
    assert (taken >= twentieth - 1e-6).mean() > 0.9


def crowd():
    """A query, one case near it, three near that one and far from the query, six neither."""
    near, beside = [0.6, 0.8, 0, 0, 0, 0, 0, 0], [0.2, 0.97, 0, 0, 0, 0, 0, 0]
    others = [[0.5] + [0.86 * (i == j) for j in range(-1, 6)] for i in range(6)]
    rows = {"near": near} | {f"beside-{i}": [*beside[:-1], 0.01 * i] for i in range(3)}
    rows |= {f"other-{i}": row for i, row in enumerate(others)}
    entries = [
        Entry(Case(id=name, domain=Domain.RADIOLOGY), np.array(row, np.float32), name, None)
        for name, row in rows.items()
    ]
    return np.eye(8, dtype=np.float32)[0], entries


def test_a_case_comes_in_by_its_neighbours_with_its_own_similarity():
    query, entries = crowd()
    question = question_of(Query(), query)
    with casebase_of(entries) as made:
        made.publish(neighbours=True)
        assert isinstance(made, NeighbourIndex)
        direct = made.search(question, 4)
        assert [h.case.id for h in direct] == ["near", "other-0", "other-1", "other-2"]
        assert all(hit.proximity is None for hit in direct)
        hits = OverNeighbours(0.9, candidates=4).search(made, question, 4)
        assert [h.case.id for h in hits] == ["near", "beside-0", "beside-1", "beside-2"]
        for hit in hits[1:]:
            assert 0 < hit.proximity <= 1
            assert abs(hit.similarity - 0.2) < 1e-6
        assert hits[0].proximity is None
        still = OverNeighbours(0.0, candidates=4).search(made, question, 4)
        assert [(h.case, h.relevance, h.proximity) for h in still] == [
            (h.case, h.relevance, None) for h in direct
        ]


@pytest.mark.parametrize("text", ["", "effusion nodule"])
def test_a_publication_changes_no_hit_of_a_walk(text):
    entries = entries_of(8, 300)
    walk = OverNeighbours(0.6, candidates=20)
    rng = np.random.default_rng(1)
    questions = [
        question_of(Query(text, where=where), unit(rng), domain)
        for where in FILTERS[:3]
        for domain in (None, *Domain)
    ]

    def asked(casebase):
        found = [walk.search(casebase, question, 12) for question in questions]
        return [[(h.case.id, round(h.relevance, 6)) for h in hits] for hits in found]

    with casebase_of(entries[:150]) as made:
        made.publish(neighbours=True)
        made.add(entries[150:])
        before = asked(made)
        made.publish()
        assert asked(made) == before
        with Casebase.open(made.path, readonly=True) as other:
            assert asked(other) == before


def test_added_cases_take_the_places_of_deleted_ones_at_once():
    rng = np.random.default_rng(4)
    entries = [
        Entry(Case(id=f"{i:02d}", domain=Domain.RADIOLOGY), unit(rng), str(i), None)
        for i in range(60)
    ]
    middle = entries[0].vector
    question = question_of(Query(), middle)
    walk = OverNeighbours(1.0, candidates=1)
    with casebase_of(entries) as made:
        made.publish(neighbours=True)
        nearest = made.search(question, 6)[1:]
        made.delete([hit.case.id for hit in nearest])
        made.add([Entry(Case(id=f"new-{i}", domain=Domain.RADIOLOGY), hit.vector, f"n{i}", None)
                  for i, hit in enumerate(nearest)])  # fmt: skip
        before = [(h.case.id, h.relevance) for h in walk.search(made, question, 21)]
        made.publish()
        assert [(h.case.id, h.relevance) for h in walk.search(made, question, 21)] == before
        assert sum(relevance > 0 for _, relevance in before) == 21


def test_neighbours_are_kept_until_it_is_said_otherwise():
    entries = entries_of(2, 40)
    question = question_of(Query(), unit(np.random.default_rng(0)))
    with casebase_of(entries) as made:
        with pytest.raises(QueryError, match="keeps no neighbours") as refused:
            OverNeighbours().search(made, question, 5)
        assert "mmedrag rebuild" in refused.value.remedy
        made.publish()
        assert made.info()["neighbours"] == 0
        assert not list(made.path.glob("generations/*/neighbours"))
        made.publish(neighbours=True)
        made.publish("IVF2,Flat")
        assert made.info()["neighbours"] == NEIGHBOURS
        assert len(list(made.path.glob("generations/*/neighbours"))) == 1
        assert "neighbours" not in made.settings
        made.rebuild(neighbours=False)
        assert not list(made.path.glob("generations/*/nearness"))
        with pytest.raises(QueryError, match="keeps no neighbours"):
            OverNeighbours().search(made, question, 5)


def test_a_generation_of_a_release_that_keeps_none_is_searched_as_it_is(monkeypatch):
    entries = entries_of(4, 120)
    question = question_of(Query(), unit(np.random.default_rng(0)))
    walk = OverNeighbours(0.7, candidates=15)
    with casebase_of(entries) as made:
        made.publish(neighbours=True)
        expected = [h.case.id for h in walk.search(made, question, 10)]
        with monkeypatch.context() as older:
            older.setattr("mmedrag.casebase.generations.write_neighbours", lambda *_: None)
            made.publish()
        assert [h.case.id for h in walk.search(made, question, 10)] == expected
        made.publish()
        are_the_nearest(made)


@pytest.mark.parametrize("name", ["neighbours", "nearness"])
@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_no_damaged_list_is_believed(name, readonly, large, monkeypatch):
    """A small generation is checked when it is opened, a large one where it is used."""
    if large:
        monkeypatch.setattr("mmedrag.casebase.generations._WHOLE", 0)
    entries = entries_of(6, 120)
    question = question_of(Query(), unit(np.random.default_rng(1)))
    walk = OverNeighbours(0.7, candidates=15)
    rng = np.random.default_rng(0)
    with casebase_of(entries) as made:
        made.publish(neighbours=True)
        expected = [h.case.id for h in walk.search(made, question, 10)]
        path = made.path
        made.close()
        file = next(path.glob(f"generations/*/{name}"))
        sound = file.read_bytes()
        changed = bytearray(sound)
        changed[rng.integers(len(sound))] ^= 1 << rng.integers(8)
        for content in (bytes(changed), sound[:-7], b""):
            next(path.glob(f"generations/*/{name}")).write_bytes(content)
            with Casebase.open(path, readonly=True) as casebase:
                assert any(name in problem for problem in casebase.verify())
            with Casebase.open(path, readonly=readonly) as casebase:
                assert [h.case.id for h in walk.search(casebase, question, 10)] == expected
                assert any("was changed" in notice for notice in casebase.notices)
                assert readonly or casebase.verify() == []


def test_a_list_that_its_vectors_contradict_is_found_by_verify(tmp_path):
    """Even where it is checksummed: a fault of the program, not of the disk."""
    with casebase_of(entries_of(7, 60)) as made:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "mmedrag.casebase.neighbours.products",
                lambda left, right: np.ones(
                    np.broadcast_shapes(left.shape, right.shape)[:-1], "f4"
                ),
            )
            made.publish(neighbours=True)
        assert any("neighbours of" in problem for problem in made.verify())


def test_what_keeps_no_neighbours_says_so():
    class Elsewhere:
        def search(self, question, k):
            return []

    question = question_of(Query("x"), np.ones(1, np.float32))
    with pytest.raises(QueryError, match="Only a casebase") as refused:
        OverNeighbours().search(Elsewhere(), question, 5)
    assert "mmedrag copy" in refused.value.remedy
    assert NearQuestion().search(Elsewhere(), question, 5) == []
