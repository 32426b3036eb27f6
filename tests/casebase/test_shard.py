"""One domain's vectors and index: no result is lost, whatever the mask and the kind of index."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from mmedrag.casebase.blocks import BLOCK, GenerationDamaged, StoredArray, write_array
from mmedrag.casebase.derivation import choose_keys, write_index
from mmedrag.casebase.shard import Shard, candidates, joined

N, DIM, START = 400, 16, 40


@pytest.fixture(scope="module")
def vectors():
    rows = np.random.default_rng(0).standard_normal((START + N, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


KEYS = ["Flat", "HNSW8", "IVF8,SQ8", "IVF8,SQ4", "PCA8,IVF8,Flat", "IVF8_HNSW4,SQ8"]


@pytest.fixture(scope="module", params=KEYS)
def shard(request, vectors, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shard")
    stored = StoredArray(folder, write_array(folder / "vectors", [vectors], "<f4"))
    entry = write_index(folder / "x.faiss", vectors[START:], request.param)
    return Shard(folder, {"start": START, "count": N, **entry}, stored)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.05, 0.0])
def test_as_many_candidates_as_match_and_no_others(shard, vectors, share, monkeypatch):
    monkeypatch.setattr("mmedrag.casebase.shard.SCANNED", 30 * 4 * DIM)
    rng = np.random.default_rng(1)
    mask = None if share == 1.0 else rng.random(N) < share
    inside = np.arange(N) if mask is None else np.flatnonzero(mask)
    for _ in range(5):
        query = vectors[rng.integers(len(vectors))]
        found, values = shard.search(query, 10, 30, mask)
        assert len(values) == len(found)
        assert len(set(found.tolist())) == len(found) >= min(10, len(inside))
        assert set(found - START) <= set(inside.tolist())
        best = set(START + inside[np.argsort(-(vectors[START:][inside] @ query))[:10]])
        if shard.key == "Flat":
            assert best <= set(found.tolist())
        if mask is not None:
            assert best <= set(shard.search(query, 10, 30, mask, few=N)[0].tolist())
    shard.check()


@pytest.fixture(scope="module")
def clustered(tmp_path_factory):
    """Vectors in 50 clusters, each case's cluster, and the shard of them in inverted lists."""
    rng = np.random.default_rng(3)
    clusters = rng.integers(50, size=6_000)
    rows = rng.standard_normal((50, DIM))[clusters] + rng.standard_normal((6_000, DIM))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    folder = tmp_path_factory.mktemp("clustered")
    stored = StoredArray(folder, write_array(folder / "vectors", [rows], "<f4"))
    entry = {"start": 0, "count": len(rows), **write_index(folder / "x.faiss", rows, "IVF80,SQ8")}
    return rows, clusters, (folder, entry, stored)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
def test_a_filter_loses_nothing_near_wherever_its_cases_lie(clustered, share, monkeypatch):
    monkeypatch.setattr("mmedrag.casebase.shard.SCANNED", 30 * 4 * DIM)
    rows, clusters, made = clustered
    shard, rng = Shard(*made), np.random.default_rng(4)
    shares = []
    for mask in (rng.random(len(rows)) < share, (rng.random(50) < share)[clusters]):
        inside = np.flatnonzero(mask)
        for query in rows[rng.integers(len(rows), size=40)]:
            best = inside[np.argsort(-(rows[inside] @ query))[:20]]
            shares.append(np.isin(best, shard.search(query, 20, 60, mask)[0]).mean())
    assert np.mean(shares) > 0.97


@pytest.mark.parametrize("part", [slice(0, 8), slice(8, 16)])
def test_a_question_by_one_modality_finds_what_lies_in_many_lists(tmp_path, part):
    """Cases of the same image lie in as many lists as there are reports beside it."""
    rng = np.random.default_rng(5)
    images, reports = (rng.standard_normal((40, 8)) for _ in range(2))
    rows = np.hstack([images[rng.integers(40, size=8_000)], reports[rng.integers(40, size=8_000)]])
    rows += 0.3 * rng.standard_normal(rows.shape)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    stored = StoredArray(tmp_path, write_array(tmp_path / "vectors", [rows], "<f4"))
    entry = {"start": 0, "count": len(rows), **write_index(tmp_path / "x", rows, "IVF178,SQ8")}
    shard, alone = Shard(tmp_path, entry, stored), faiss.read_index(str(tmp_path / "x"))
    ours, theirs = [], []
    for row in rows[:60]:
        query = np.zeros(16, np.float32)
        query[part] = row[part] / np.linalg.norm(row[part])
        best = np.argsort(-(rows @ query))[:50]
        ours.append(np.isin(best, shard.search(query, 50, 1_000, None)[0]).mean())
        theirs.append(np.isin(best, alone.search(query[None], candidates(50, "SQ8"))[1]).mean())
    assert np.mean(theirs) < 0.98  # as many lists as find those of a case
    assert np.mean(ours) > 0.99


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_a_graph_is_searched_as_far_as_a_question_needs(tmp_path, share, monkeypatch):
    monkeypatch.setattr("mmedrag.casebase.shard.SCANNED", 0)
    rng = np.random.default_rng(8)
    rows = rng.standard_normal((6_000, 64)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    stored = StoredArray(tmp_path, write_array(tmp_path / "vectors", [rows], "<f4"))
    entry = {"start": 0, "count": len(rows), **write_index(tmp_path / "x", rows, "HNSW32")}
    shard, alone = Shard(tmp_path, entry, stored), faiss.read_index(str(tmp_path / "x"))
    inside, ours, theirs = rng.random(len(rows)) < share, [], []
    mask = None if share == 1.0 else inside
    for query in rng.standard_normal((40, 64)).astype(np.float32):
        best = np.argsort(np.where(inside, -(rows @ query), 9.0))[:50]
        ours.append(np.isin(best, shard.search(query, 50, 1_000, mask)[0]).mean())
        theirs.append(np.isin(best, alone.search(query[None], candidates(50, "HNSW32"))[1]).mean())
    assert np.mean(theirs) < 0.9
    assert np.mean(ours) > 0.98


def test_centres_of_lists_that_are_a_graph_are_put_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("mmedrag.casebase.shard.SCANNED", 0)
    rng = np.random.default_rng(9)
    rows = rng.standard_normal((8_000, 32)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    stored = StoredArray(tmp_path, write_array(tmp_path / "vectors", [rows], "<f4"))
    key = "IVF178_HNSW8,SQ8"
    entry = {"start": 0, "count": len(rows), **write_index(tmp_path / "x", rows, key)}
    shard, inside, shares = Shard(tmp_path, entry, stored), rng.random(len(rows)) < 0.1, []
    for query in rng.standard_normal((60, 32)).astype(np.float32):
        best = np.argsort(np.where(inside, -(rows @ query), 9.0))[:20]
        shares.append(np.isin(best, shard.search(query, 20, 1_000, inside)[0]).mean())
    assert np.mean(shares) > 0.99


def test_codes_of_four_bits_find_what_is_near_among_many_alike(tmp_path):
    rng = np.random.default_rng(6)
    rows = rng.standard_normal(128) / np.sqrt(128) + 0.05 * rng.standard_normal((8_000, 128))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    stored = StoredArray(tmp_path, write_array(tmp_path / "vectors", [rows], "<f4"))
    entry = {"start": 0, "count": len(rows), **write_index(tmp_path / "x", rows, "IVF60,SQ4")}
    shard, found = Shard(tmp_path, entry, stored), []
    for row in rows[:60]:
        query = row + (0.05 * rng.standard_normal(128)).astype(np.float32)
        best = np.argsort(-(rows @ query))[:50]
        found.append(np.isin(best, shard.search(query, 50, 1_000, None)[0]).mean())
    assert np.mean(found) > 0.99


@pytest.mark.parametrize("key", ["SQ8", "IVF40,SQ8", "IVF40,SQ4", "PCA8,IVF40,SQ8"])
@pytest.mark.parametrize("share", [1.0, 0.9])
def test_more_cases_alike_than_an_index_proposes_are_all_found(tmp_path, key, share, monkeypatch):
    monkeypatch.setattr("mmedrag.casebase.shard.SCANNED", 0)
    rng = np.random.default_rng(7)
    rows = rng.standard_normal((4_000, DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    alike = np.sort(rng.choice(len(rows), 300, replace=False))
    rows[alike] = rows[alike[0]]
    stored = StoredArray(tmp_path, write_array(tmp_path / "vectors", [rows], "<f4"))
    entry = {"start": 0, "count": len(rows), **write_index(tmp_path / "x", rows, key)}
    mask = None if share == 1.0 else rng.random(len(rows)) < share
    found = Shard(tmp_path, entry, stored).search(rows[alike[0]], 5, 1_000, mask)[0]
    assert set(alike if mask is None else alike[mask[alike]]) <= set(found.tolist())


def test_inverted_lists_are_read_and_checked_as_they_are_searched(clustered):
    rows, _, (folder, entry, stored) = clustered
    shard = Shard(folder, entry, stored)
    blocks = shard._approximate._blocks
    own = shard.search(rows[7], 1, 2, None)[0]
    assert 7 in own
    assert 0 < np.count_nonzero(blocks._checked) < len(blocks._checked)
    file = folder / entry["faiss"]["file"]
    content = bytearray(file.read_bytes())
    last = int(np.flatnonzero(~blocks._checked)[-1])
    content[last * BLOCK] ^= 1
    file.with_suffix(".damaged").write_bytes(content)
    damaged = Shard(folder, {**entry, "faiss": {**entry["faiss"], "file": "x.damaged"}}, stored)
    assert 7 in damaged.search(rows[7], 1, 2, None)[0]
    with pytest.raises(GenerationDamaged):
        [damaged.search(query, 1, 2, None) for query in rows]


def test_what_is_near_in_another_shard_takes_the_place_of_what_is_not(clustered):
    rows, _, (folder, entry, stored) = clustered
    shards = [Shard(folder, entry, stored), Shard(folder, {**entry, "index": "x"}, stored)]
    found = [shard.search(rows[7], 5, 10, None) for shard in shards]
    positions = joined(shards, found, 5, 10)
    assert len(positions) < sum(len(part) for part, _ in found)
    assert set(np.argsort(-(rows @ rows[7]))[:3]) <= set(positions.tolist())


def test_the_index_is_chosen_by_size():
    assert choose_keys(20_000, 256) == choose_keys(20_000, 1_024) == ("Flat",)
    assert choose_keys(40_000, 256) == ("IVF400,SQ8",)
    assert choose_keys(1_000_000, 256) == ("IVF2000,SQ8",)
    assert choose_keys(1_000_000, 1_024) == ("PCA256,IVF2000,SQ8", "IVF2000,SQ4")
