"""What large casebases lose by their index, on the vectors of a casebase that is there.

A casebase of more than 20,000 cases a domain searches inverted lists of codes. This builds such
lists of the vectors of any casebase. Some cases that have image and report are left out and asked
about: by the vector that was stored of them, and as users ask, by the image alone, by the first
words of the report alone, and by both. For codes of eight and of four bits a dimension, and for
principal components, it prints how many of the 50 nearest are found, and processor milliseconds.
"FAISS alone" is the search of the same file by FAISS, which takes as many lists for any question.

A second table has filters that a tenth, a third and two thirds of the cases pass, at random, and by
whole clusters of similar cases, for questions by both. They are put to the lists, although so few
cases would be compared exactly.

    python benchmarks/index_recall.py my.casebase [--questions 300]
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time

import faiss
import numpy as np

from mmedrag import load
from mmedrag.casebase.blocks import StoredArray, write_array
from mmedrag.casebase.derivation import write_index
from mmedrag.casebase.shard import Shard, candidates
from mmedrag.types import Case, Query

K, CAP, CLUSTERS, WORDS = 50, 1_024, 60, 12


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


def split(path: Path, questions: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The distinct vectors of cases, ``(n, dim)``, and those of questions by how they ask."""
    with load(path) as rag:
        entries = list({entry.vector.tobytes(): entry for entry in rag.cases.entries()}.values())
        order = np.random.default_rng(0).permutation(len(entries)).tolist()
        whole = [i for i in order if entries[i].case.text and _image(entries[i].case)]
        asked = whole[:questions]
        queries = {"case": np.stack([entries[i].vector for i in asked])}
        for kind in ("image", "words", "image and words"):
            told = [_query(entries[i].case, kind) for i in asked]
            queries[kind] = np.concatenate([rag.embedder.embed([query]) for query in told])
        kept = sorted(set(order) - set(asked))
        return np.stack([entries[i].vector for i in kept]), queries


def _image(case: Case) -> bool:
    return case.image is not None and Path(case.image).exists()


def _query(case: Case, kind: str) -> Query:
    words = " ".join(case.text.split()[:WORDS]) if "words" in kind else ""
    return Query(words, case.image if "image" in kind else None)


def recall(found: Sequence[np.ndarray], best: Sequence[np.ndarray]) -> str:
    """Share of the nearest that are among what was found."""
    shares = [np.isin(near, some).mean() for near, some in zip(best, found, strict=True)]
    return f"{np.mean(shares):.3f}"


def nearest(
    vectors: np.ndarray, queries: np.ndarray, mask: np.ndarray | None = None
) -> list[np.ndarray]:
    """The 50 nearest that a filter lets in, of each query."""
    inside = np.arange(len(vectors)) if mask is None else np.flatnonzero(mask)
    return [inside[np.argpartition(-(vectors[inside] @ query), K)[:K]] for query in queries]


def timed(search: Callable[[np.ndarray], np.ndarray], queries: np.ndarray) -> tuple[list, str]:
    """What each query finds, and the processor milliseconds of one, when all were asked before."""
    found = [search(query) for query in queries]
    begin = process_time()
    for query in queries:
        search(query)
    return found, f"{1_000 * (process_time() - begin) / len(queries):.2f}"


def measured(
    key: str,
    vectors: np.ndarray,
    queries: dict[str, np.ndarray],
    masks: dict[str, np.ndarray | None],
) -> tuple[list[list[str]], list[str]]:
    """Rows of the first table, by how is asked, and the row of the second."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stored = StoredArray(folder, write_array(folder / "vectors", [vectors], "<f4"))
        entry = write_index(folder / "x.faiss", vectors, key)
        made = Shard(folder, {"start": 0, "count": len(vectors), **entry}, stored)
        alone = faiss.read_index(str(folder / "x.faiss"))
        rows, most = [], candidates(K, key)
        for kind, asked in queries.items():
            best = nearest(vectors, asked)
            ours, spent = timed(lambda query: made.search(query, K, CAP, None)[0], asked)
            theirs, bare = timed(lambda query: alone.search(query[None], most)[1], asked)
            rows.append([kind, recall(ours, best), spent, recall(theirs, best), bare])
        both = queries["image and words"]
        filtered = [
            recall([made.search(q, K, CAP, mask, few=0)[0] for q in both],
                   nearest(vectors, both, mask))
            for mask in masks.values()
        ]  # fmt: skip
        return rows, [f"{entry['faiss']['bytes'] / len(vectors):,.0f}", *filtered]


def line(key: str, cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"| `{key}` | {' | '.join(cells)} |"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("casebase", type=Path)
    parser.add_argument("--questions", type=int, default=300)
    options = parser.parse_args()
    vectors, queries = split(options.casebase, options.questions)
    faiss.omp_set_num_threads(1)
    lists, asked = int(2 * math.sqrt(len(vectors))), len(queries["case"])
    print(f"{len(vectors):,} vectors of {vectors.shape[1]} dimensions, {asked} questions\n")
    masks = masks_of(vectors)
    keys = (f"IVF{lists},SQ8", f"IVF{lists},SQ4", f"PCA256,IVF{lists},SQ8", "HNSW32")
    tables = {key: measured(key, vectors, queries, masks) for key in keys}
    print(f"| index | asked by | recall@{K} | ms | FAISS alone | ms |\n|---|---|{'---:|' * 4}")
    for key, (rows, _) in tables.items():
        print("\n".join(line(key, row) for row in rows))
    heads = ["bytes a case", *masks]
    print(f"\n| recall@{K} by filter | {' | '.join(heads)} |\n|---|{'---:|' * len(heads)}")
    for key, (_, row) in tables.items():
        print(line(key, row))


if __name__ == "__main__":
    main()
