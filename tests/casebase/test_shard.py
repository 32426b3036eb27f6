"""One domain's vectors and index: no result is lost, whatever the mask and the kind of index."""

from __future__ import annotations

import numpy as np
import pytest

from mmedrag.casebase.blocks import StoredArray, write_array
from mmedrag.casebase.derivation import _index, choose_key
from mmedrag.casebase.shard import Shard

N, DIM, START = 400, 16, 40


@pytest.fixture(scope="module")
def vectors():
    rows = np.random.default_rng(0).standard_normal((START + N, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module", params=["Flat", "HNSW8", "IVF8,SQ8", "PCA8,IVF8,Flat"])
def shard(request, vectors, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shard")
    stored = StoredArray(folder, write_array(folder / "vectors", [vectors], "<f4"))
    entry = _index(folder / "x.faiss", vectors[START:], request.param)
    return Shard(folder, {"start": START, "count": N, **entry}, stored)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.05, 0.0])
def test_as_many_candidates_as_match_and_no_others(shard, vectors, share, monkeypatch):
    monkeypatch.setattr("mmedrag.casebase.shard._SCAN", 30)
    rng = np.random.default_rng(1)
    mask = None if share == 1.0 else rng.random(N) < share
    inside = np.arange(N) if mask is None else np.flatnonzero(mask)
    for _ in range(5):
        query = vectors[rng.integers(len(vectors))]
        found = shard.search(query, 10, 30, mask)
        assert len(set(found.tolist())) == len(found) >= min(10, len(inside))
        assert set(found - START) <= set(inside.tolist())
        if shard.key == "Flat":
            best = inside[np.argsort(-(vectors[START:][inside] @ query))[:10]]
            assert set(best + START) <= set(found.tolist())
    shard.check()


def test_the_index_is_chosen_by_size():
    assert choose_key(200_000) == "Flat"
    assert choose_key(1_000_000) == "IVF2000,SQ8"
