"""Where the time of a vector search goes: its parts, beside bare FAISS.

    python benchmarks/search_parts.py my.casebase [--searches 200] [--k 50]

Asks for vectors of the casebase, each turned a little, over all domains; no case is remembered from
an earlier search. Each part is measured without the parts within it, in the searches themselves.
Medians over the searches: what a busy machine interrupts counts little.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import faiss
import numpy as np

from mmedrag.casebase import Casebase, members, queries, remembered, shard, snapshot
from mmedrag.testing.questions import question_of
from mmedrag.types import Matrix, Query
from scale import bare_indexes, unit

PARTS = (
    ("inverted lists, or flat scan, by FAISS", shard, "_in_lists"),
    ("inverted lists, or flat scan, by FAISS", shard, "_exact"),
    ("choosing lists, candidates of all domains", members.Members, "candidates"),
    ("vectors of the candidates, their blocks checked", members.Members, "vectors_at"),
    ("exact comparison, ranking, hits", snapshot.Snapshot, "_hits"),
    ("cases and findings from SQLite", queries.Queries, "read"),
    ("their seals", queries, "is_sealed"),
    ("JSON, cases as objects", queries, "unpacked"),
    ("transaction, newest state, words, filter", Casebase, "search"),
)
"""What is measured: its name in the table, and the function that does it."""


class Clock:
    """Nanoseconds by part of one search, less those of the parts within it."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = defaultdict(int)
        self._within = [0]

    def measure(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, measured."""

        def measured(*given: Any, **named: Any) -> Any:
            begin = perf_counter_ns()
            self._within.append(0)
            try:
                return call(*given, **named)
            finally:
                whole = perf_counter_ns() - begin
                self.spent[part] += whole - self._within.pop()
                self._within[-1] += whole

        return measured


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("casebase", type=Path)
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--k", type=int, default=50)
    asked = parser.parse_args()
    faiss.omp_set_num_threads(1)
    remembered._CASES, remembered._CASES_OF = 0, 1 << 62  # nothing is remembered
    indexes = bare_indexes(asked.casebase)
    rows: dict[str, list[int]] = defaultdict(list)
    with Casebase.open(asked.casebase, readonly=True) as casebase:
        vectors = asked_vectors(casebase, 2 * asked.searches)
        for vector in vectors:
            casebase.search(question_of(Query(), vector), asked.k)
        for vector in vectors[: asked.searches]:
            begin = perf_counter_ns()
            for index in indexes:
                index.search(vector[None], asked.k)
            between = perf_counter_ns()
            casebase.search(question_of(Query(), vector), asked.k)
            rows["**bare FAISS**"].append(between - begin)
            rows["**search, not taken apart**"].append(perf_counter_ns() - between)
        clock = Clock()
        for part, owner, name in PARTS:
            setattr(owner, name, clock.measure(part, getattr(owner, name)))
        for vector in vectors[asked.searches :]:
            clock.spent.clear()
            casebase.search(question_of(Query(), vector), asked.k)
            for part, spent in clock.spent.items():
                rows[part].append(spent)
    size = sum(int(index.ntotal) for index in indexes)
    print(f"| {asked.k} of {size:,} cases | ms |", "|---|---:|", sep="\n")
    for part, times in rows.items():
        print(f"| {part} | {np.median(times) / 1e6:.2f} |")


def asked_vectors(casebase: Casebase, n: int) -> Matrix:
    """Vectors of some cases, each turned a little, ``(n, dim)``."""
    rng = np.random.default_rng(0)
    ids = list(casebase.ids())
    drawn = [ids[i] for i in np.sort(rng.choice(len(ids), n, replace=len(ids) < n))]
    stored = np.stack([entry.vector for entry in casebase.entries(drawn)])
    noise = unit(rng.standard_normal(stored.shape, np.float32))
    return rng.permutation(unit(stored + 0.5 * noise))


if __name__ == "__main__":
    main()
