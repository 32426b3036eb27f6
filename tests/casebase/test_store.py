"""The casebase judged as any store is, and the contract by engines that break it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from fast_folder import FAST
from mmedrag.casebase import Casebase, queries
from mmedrag.casebase.checksums import checked_vector
from mmedrag.casebase.exact import ExactIndex
from mmedrag.casebase.ledger import Ledger
from mmedrag.testing.case_index import (
    DIM,
    ApproximateCaseIndexContract,
    CaseIndexContract,
    CaseStoreLaws,
    entry,
)


class TestCasebase(CaseStoreLaws, CaseIndexContract):
    @contextmanager
    def empty(self, dim):
        with (
            TemporaryDirectory(dir=FAST) as folder,
            Casebase.create(Path(folder) / "c", dim=dim, fingerprint="f", preset="p") as made,
        ):
            yield made

    def reopened(self, store):
        return Casebase.open(store.path, fingerprint="f")


class TestApproximateCasebase(ApproximateCaseIndexContract):
    recall = 0.9

    @contextmanager
    def index_of(self, entries):
        dim = len(entries[0].vector) if entries else DIM
        with (
            TemporaryDirectory(dir=FAST) as folder,
            Casebase.create(Path(folder) / "c", dim=dim, fingerprint="f", preset="p") as made,
        ):
            made.add(entries)
            made.publish("HNSW32")
            yield made


def exact_of(entries):
    width = len(entries[0].vector) if entries else DIM
    vectors = np.array([e.vector for e in entries], np.float32).reshape(-1, width)
    return ExactIndex([e.case for e in entries], vectors)


class AnyDomainAtAll:
    """Finds cases of other domains, too."""

    def __init__(self, entries):
        self._index = exact_of(entries)

    def search(self, question, k):
        routing = replace(question.routing, decision=None)
        return self._index.search(replace(question, routing=routing), k)


class Half:
    """Knows only every second case."""

    def __init__(self, entries):
        self._index = exact_of(entries[::2])

    def search(self, question, k):
        return self._index.search(question, k)


class Unfiltered:
    """Takes no notice of filters."""

    def __init__(self, entries):
        self._index = exact_of(entries)

    def search(self, question, k):
        query = replace(question.query, where=None)
        return self._index.search(replace(question, query=query), k)


@pytest.mark.parametrize(
    ("engine", "law"),
    [
        (AnyDomainAtAll, "test_hits_keep_the_laws"),
        (Unfiltered, "test_hits_keep_the_laws"),
        (Half, "test_as_many_hits_as_match"),
        (Half, "test_the_stated_recall_is_reached"),
    ],
)
def test_an_engine_that_breaks_a_law_is_caught(engine, law, monkeypatch):
    # Any example will do: looking for the smallest takes a hundred times as long.
    monkeypatch.setattr("hypothesis.internal.conjecture.engine.MAX_SHRINKS", 0)

    class Suite(CaseIndexContract, ApproximateCaseIndexContract):
        __test__ = False

        @contextmanager
        def index_of(self, entries):
            yield engine(entries)

    with pytest.raises(AssertionError):
        getattr(Suite(), law)()
    if law == "test_the_stated_recall_is_reached":
        Suite.recall = 0.3  # half of the cases hold about half of the nearest
        getattr(Suite(), law)()


@pytest.mark.parametrize("opened", [False, True])
def test_a_first_write_beside_a_reader_is_not_taken_for_a_lost_note(tmp_path, monkeypatch, opened):
    with Casebase.create(tmp_path / "c", dim=DIM, fingerprint="f", preset="p") as casebase:
        noted = Ledger.acknowledged
        waiting = [casebase]

        def before_the_write(ledger: Ledger) -> int | None:
            number = noted(ledger)
            while waiting:
                waiting.pop().add([entry(np.random.default_rng(0), "a")])
            return number

        if not opened:
            monkeypatch.setattr(Ledger, "acknowledged", before_the_write)
        with Casebase.open(tmp_path / "c", readonly=True) as reader:
            monkeypatch.setattr(Ledger, "acknowledged", before_the_write)
            assert reader.verify() == []
            assert reader.notices == []
            assert waiting == []


def test_of_cases_of_one_content_one_vector_is_read(tmp_path, monkeypatch):
    """Indexing again asks of each case: of thousands of equal pictures all were read each time."""
    rng = np.random.default_rng(0)
    one = entry(rng, "case-0")
    read: list[str] = []

    def counted(what, blob, stored):
        read.append(what)
        return checked_vector(what, blob, stored)

    with Casebase.create(tmp_path / "c", dim=DIM, fingerprint="f", preset="p") as made:
        made.add([replace(one, case=replace(one.case, id=f"case-{i}")) for i in range(40)])
        monkeypatch.setattr(queries, "checked_vector", counted)
        found = made.vectors_by_content([one.content, "unknown"])
    assert found.keys() == {one.content}
    assert (found[one.content] == one.vector).all()
    assert len(read) == 1
