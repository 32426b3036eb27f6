"""What large casebases lose by their index, on the vectors of a casebase that is there.

A casebase of more than 20,000 cases a domain searches inverted lists of codes. This builds such
lists of the vectors of any casebase, some of them left out as questions, and prints for codes of
eight and of four bits a dimension, and for principal components, how many of the 50 nearest are
found, and the bytes of a case.
The last columns are filters that a tenth, a third and two thirds of the cases pass, at random, and
by whole clusters of similar cases. They are put to the lists, although so few cases would be
compared exactly.

    python benchmarks/index_recall.py my.casebase [--questions 300]
"""

from __future__ import annotations

import argparse
import math
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from time import process_time

import faiss
import numpy as np

from mmedrag.casebase.blocks import StoredArray, write_array
from mmedrag.casebase.derivation import write_index
from mmedrag.casebase.shard import Shard

K, CAP, CLUSTERS = 50, 1_024, 60


def vectors_of(path: Path) -> np.ndarray:
    """The distinct vectors of a casebase, ``(n, dim)``."""
    with closing(sqlite3.connect(f"file:{path / 'casebase.db'}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT DISTINCT vector FROM vectors").fetchall()
    return np.array([np.frombuffer(row[0], "<f4") for row in rows])


def masks_of(vectors: np.ndarray) -> dict[str, np.ndarray | None]:
    """Which cases a filter lets in, by what the filter is."""
    rng = np.random.default_rng(1)
    clustering = faiss.Kmeans(vectors.shape[1], CLUSTERS, seed=1, niter=10)
    clustering.train(vectors)
    cluster = clustering.index.search(vectors, 1)[1][:, 0]
    masks: dict[str, np.ndarray | None] = {"none": None}
    for share in (1 / 10, 1 / 3, 2 / 3):
        masks[f"{share:.0%} at random"] = rng.random(len(vectors)) < share
        masks[f"{share:.0%} by clusters"] = (rng.random(CLUSTERS) < share)[cluster]
    return masks


def recall(made: Shard, vectors: np.ndarray, queries: np.ndarray, mask: np.ndarray | None) -> float:
    """Share of the 50 nearest that a filter lets in which are found."""
    inside = np.arange(len(vectors)) if mask is None else np.flatnonzero(mask)
    shares = []
    for query in queries:
        best = inside[np.argpartition(-(vectors[inside] @ query), K)[:K]]
        shares.append(np.isin(best, made.search(query, K, CAP, mask, few=0)[0]).mean())
    return float(np.mean(shares))


def measured(
    key: str, vectors: np.ndarray, queries: np.ndarray, masks: dict[str, np.ndarray | None]
) -> list[str]:
    """Bytes a case, processor milliseconds a question, and the recall under each filter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stored = StoredArray(folder, write_array(folder / "vectors", [vectors], "<f4"))
        entry = write_index(folder / "x.faiss", vectors, key)
        made = Shard(folder, {"start": 0, "count": len(vectors), **entry}, stored)
        made.search(queries[0], K, CAP, None)
        begin = process_time()
        for query in queries:
            made.search(query, K, CAP, None)
        spent = 1_000 * (process_time() - begin) / len(queries)
        found = [f"{recall(made, vectors, queries, mask):.3f}" for mask in masks.values()]
        return [f"{entry['faiss']['bytes'] / len(vectors):,.0f}", f"{spent:.2f}", *found]


def main() -> None:
    """Print a line for each kind of code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("casebase", type=Path)
    parser.add_argument("--questions", type=int, default=300)
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)
    vectors = np.random.default_rng(0).permutation(vectors_of(options.casebase))
    queries, vectors = vectors[: options.questions], vectors[options.questions :]
    lists = int(2 * math.sqrt(len(vectors)))
    print(f"{len(vectors):,} vectors of {vectors.shape[1]} dimensions, {len(queries)} questions\n")
    masks = masks_of(vectors)
    heads = ["bytes a case", "ms", *masks]
    print(f"| index, recall@{K} by filter | {' | '.join(heads)} |\n|---|{'---:|' * len(heads)}")
    for key in (f"IVF{lists},SQ8", f"IVF{lists},SQ4", f"PCA256,IVF{lists},SQ8"):
        print(f"| `{key}` | {' | '.join(measured(key, vectors, queries, masks))} |", flush=True)


if __name__ == "__main__":
    main()
