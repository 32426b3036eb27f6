"""What the pipeline costs beyond FAISS: ``retrieve()`` without encoders, 100,000 cases.

One run builds a casebase of random unit vectors, which no inverted lists could divide, in exact
indexes, and synthetic reports over three domains, then times, for the same queries and one by one,

- the bare ``search`` call on the very FAISS index that the casebase wrote, and
- ``MMedRAG.retrieve()`` with a fixed-vector embedder and identity stages for the parts that are
  not retrieval (no dictionary, no reranking, no reward), for image-like queries (vector only) and
  for text queries (vector and words).

    python benchmarks/retrieval_overhead.py [--rows 100000] [--dim 256] [--queries 200]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter

os.environ.setdefault("OMP_NUM_THREADS", "1")

import faiss
import numpy as np

from mmedrag.casebase import Casebase, Entry
from mmedrag.pipeline import MMedRAG
from mmedrag.types import (
    Case,
    Definition,
    Domain,
    Embeddable,
    Evidence,
    Matrix,
    Mention,
    Query,
    Question,
    Routing,
)
from scale import bare_indexes

DOMAINS = list(Domain)
PIXEL = np.zeros((1, 1), np.uint8)


class FixedVectors:
    """Gives a query the vector that was drawn for it; nothing is encoded."""

    fingerprint = "fixed"

    def __init__(self, vectors: Matrix) -> None:
        self.dim = vectors.shape[1]
        self._vectors = vectors
        self.next = 0

    def embed(self, items: Sequence[Embeddable], pictures: object = None) -> Matrix:  # noqa: D102
        return self._vectors[[self.next] * len(items)]


class NoRouting:
    """Every query asks all domains, unless it names one."""

    def classify(self, queries: Sequence[Query], pictures: object = None) -> list[Routing]:  # noqa: D102
        return [Routing({}, None)] * len(queries)


class NoDefinitions:
    """No dictionary."""

    fingerprint = "none"

    def recognise(self, texts: Sequence[str]) -> list[tuple[Mention, ...]]:  # noqa: D102
        return [()] * len(texts)

    def define(self, mentions: Sequence[Sequence[Mention]], limit: int) -> list[Definition]:  # noqa: D102
        return []


class SameOrder:
    """The order of stage 1."""

    def rerank(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:  # noqa: D102
        return list(evidence)


class KeepEverything:
    """No reward filter."""

    def keep(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:  # noqa: D102
        return list(evidence)


class NoAnswer:
    """Nothing is generated here."""

    def generate(self, question: Question, evidence: Sequence[Evidence]) -> Iterator[str]:  # noqa: D102
        return iter(())


def unit_rows(rng: np.random.Generator, n: int, dim: int) -> Matrix:
    """Random unit vectors, ``(n, dim)``."""
    vectors = rng.standard_normal((n, dim), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Reports:
    """Texts of ``length`` words whose frequencies fall like Zipf's law."""

    def __init__(self, rng: np.random.Generator, words: int = 20_000) -> None:
        self._rng = rng
        self._words = np.array([f"term{i}" for i in range(words)])
        weights = 1 / np.arange(10, words + 10)
        self._weights = weights / weights.sum()

    def write(self, n: int, length: int) -> list[str]:  # noqa: D102
        drawn = self._rng.choice(len(self._words), (n, length), p=self._weights)
        return [" ".join(self._words[row]) for row in drawn]


def build(path: Path, rows: int, dim: int, rng: np.random.Generator, reports: Reports) -> Casebase:
    """A casebase of random vectors and synthetic reports over three domains."""
    casebase = Casebase.create(path, dim=dim, fingerprint="fixed", preset="benchmark")
    for start in range(0, rows, 5_000):
        n = min(5_000, rows - start)
        texts = reports.write(n, 30)
        vectors = unit_rows(rng, n, dim)
        casebase.add(
            [
                Entry(
                    Case(id=f"case{start + i}", text=texts[i], domain=DOMAINS[(start + i) % 3]),
                    vectors[i],
                    f"content{start + i}",
                    None,
                )
                for i in range(n)
            ]
        )
    casebase.publish("Flat")
    return casebase


def milliseconds(calls: Sequence[Callable[[int], object]], n: int) -> list[np.ndarray]:
    """Times of several calls, taken in turn, so that a busy machine is busy for all of them."""
    for call in calls:
        for i in range(min(n, 5)):
            call(i)
    taken = np.empty((len(calls), n))
    for i in range(n):
        for row, call in enumerate(calls):
            begin = perf_counter()
            call(i)
            taken[row, i] = (perf_counter() - begin) * 1000
    return list(taken)


def bare_search(path: Path, domains: Sequence[str], queries: Matrix, k: int):
    """The search call on the FAISS indexes that the casebase wrote, and nothing else."""
    indexes = bare_indexes(path, domains)

    def call(i: int) -> list:
        return [index.search(queries[i : i + 1], k) for index in indexes]

    return call


def line(name: str, taken: np.ndarray, bare: np.ndarray) -> str:
    """A row of the table: p50, p95 and the ratio to bare FAISS."""
    p50, p95 = np.percentile(taken, [50, 95])
    ratio = p50 / np.percentile(bare, 50)
    return f"| {name:<44} | {p50:8.2f} | {p95:8.2f} | {ratio:5.2f} |"


def main() -> None:
    """Build the casebase and measure in one domain and in all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--k", type=int, default=50)
    asked = parser.parse_args()
    faiss.omp_set_num_threads(1)
    rng = np.random.default_rng(0)
    reports = Reports(rng)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "benchmark.casebase"
        begin = perf_counter()
        casebase = build(path, asked.rows, asked.dim, rng, reports)
        built = perf_counter() - begin
        print(f"{asked.rows} cases x {asked.dim} dimensions, built in {built:.0f} s, k = {asked.k}")
        print(f"| {'query':<44} | p50 (ms) | p95 (ms) | ratio |")
        print(f"| {'-' * 44} | -------: | -------: | ----: |")
        with casebase:
            for domain in (Domain.RADIOLOGY, None):
                measure(casebase, path, domain, asked, rng, reports)


def measure(casebase, path, domain, asked, rng, reports) -> None:
    """Print the rows of bare FAISS and of ``retrieve()`` for the same queries."""
    queries = unit_rows(rng, asked.queries, asked.dim)
    names = [domain] if domain else [str(d) for d in DOMAINS]
    where = str(domain) if domain else "all domains"
    embedder = FixedVectors(queries)
    rag = MMedRAG(
        classifier=NoRouting(),
        embedder=embedder,
        cases=casebase,
        definitions=NoDefinitions(),
        reranker=SameOrder(),
        context_filter=KeepEverything(),
        generator=NoAnswer(),
        k_cases=asked.k,
    )
    texts = {
        "retrieve(), image": [""] * asked.queries,
        "retrieve(), 5 words": reports.write(asked.queries, 5),
        "retrieve(), 30 words": reports.write(asked.queries, 30),
    }
    calls = [bare_search(path, names, queries, asked.k)]
    for written in texts.values():

        def retrieve(i: int, written: Sequence[str] = written) -> object:
            embedder.next = i
            return rag.retrieve(Query(text=written[i], image=PIXEL, domain=domain))

        calls.append(retrieve)
    bare, *others = milliseconds(calls, asked.queries)
    print(line(f"{where}: bare FAISS", bare, bare))
    for name, taken in zip(texts, others, strict=True):
        print(line(f"{where}: {name}", taken, bare))


if __name__ == "__main__":
    main()
