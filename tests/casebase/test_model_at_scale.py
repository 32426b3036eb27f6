"""Random writes and filtered searches over every kind of index, beside a dict and numpy."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from fast_folder import FAST
from mmedrag.casebase import Casebase
from mmedrag.casebase.exact import ExactIndex
from mmedrag.testing.case_index import DIM, FILTERS, entry, unit
from mmedrag.testing.questions import question_of
from mmedrag.types import Domain, Entry, Query
from proofs import SEED, scaled

pytestmark = pytest.mark.proof("model")

IDS = [f"case-{i}" for i in range(80)]
WRITES = {"add": 0.3, "delete": 0.12, "publish": 0.05, "rebuild": 0.02, "reopen": 0.03}


def judged(model: dict[str, Entry], query: Query, vector, domain, k: int):
    kept = list(model.values())
    vectors = np.array([e.vector for e in kept], np.float32).reshape(-1, DIM)
    return ExactIndex([e.case for e in kept], vectors).search(question_of(query, vector, domain), k)


def search(index: Casebase, model: dict[str, Entry], rng, exact: bool) -> float:
    """The share of the nearest cases that are found; each hit must be true in any case."""
    query = Query(where=FILTERS[rng.integers(len(FILTERS))])
    domain, k = [None, *Domain][rng.integers(4)], int(rng.integers(1, 20))
    vector = unit(rng)
    hits = index.search(question_of(query, vector, domain), k)
    everything = judged(model, query, vector, domain, len(IDS))
    similarity = {h.case.id: (h.case, h.similarity) for h in everything}
    assert len({h.case.id for h in hits}) == len(hits) <= k
    for hit in hits:
        case, expected = similarity[hit.case.id]  # alive, of the domain, allowed by the filter
        assert hit.case == case
        np.testing.assert_allclose(hit.similarity, expected, atol=1e-5)
    values = [h.similarity for h in hits]
    assert values == sorted(values, reverse=True)
    nearest = [h.case for h in everything[:k]]
    if exact or query.where:
        assert [h.case for h in hits] == nearest
    return sum(h.case in nearest for h in hits) / len(nearest) if nearest else 1.0


def step(casebase: Casebase, model: dict[str, Entry], rng, key: str, kind: str) -> Casebase:
    """One write to both; gives the casebase to go on with."""
    ids = rng.choice(IDS, rng.integers(1, 9), replace=False).tolist()
    if kind == "add":
        entries = [entry(rng, case_id) for case_id in ids]
        casebase.add(entries)
        model.update({e.case.id: e for e in entries})
    elif kind == "delete":
        assert casebase.delete(ids) == sum(case_id in model for case_id in ids)
        for case_id in ids:
            model.pop(case_id, None)
    elif kind == "publish":
        casebase.publish(key)
    elif kind == "rebuild":
        casebase.rebuild()
    else:
        path = casebase.path
        casebase.close()
        casebase = Casebase.open(path, fingerprint="f")
    assert set(casebase.ids()) == set(model)
    assert casebase.notices == []
    return casebase


@pytest.mark.long
@pytest.mark.parametrize("key", ["Flat", "HNSW16", "IVF4,Flat", "IVF4,SQ8"])
def test_whatever_is_written_the_answers_are_those_of_a_dict(key, record_property):
    rng = np.random.default_rng([len(key), SEED])
    model: dict[str, Entry] = {}
    shares = []
    kinds = [*WRITES, "search"]
    odds = [*WRITES.values(), 1 - sum(WRITES.values())]
    with TemporaryDirectory(dir=FAST) as folder:
        casebase = Casebase.create(Path(folder) / "c", dim=DIM, fingerprint="f", preset="p")
        operations = scaled(3000)
        for _ in range(operations):
            kind = str(rng.choice(kinds, p=odds))
            if kind == "search":
                shares.append(search(casebase, model, rng, key == "Flat"))
            else:
                casebase = step(casebase, model, rng, key, kind)
        assert casebase.verify() == []
        casebase.close()
    assert np.mean(shares) > 0.9
    record_property("operations", operations)
