"""Figure 2 measured: milliseconds by stage with and without the graph, on a real casebase."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mmedrag.assembly import assemble, dictionary
from mmedrag.casebase.casebase import Casebase
from mmedrag.evaluation.corpus import filled_casebase
from mmedrag.paper.candidates import CANDIDATES
from mmedrag.paper.gallery import Gallery
from mmedrag.pipeline import MMedRAG
from mmedrag.presets import Stages, default_reranker
from mmedrag.protocols import Reranker
from mmedrag.ranking.graph import KeepOrder, paper_graph
from mmedrag.reward.scorers import KeepAll
from mmedrag.types import Query

STAGES = ("modality", "encoding", "cases", "definitions", "rerank")
"""What is timed, in the order of the pipeline."""

SIZES = (20, 50, 100, 200)
"""Numbers of candidates."""

ROUNDS = 2

Percentiles = Mapping[str, tuple[float, float]]
"""By stage, and ``total``: p50 and p95 in milliseconds."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles by method, and the median milliseconds of the paper's graph by what may grow.

    ``candidates``: by number of cases, from the whole gallery; ``records``: with 50 cases, by size
    of the gallery.
    """

    methods: Mapping[str, Percentiles]
    candidates: Mapping[int, float]
    records: Mapping[int, float]


def pipeline_latency(gallery: Gallery, stages: Stages, queries: Sequence[Query]) -> Latency:
    """Time the retrieval of queries, one after another, from a casebase of the gallery."""
    arms: dict[str, Reranker] = {
        "Standard RAG": KeepOrder(),
        "paper's Graph-RAG": paper_graph(),
        "default": default_reranker(),
    }
    with TemporaryDirectory() as folder:
        rag, whole = _system(Path(folder) / "whole", gallery, stages, step=1)
        small, quarter = _system(Path(folder) / "part", gallery, stages, step=4)
        with whole, quarter:
            return Latency(
                _timed({n: replace(rag, reranker=r) for n, r in arms.items()}, queries),
                {size: _rerank_time(rag, queries, size) for size in SIZES},
                {
                    quarter.count(): _rerank_time(small, queries, CANDIDATES),
                    whole.count(): _rerank_time(rag, queries, CANDIDATES),
                },
            )


def _system(path: Path, gallery: Gallery, stages: Stages, *, step: int) -> tuple[MMedRAG, Casebase]:
    """A casebase of every ``step``-th record; nothing is encoded again."""
    casebase = filled_casebase(
        path, gallery.cases[::step], gallery.vectors[::step], stages.embedder
    )
    rag = replace(assemble(stages, casebase, dictionary()), context_filter=KeepAll())
    return rag, casebase


def _timed(systems: Mapping[str, MMedRAG], queries: Sequence[Query]) -> dict[str, Percentiles]:
    """All queries with one system, then with the next, in turns of :data:`ROUNDS`.

    Not query by query: the encoder remembers the last few images, and the second system would have
    them for nothing.
    """
    laps: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in systems}
    for name, rag in [*systems.items()] * ROUNDS:
        rag.retrieve(queries[-1])  # warms up
        for query in queries:
            timings = rag.retrieve(query).timings
            for stage in STAGES:
                laps[name][stage].append(timings[stage])
            laps[name]["total"].append(sum(timings[stage] for stage in STAGES))
    return {
        name: {
            stage: (float(np.median(times)), float(np.quantile(times, 0.95)))
            for stage, times in by_stage.items()
        }
        for name, by_stage in laps.items()
    }


def _rerank_time(rag: MMedRAG, queries: Sequence[Query], size: int) -> float:
    """Median milliseconds of the paper's graph with so many cases."""
    paper = replace(rag, reranker=paper_graph(), k_cases=size)
    return float(np.median([paper.retrieve(query).timings["rerank"] for query in queries]))
