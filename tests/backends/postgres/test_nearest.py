"""Filters lose nothing: counted first, compared where they let in few, and by the index else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.random import Generator

from mmedrag.backends.postgres import PostgresStore
from mmedrag.testing.case_index import unit
from mmedrag.testing.questions import question_of
from mmedrag.types import Case, Domain, Entry, Query

WIDE, SIZE, K = 16, 3_000, 10
DOMAINS = (Domain.RADIOLOGY, Domain.RADIOLOGY, Domain.RADIOLOGY, Domain.PATHOLOGY)


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    """Clusters of cases; the number of a cluster is kept with each."""
    rng = np.random.default_rng(0)
    centres = np.stack([unit(rng, WIDE) for _ in range(30)])
    made = []
    for number in range(SIZE):
        cluster = int(rng.integers(30))
        moved = centres[cluster] + rng.normal(scale=0.1, size=WIDE)
        vector = (moved / np.linalg.norm(moved)).astype(np.float32)
        meta = {"cluster": cluster, "tenth": number % 10, "rare": number % 300}
        case = Case(id=f"{number:05d}", domain=DOMAINS[number % 4], meta=meta)
        made.append(Entry(case, vector, str(number), None))
    return made


@pytest.fixture(scope="module")
def store(server, entries) -> Iterator[PostgresStore]:
    url = f"{server.url}?schema=nearest"
    with PostgresStore.create(url, dim=WIDE, fingerprint="f", preset="p") as made:
        made.scan = 100
        made.add(entries)
        made.publish()
        assert made.info()["vector_indexes"] == 2
        yield made


def shares(store, entries, where, domain, lets_in) -> list[float]:
    """Of the ten nearest of each of some queries, how many are among the first ten."""
    rng = np.random.default_rng(1)
    allowed = [e for e in entries if lets_in(e.case) and domain in (None, e.case.domain)]
    vectors = np.stack([e.vector for e in allowed])
    found = []
    for _ in range(15):
        query = unit(rng, WIDE)
        hits = store.search(question_of(Query(where=where), query, domain), K)
        assert len(hits) == min(K, len(allowed))
        assert all(lets_in(hit.case) for hit in hits)
        least = np.sort(vectors @ query)[-len(hits)]
        found.append(np.mean([hit.similarity >= least - 1e-6 for hit in hits]))
    return found


@pytest.mark.parametrize(
    ("where", "domain", "lets_in"),
    [
        ("meta.tenth = 3", None, lambda c: c.meta["tenth"] == 3),
        ("meta.rare = 7", None, lambda c: c.meta["rare"] == 7),
        ("meta.cluster = 5", None, lambda c: c.meta["cluster"] == 5),
        ("meta.cluster < 3 and meta.tenth < 5", Domain.RADIOLOGY,
         lambda c: c.meta["cluster"] < 3 and c.meta["tenth"] < 5),
    ],
)  # fmt: skip
def test_a_filter_that_lets_in_few_loses_nothing(store, entries, where, domain, lets_in) -> None:
    assert shares(store, entries, where, domain, lets_in) == [1.0] * 15


@pytest.mark.parametrize(
    ("where", "domain", "lets_in"),
    [
        (None, None, lambda _: True),
        (None, Domain.PATHOLOGY, lambda _: True),
        ("meta.tenth < 5", None, lambda c: c.meta["tenth"] < 5),
        ("meta.cluster < 12", Domain.RADIOLOGY, lambda c: c.meta["cluster"] < 12),
    ],
)
def test_the_index_finds_nearly_all_of_many(store, entries, where, domain, lets_in) -> None:
    assert np.mean(shares(store, entries, where, domain, lets_in)) >= 0.95


def test_more_are_wanted_than_the_index_gives(store, entries) -> None:
    query = unit(np.random.default_rng(2), WIDE)
    assert len(store.search(question_of(Query(), query), SIZE + 5)) == SIZE


def test_a_question_far_from_all_cases_is_searched_for_farther(url) -> None:
    """Cases in all directions: none is much nearer than others, so graphs lead astray."""

    def directions(n: int, rng: Generator) -> np.ndarray:
        return np.stack([unit(rng, 256) for _ in range(n)])

    vectors, shares = directions(5_000, np.random.default_rng(0)), []
    entries = [
        Entry(Case(id=f"{number:05d}", domain=Domain.RADIOLOGY), vector, str(number), None)
        for number, vector in enumerate(vectors)
    ]
    with PostgresStore.create(url, dim=256, fingerprint="f", preset="p") as store:
        store.scan = 100
        store.add(entries)
        store.publish()
        for query in directions(30, np.random.default_rng(1)):
            hits = store.search(question_of(Query(), query, Domain.RADIOLOGY), 50)
            least = np.sort(vectors @ query)[-50]
            shares.append(np.mean([hit.similarity >= least - 1e-6 for hit in hits]))
    assert np.mean(shares) >= 0.985
