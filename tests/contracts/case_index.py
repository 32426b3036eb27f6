"""The contract of :class:`mmedrag.protocols.CaseIndex`: subclass, say ``index_of``, run pytest.

Also the entries that the casebase's tests draw from.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmedrag.casebase import Entry
from mmedrag.filters import parse
from mmedrag.protocols import CaseIndex
from mmedrag.testing.questions import question_of
from mmedrag.types import Case, Domain, Query

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

FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where tests that do not ask about disks put their casebases: each write waits for the disk."""

contract = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.differing_executors]
)


def unit(rng: np.random.Generator, dim: int = DIM) -> np.ndarray:
    """A random direction."""
    v = rng.normal(size=dim)
    return (v / np.linalg.norm(v)).astype(np.float32)


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


class CaseIndexContract:
    """Laws of section 3.4, stage 1, that every case index keeps."""

    def index_of(self, entries: Sequence[Entry]) -> AbstractContextManager[CaseIndex]:
        """The index under test, holding the entries."""
        raise NotImplementedError

    @contract
    @given(st.integers(0, 2**32 - 1), st.integers(0, 40), queries())
    def test_hits_keep_the_laws(self, seed, n, asked):
        query, k, domain, vector_seed = asked
        entries = entries_of(seed, n)
        known = {e.case.id: e for e in entries}
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
            stored = known[hit.case.id]
            assert hit.case == stored.case
            assert domain in (None, hit.case.domain)
            assert query.where is None or parse(query.where).matches(hit.case)
            np.testing.assert_array_equal(hit.vector, stored.vector)
            assert abs(hit.similarity - float(stored.vector @ vector)) < 1e-5

    @contract
    @given(st.integers(0, 2**32 - 1), st.integers(0, 40), queries())
    def test_as_many_hits_as_match(self, seed, n, asked):
        query, k, domain, vector_seed = asked
        entries = entries_of(seed, n)
        condition = parse(query.where) if query.where else None
        matching = [
            e.case
            for e in entries
            if domain in (None, e.case.domain) and (not condition or condition.matches(e.case))
        ]
        with self.index_of(entries) as index:
            vector = unit(np.random.default_rng(vector_seed))
            assert len(index.search(question_of(query, vector, domain), k)) == min(k, len(matching))
