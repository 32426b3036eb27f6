"""The files of a generation: the same from the same state, and none that says a text."""

from __future__ import annotations

import json

import faiss
import numpy as np
import pytest

from mmedrag.casebase import Casebase
from mmedrag.casebase.derivation import require_key, write_index
from mmedrag.errors import CasebaseError
from mmedrag.testing.case_index import DIM, entries_of


def published(path):
    with Casebase.create(path, dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add(entries_of(5, 80))
        casebase.publish()
    return path / "generations" / "000001"


def test_the_same_cases_give_the_same_files(tmp_path):
    one, other = published(tmp_path / "a"), published(tmp_path / "b")
    assert [f.name for f in sorted(one.iterdir())] == [f.name for f in sorted(other.iterdir())]
    for file in one.iterdir():
        assert file.read_bytes() == (other / file.name).read_bytes()


def test_no_file_holds_a_word_or_a_value(tmp_path):
    folder = published(tmp_path / "c")
    words = {word for entry in entries_of(5, 80) for word in entry.case.text.lower().split()}
    words |= {entry.case.patient_id for entry in entries_of(5, 80)} - {""}
    for file in folder.iterdir():
        content = file.read_bytes().lower()
        assert not [word for word in words if len(word) > 5 and word.encode() in content]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert sum(entry["count"] for entry in manifest["shards"].values()) == 80


def test_as_many_lists_are_searched_as_the_vectors_need(tmp_path):
    rng = np.random.default_rng(0)
    scattered = rng.standard_normal((3_000, 16)).astype(np.float32)
    centres = 20 * rng.standard_normal((64, 16))
    clustered = (centres[rng.integers(64, size=3_000)] + scattered).astype(np.float32)
    probes = {}
    for name, rows in (("scattered", scattered), ("clustered", clustered)):
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        write_index(tmp_path / name, rows, "IVF64,Flat")
        index = faiss.read_index(str(tmp_path / name))
        probes[name] = index.nprobe
        _, exact = faiss.knn(rows[:50], rows, 50, faiss.METRIC_INNER_PRODUCT)
        _, found = index.search(rows[:50], 116)
        shares = [np.isin(best, near).mean() for best, near in zip(exact, found, strict=True)]
        assert np.mean(shares) > 0.95
    assert probes["clustered"] < probes["scattered"]


@pytest.mark.parametrize("varying", [8, 64])
def test_components_are_coded_where_vectors_vary_in_few_directions(tmp_path, varying):
    rng = np.random.default_rng(0)
    rows = (rng.standard_normal((4_000, varying)) @ rng.standard_normal((varying, 64))) + 3.0
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    keys = ("PCA12,IVF16,SQ8", "IVF16,SQ8")
    entry = write_index(tmp_path / "x", rows, *keys)
    assert entry["index"] == (keys[0] if varying < 12 else keys[1])
    index = faiss.read_index(str(tmp_path / "x"))
    _, exact = faiss.knn(rows[:50], rows, 50, faiss.METRIC_INNER_PRODUCT)
    values, found = index.search(rows[:50], 116)
    shares = [np.isin(best, near).mean() for best, near in zip(exact, found, strict=True)]
    assert np.mean(shares) > 0.95
    if varying < 12:  # as far as components and codes tell them, they are the inner products
        true = np.take_along_axis(rows[:50] @ rows.T, found, axis=1)
        offsets = (values - true).mean(axis=1)
        assert np.ptp(offsets) < 0.3
        assert np.all((values - true).std(axis=1) < 0.02)


def test_an_index_that_takes_no_plain_vectors_is_refused(tmp_path):
    with Casebase.create(tmp_path / "a", dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add(entries_of(5, 80))
        with pytest.raises(CasebaseError, match=r"'IDMap,Flat'.*Flat, HNSW32"):
            casebase.publish("IDMap,Flat")
        casebase.publish()
        assert casebase.verify() == []


@pytest.mark.parametrize("key", ["HNSW1", "HNSW0,Flat", "IVF0,Flat", "PQ4x0", "Flat,RR0", "Cosy32"])
def test_an_index_of_nothing_is_refused_before_it_ends_the_process(key):
    with pytest.raises(CasebaseError, match=r"Use a factory string such as Flat, HNSW32"):
        require_key(key, DIM)
    require_key("IVF4,SQ8", DIM)
