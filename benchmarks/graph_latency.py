"""Milliseconds of section 3.5 by number of candidates, and of the offline graph by corpus size.

Half of the candidates stand in crowds of near-duplicates, where propagation converges slowest.
Each figure is the fastest and the median of 300 runs, in one process: the fastest is what the work
takes, the median what a user waits on this machine as busy as it is now.

With ``--rows`` the offline graph of sections 6.3 and 7 instead: casebases of the synthetic cases of
``benchmarks/scale.py``, without reports, whose publication and searches are timed with the
neighbours of cases and without. These figures are processor time, for other work on the machine
lengthens every wait; publishing is timed once, searches are medians, of the thread that asks: large
files are looked at by another meanwhile.

    python benchmarks/graph_latency.py [--rows 10000 100000] [--dim 256]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, thread_time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase import Casebase
from mmedrag.casebase.onward import Graph
from mmedrag.expansion import OverNeighbours
from mmedrag.ranking.diversity import DuplicatesLast, MaximalMarginalRelevance
from mmedrag.ranking.graph import (
    GraphReranker,
    complete_graph,
    knn_graph,
    paper_graph,
    propagate,
    similarity_graph,
    solve,
    transition,
)
from mmedrag.testing.questions import QUESTION, question_of
from mmedrag.types import Case, Evidence, Matrix, Query, Question
from scale import DOMAINS, NO_REPORTS, Corpus

DIM = 384
RUNS = 300


def candidates(n: int, seed: int = 0) -> list[Evidence]:
    """Cases, every second one in a crowd of near-duplicates, as a search would hand them over."""
    rng = np.random.default_rng(seed)
    crowds = rng.normal(size=(max(1, n // 25), DIM))
    vectors = rng.normal(size=(n, DIM)) + 0.7
    vectors[::2] = crowds[rng.integers(len(crowds), size=(n + 1) // 2)]
    vectors[::2] += 0.05 * rng.normal(size=vectors[::2].shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    similarities = np.sort(rng.uniform(0.2, 0.9, size=n))[::-1]
    return [
        Evidence(f"C{i}", Case(id=str(i), text=f"report {i}"), v.astype(np.float32), s, s)
        for i, (v, s) in enumerate(zip(vectors, similarities.tolist(), strict=True), 1)
    ]


def milliseconds(call: Callable[[], object]) -> tuple[float, float]:
    """Fastest and median."""
    call()
    laps = []
    for _ in range(RUNS):
        start = perf_counter()
        call()
        laps.append((perf_counter() - start) * 1000.0)
    return min(laps), float(np.median(laps))


def steps(evidence: list[Evidence]) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    vectors = np.stack([e.vector for e in evidence])
    q = np.array([e.relevance for e in evidence])
    W = similarity_graph(vectors)
    near, whole = transition(knn_graph(W)), transition(complete_graph(W))
    return {
        "eq. 3 similarity graph": lambda: similarity_graph(vectors),
        "k-NN graph (10)": lambda: knn_graph(W),
        "eq. 4 propagation, complete graph": lambda: propagate(whole, q),
        "eq. 4 propagation, k-NN graph": lambda: propagate(near, q),
        "eq. 4 linear solve, k-NN graph": lambda: solve(near, q),
        "paper_graph(), whole stage": lambda: paper_graph().rerank(QUESTION, evidence),
        "GraphReranker(), whole stage": lambda: GraphReranker().rerank(QUESTION, evidence),
        "MaximalMarginalRelevance()": lambda: MaximalMarginalRelevance().rerank(QUESTION, evidence),
        "DuplicatesLast()": lambda: DuplicatesLast().rerank(QUESTION, evidence),
    }


@dataclass(frozen=True)
class Timed(OverNeighbours):
    """Notes when its walk begins and ends."""

    marks: list[float] = field(default_factory=list)

    def reached(
        self,
        start: NDArray[np.int64],
        relevance: NDArray[np.float64],
        near: NDArray[np.int64],
        nearness: NDArray[np.float64],
        count: int,
    ) -> NDArray[np.float64]:
        """The walk."""
        begin = thread_time()
        found = super().reached(start, relevance, near, nearness, count)
        self.marks.append(1000.0 * (thread_time() - begin))
        return found


def processor(call: Callable[[], object], clock: Callable[[], float] = process_time) -> float:
    """Seconds of processor time."""
    begin = clock()
    call()
    return clock() - begin


def graph_of(rows: int, dim: int) -> Iterator[tuple[str, str]]:
    """What the neighbours cost in a casebase of so many cases, by name."""
    corpus = Corpus(rows, dim, **NO_REPORTS)
    with (
        TemporaryDirectory() as folder,
        Casebase.create(Path(folder) / "cases", dim=dim, fingerprint="f", preset="p") as casebase,
    ):
        for entries in corpus.entries():
            casebase.add(entries)
        plain = processor(casebase.publish)
        yield "publish without neighbours (s)", f"{plain:.2f}"
        yield "publish, all found anew (s)", f"{processor(lambda: anew(casebase)):.2f}"
        yield "publish, nothing changed (s)", f"{processor(casebase.publish):.2f}"
        casebase.add(corpus.chunk(rows, rows // 100))
        casebase.delete([f"case{i}" for i in range(0, rows, 1_000)])
        changed = processor(casebase.publish)
        yield "publish, 1 % added, 0.1 % deleted (s)", f"{changed:.2f}"
        files = [f for f in casebase.path.rglob("*") if f.name in ("neighbours", "nearness")]
        yield "disk (bytes a case)", f"{sum(f.stat().st_size for f in files) / rows:.0f}"
        yield from searches(casebase, corpus.vectors(RUNS), "")
        casebase.add(corpus.chunk(2 * rows, 100))
        yield from searches(casebase, corpus.vectors(RUNS), ", 100 cases not published")


def anew(casebase: Casebase) -> None:
    """Publish with neighbours for the first time."""
    casebase.publish(neighbours=True)


def searches(casebase: Casebase, vectors: Matrix, when: str) -> Iterator[tuple[str, str]]:
    """Median milliseconds of a search with and without the graph, each of another question."""
    domains = cycle(DOMAINS)
    asked = [
        question_of(Query(), vector, domain)
        for vector, domain in zip(vectors, domains, strict=False)
    ]
    timed = Timed(candidates=200)

    def median(search: Callable[[Question], object]) -> float:
        laps = [processor(lambda: search(question), thread_time) for question in asked]  # noqa: B023
        return 1000.0 * float(np.median(laps[50:]))  # the first ones touch and check files

    yield f"search, k = 50 (ms){when}", f"{median(lambda q: casebase.search(q, 50)):.2f}"
    yield f"search, k = 200 (ms){when}", f"{median(lambda q: casebase.search(q, 200)):.2f}"
    read: list[float] = []
    lists = Graph.lists

    def reading(*given: object) -> object:
        begin = thread_time()
        found = lists(*given)
        read.append(1000.0 * (thread_time() - begin))
        return found

    Graph.lists = reading
    try:
        onward = median(lambda q: timed.search(casebase, q, 50))
    finally:
        Graph.lists = lists
    yield f"search over neighbours, k = 50 (ms){when}", f"{onward:.2f}"
    yield f"of that, reading the lists of 200 candidates (ms){when}", f"{np.median(read):.2f}"
    yield f"of that, the walk (ms){when}", f"{np.median(timed.marks):.2f}"


def main() -> None:
    """Print what each step takes by number of nodes, or of cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", metavar="N")
    parser.add_argument("--dim", type=int, default=256)
    options = parser.parse_args()
    if options.rows is None:
        by_candidates()
        return
    columns = {rows: dict(graph_of(rows, options.dim)) for rows in options.rows}
    print("| processor time | " + " | ".join(f"{rows:,}" for rows in columns) + " |")
    print("|---|" + "---:|" * len(columns))
    for name in columns[options.rows[0]]:
        print(f"| {name} | " + " | ".join(made[name] for made in columns.values()) + " |")


def by_candidates() -> None:
    """Print what each step takes by number of nodes."""
    sizes = (20, 58, 100, 200)
    timed = {n: {name: milliseconds(f) for name, f in steps(candidates(n)).items()} for n in sizes}
    print(f"milliseconds, fastest / median of {RUNS} runs, {DIM}-d vectors")
    print(f"{'candidates':40}" + "".join(f"{n:>16}" for n in sizes))
    for name in timed[sizes[0]]:
        figures = (f"{timed[n][name][0]:.3f} / {timed[n][name][1]:.3f}" for n in sizes)
        print(f"{name:40}" + "".join(f"{figure:>16}" for figure in figures))


if __name__ == "__main__":
    main()
