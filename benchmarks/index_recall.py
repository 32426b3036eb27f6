"""What large casebases lose by their index, on the vectors of a casebase that is there.

A casebase of more than 200,000 cases a domain searches inverted lists of codes. This builds such
lists of the vectors of any casebase, some of them left out as questions, and prints for codes of
eight and of four bits a dimension how many of the 50 nearest are found, and the bytes of a case.

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

K, CAP = 50, 1_024


def vectors_of(path: Path) -> np.ndarray:
    """The distinct vectors of a casebase, ``(n, dim)``."""
    with closing(sqlite3.connect(f"file:{path / 'casebase.db'}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT DISTINCT vector FROM vectors").fetchall()
    return np.array([np.frombuffer(row[0], "<f4") for row in rows])


def measured(key: str, vectors: np.ndarray, queries: np.ndarray) -> tuple[float, float, float]:
    """Share of the 50 nearest that are found, bytes a case, processor milliseconds a question."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stored = StoredArray(folder, write_array(folder / "vectors", [vectors], "<f4"))
        entry = write_index(folder / "x.faiss", vectors, key)
        shard = Shard(folder, {"start": 0, "count": len(vectors), **entry}, stored)
        shares = []
        begin = process_time()
        found = [shard.search(query, K, CAP, None)[0] for query in queries]
        spent = process_time() - begin
        for query, positions in zip(queries, found, strict=True):
            best = np.argpartition(-(vectors @ query), K)[:K]
            shares.append(np.isin(best, positions).mean())
        size = entry["faiss"]["bytes"] / len(vectors)
    return float(np.mean(shares)), size, 1_000 * spent / len(queries)


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
    print(f"| index | recall@{K} | bytes a case | ms |\n|---|---:|---:|---:|")
    for key in (f"IVF{lists},SQ8", f"IVF{lists},SQ4"):
        recall, size, spent = measured(key, vectors, queries)
        print(f"| `{key}` | {recall:.4f} | {size:,.0f} | {spent:.2f} |", flush=True)


if __name__ == "__main__":
    main()
