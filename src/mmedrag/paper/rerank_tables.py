"""The tables and figures of the study of rerankers (section 4.4, Fig. 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mmedrag.paper.candidates import MODES, RerankQuery
from mmedrag.paper.coherence import Coherence
from mmedrag.paper.gallery import Gallery
from mmedrag.paper.rerank import (
    ALPHAS,
    DEFAULT,
    METRICS,
    NEW,
    OURS,
    PAPER,
    SAME_PATIENT,
    STANDARD,
    WALKS,
    Floats,
    RerankFigures,
    best_alpha,
    cases_of,
)
from mmedrag.paper.rerank_latency import STAGES, Latency
from mmedrag.protocols import Reranker
from mmedrag.views import plots
from mmedrag.views.section import Figure, Table

_NAMED = (
    PAPER, DEFAULT, "MMR", "10-NN graph, α = 0.85", "reciprocal neighbours",
    "complete α = 0.2, MMR, duplicates last",
)  # fmt: skip

TITLES = {NEW: "new", SAME_PATIENT: "known"}
"""The two galleries in the JSON."""


@dataclass(frozen=True, slots=True, eq=False)
class RerankStudy:
    """Everything that was measured."""

    gallery: Gallery
    queries: Mapping[str, Sequence[RerankQuery]]
    arms: Mapping[str, Mapping[str, RerankFigures]]
    tuned: Mapping[str, Floats]
    swept: Mapping[str, Floats]
    latency: Latency
    coherence: Coherence
    shift: tuple[RerankQuery, Reranker, Reranker]


def points(first: RerankFigures, second: RerankFigures) -> str:
    """The difference in nDCG@10, in points, with its interval and p."""
    test = first.against(second, "nDCG@10")
    low, high = test.interval
    change = f"{100 * test.difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}"
    return f"{change}, p = {test.p_value:.3f})"


def tables(study: RerankStudy) -> tuple[Table, ...]:
    """Rerankers by gallery and by mode, α, milliseconds, and the controlled experiment."""
    sides = tuple(_arms_table(side, arms) for side, arms in study.arms.items())
    return (*sides, _modes_table(study), _alpha_table(study), *_latency_tables(study.latency),
            _coherence_table(study.coherence))  # fmt: skip


def _arms_table(side: str, arms: Mapping[str, RerankFigures]) -> Table:
    rows = []
    for name, arm in arms.items():
        means = arm.means()
        change = "" if name == STANDARD else points(arm, arms[STANDARD])
        rows.append((name, f"{means['nDCG@10']:.3f}", change, *_plain(means)))
    header = ("reranker", "nDCG@10", "against cosine, points", *METRICS[1:])
    return Table(f"Rerankers: {side}", header, tuple(rows))


def _plain(means: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(f"{means[name]:.3f}" for name in METRICS[1:])


def _modes_table(study: RerankStudy) -> Table:
    columns = [(side, mode) for side in study.queries for mode in MODES]
    rows = [
        (name, *(_mean_of(study, side, mode, name) for side, mode in columns))
        for name in (STANDARD, PAPER, OURS, DEFAULT)
    ]
    header = ("nDCG@10", *(f"{mode}, {TITLES[side]}" for side, mode in columns))
    return Table("By what is asked with", header, tuple(rows))


def _mean_of(study: RerankStudy, side: str, mode: str, name: str) -> str:
    mine = np.array([a.mode == mode for a in study.queries[side]])
    return f"{study.arms[side][name].values[mine, 0].mean():.3f}" if mine.any() else "–"


def _alpha_table(study: RerankStudy) -> Table:
    rows = []
    for name in WALKS:
        alpha = best_alpha(study.tuned[name])
        at = {a: f"{v:.3f}" for a, v in zip(ALPHAS, study.swept[name].mean(axis=1), strict=True)}
        rows.append((name, f"{alpha:g}", at[alpha], at[0.85], at[0.0]))
    header = ("walk", "α chosen in training", "nDCG@10 with it", "with α = 0.85", "with α = 0")
    return Table("The α of eq. 4 (both galleries together)", header, tuple(rows))


def _latency_tables(latency: Latency) -> tuple[Table, Table]:
    stages = (*STAGES, "total")
    rows = tuple(
        (name, *(f"{by_stage[s][0]:.1f} / {by_stage[s][1]:.1f}" for s in stages))
        for name, by_stage in latency.methods.items()
    )
    growth = (
        *((f"{n} candidates", f"{ms:.2f}") for n, ms in latency.candidates.items()),
        *((f"50 candidates of {n} records", f"{ms:.2f}") for n, ms in latency.records.items()),
    )
    return (
        Table("Milliseconds by stage, p50 / p95 (Fig. 2)", ("method", *stages), rows),
        Table("What the graph's time grows with, p50", ("", "milliseconds"), tuple(growth)),
    )


def _coherence_table(coherence: Coherence) -> Table:
    rows = tuple(
        (
            sentence,
            f"{coherence.similarity[sentence]:.4f}",
            f"{coherence.paper[sentence]:.4f} ({coherence.rank(sentence, coherence.paper)})",
            f"{coherence.ours[sentence]:.4f} ({coherence.rank(sentence, coherence.ours)})",
        )
        for sentence in sorted(
            coherence.similarity, key=coherence.similarity.__getitem__, reverse=True
        )
    )
    header = ("sentence of section 4.4", "cosine", "eq. 4 of the paper (rank)", "ours (rank)")
    return Table("The controlled experiment with our encoder", header, rows)


def figures(study: RerankStudy) -> tuple[Figure, ...]:
    """Relevance by α, relevance against repetition, one query, milliseconds by stage."""
    curves = {name: (ALPHAS, values.mean(axis=1)) for name, values in study.swept.items()}
    cosine = next(iter(study.swept.values()))[0].mean()
    curves["cosine"] = (ALPHAS, np.full(len(ALPHAS), cosine))
    totals = {
        name: {stage: by_stage[stage][0] for stage in (*STAGES, "total")}
        for name, by_stage in study.latency.methods.items()
    }
    return (
        Figure(
            "nDCG@10 by α",
            "The more the paper's walk propagates, the more typical and the less relevant the "
            "first ten are; the query-aware walk gains over a wide range of α.",
            partial(plots.lines, curves, "α of eq. 4", "nDCG@10", reference=("cosine",)),
        ),
        Figure(
            "Relevance and repetition",
            "Up is more relevant, left is less repetitive; patients new to the gallery.",
            partial(_draw_scatter, study.arms[NEW]),
        ),
        Figure(
            "One query",
            "Where the first ten of Standard RAG stand in the default order; relevant ones in "
            "colour.",
            partial(_draw_shift, *study.shift),
        ),
        Figure("Milliseconds by stage, p50 (Fig. 2)", "Reranking is added on top of the rest.",
               partial(plots.bars, totals, "milliseconds")),
    )  # fmt: skip


def _draw_scatter(arms: Mapping[str, RerankFigures]) -> str:
    """Every reranker as a point, in four families; names where there is room for them."""
    families = {name: _family(name) for name in arms}
    means = {name: arm.means() for name, arm in arms.items()}
    members = {
        family: [name for name in arms if families[name] == family]
        for family in dict.fromkeys(families.values())
    }
    points = {
        family: ([means[n]["repeated"] for n in names], [means[n]["nDCG@10"] for n in names])
        for family, names in members.items()
    }
    labels = {
        family: [name if name in _NAMED else "" for name in names]
        for family, names in members.items()
    }
    return plots.scatter(points, "share of repetitions in the first ten", "nDCG@10", names=labels)


def _family(name: str) -> str:
    if name in (STANDARD, OURS, DEFAULT):
        return "ours" if name != STANDARD else "Standard RAG"
    return "graph as in the paper" if "graph" in name or "paper" in name else "others"


def _draw_shift(query: RerankQuery, before: Reranker, after: Reranker) -> str:
    first, second = (cases_of(r.rerank(query.question, query.evidence)) for r in (before, after))
    relevant = {key for key, grade in query.grades.items() if grade > 0}
    return plots.rank_shift(
        [e.key for e in first],
        [e.key for e in second],
        relevant=relevant,
        labels=("Standard RAG", "default"),
    )
