"""Milliseconds of section 3.5 by number of candidates: ``python benchmarks/graph_latency.py``.

Half of the candidates stand in crowds of near-duplicates, where propagation converges slowest.
Each figure is the fastest and the median of 300 runs, in one process: the fastest is what the work
takes, the median what a user waits on this machine as busy as it is now.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np

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
from mmedrag.testing.questions import QUESTION
from mmedrag.types import Case, Evidence

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


def main() -> None:
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
