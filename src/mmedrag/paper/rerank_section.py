"""``mmedrag eval rerank`` as a section: what each reranker does to relevance and to repetition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmedrag.assembly import dictionary
from mmedrag.errors import CorpusError
from mmedrag.paper.candidates import MODES, Asked, ask
from mmedrag.paper.coherence import Coherence, controlled
from mmedrag.paper.gallery import Gallery, Progress, read_gallery
from mmedrag.paper.rerank import (
    ALPHAS,
    DEFAULT,
    KNOWN,
    METRICS,
    NEW,
    OURS,
    PAPER,
    STANDARD,
    WALKS,
    Floats,
    Measured,
    best_alpha,
    cases_of,
    measure,
    rerankers,
    sweep,
)
from mmedrag.paper.rerank_disagreements import disagreements
from mmedrag.paper.rerank_latency import STAGES, Latency, pipeline_latency
from mmedrag.presets import build
from mmedrag.protocols import Reranker
from mmedrag.views import plots
from mmedrag.views.section import Figure, Section, Table

GALLERY, QUERIES, TUNED, TIMED = 1600, 120, 40, 20
"""Records; queries a set and mode, those α is chosen on, those that are timed."""

_NAMED = (
    PAPER, DEFAULT, "MMR", "10-NN graph, α = 0.85", "reciprocal neighbours",
    "complete α = 0.2, MMR, duplicates last",
)  # fmt: skip

TITLES = {NEW: "new", KNOWN: "known"}
"""The two galleries in the JSON."""


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Everything that was measured."""

    gallery: Gallery
    asked: Mapping[str, Sequence[Asked]]
    arms: Mapping[str, Mapping[str, Measured]]
    tuned: Mapping[str, Floats]
    swept: Mapping[str, Floats]
    latency: Latency
    coherence: Coherence
    shift: tuple[Asked, Reranker, Reranker]


def evaluate_rerank(
    paths: Sequence[Path],
    *,
    preset: str = "offline",
    models: Mapping[str, str] | None = None,
    split: str = "val",
    gallery: int = GALLERY,
    queries: int = QUERIES,
    progress: Progress = lambda n: None,
) -> Section:
    """Graph-RAG against Standard RAG on the records of held-out patients.

    Args:
        paths: files of the native format, with labels.
        preset: whose embedder, classifier and default reranker are measured.
        models: by role, in place of the preset's own.
        split: of the patients who are asked about; where empty, patients are drawn.
        gallery: records that can be found, of whole patients.
        queries: asked of each set in each mode.
        progress: told how many more records or queries are done.

    Raises:
        CorpusError: where a file cannot be read, or no query has anything relevant in the gallery.
        QueryError: for an unknown preset.
        ModelError: where the preset cannot be loaded.
    """
    return as_section(measure_rerank(paths, preset, models, split, gallery, queries, progress))


def measure_rerank(
    paths: Sequence[Path],
    preset: str,
    models: Mapping[str, str] | None,
    split: str,
    size: int,
    queries: int,
    progress: Progress,
) -> Study:
    """Measure everything; arguments and errors as for :func:`evaluate_rerank`."""
    stages, definitions = build(preset, models), dictionary()
    embedder = stages.embedder
    gallery = read_gallery(paths, embedder, definitions, split=split, size=size, progress=progress)
    asked = ask(gallery, embedder, definitions, "asked", limit=queries, progress=progress)
    tuned = ask(gallery, embedder, definitions, "tuned", limit=TUNED, progress=progress)
    if not tuned or all(query.own_case for query in asked):
        raise CorpusError(
            "No query has a relevant record in the gallery",
            "Give records with labels, or take more of them for the gallery.",
        )
    sides = {NEW: [a for a in asked if not a.own_case], KNOWN: [a for a in asked if a.own_case]}
    sides = {side: mine for side, mine in sides.items() if mine}
    arms = rerankers(gallery)
    timed = np.random.default_rng(0).permutation(len(sides[NEW]))[:TIMED]
    return Study(
        gallery=gallery,
        asked=sides,
        arms={
            side: {name: measure(reranker, mine) for name, reranker in arms.items()}
            for side, mine in sides.items()
        },
        tuned=sweep(tuned),
        swept=sweep(asked),
        latency=pipeline_latency(
            gallery, stages, [sides[NEW][i].question.query for i in timed], preset=preset
        ),
        coherence=controlled(embedder),
        shift=(sides[NEW][0], arms[STANDARD], arms[DEFAULT]),
    )


def as_section(found: Study) -> Section:
    """What was measured, with its words, tables and figures."""
    return Section(
        name="rerank",
        title="Graph-RAG reranking",
        paper="sections 3.5 and 4.4, eq. 3 and 4, Fig. 2",
        protocol=_protocol(found),
        verdict=_verdict(found),
        tables=_tables(found),
        figures=_figures(found),
        disagreements=disagreements(found.arms[NEW], found.latency, found.coherence),
        notes=(
            *found.gallery.notes,
            "A second record of one study counts as a repetition and, where the study is the "
            "query's own, as the most relevant thing there is: with the patient's other records in "
            "the gallery, no ranking is both most relevant and free of repetition.",
        ),
        data=_data(found),
    )


def _protocol(found: Study) -> str:
    sources = sorted({a.source for mine in found.asked.values() for a in mine})
    asked = ", ".join(f"{len(mine)} ({side})" for side, mine in found.asked.items())
    patients = len({a.group for a in found.asked[NEW]})
    return (
        f"{len(found.gallery.cases)} records of {', '.join(sources)}, whole patients drawn at "
        f"random. Queries of {patients} held-out patients by image, text, and both: {asked}. The "
        "query's record and copies of its image or text are hidden. Candidates: 50 cases of the "
        "query's domain by eq. 2 (BM25 blended in for text) and up to 8 definitions; the first 10 "
        "cases are judged. Relevance: same patient 3, same label set 2, a shared label 1; nDCG "
        "against the best ten of the whole gallery. α-nDCG (α = 0.5): an item says the labels it "
        "shares with the query, and its patient. MRR: of the first with relevance 2 or more. "
        "Repeated: same study, same text of eight words or more, or cosine ≥ 0.98 to an earlier "
        "one. Differences: paired bootstrap over patients, 95 %. α was chosen on other patients, "
        f"carved from training ({found.tuned['10-NN graph'].shape[1]} queries)."
    )


def _verdict(found: Study) -> str:
    new, base = found.arms[NEW], found.arms[NEW][STANDARD]
    paper, ours, default = (_points(new[name], base) for name in (PAPER, OURS, DEFAULT))
    before, after = (new[name].means()["repeated"] for name in (STANDARD, PAPER))
    known = found.arms.get(KNOWN)
    own = f", {_points(known[OURS], known[STANDARD])} where it has other records" if known else ""
    return (
        f"Eq. 4 as in the paper changes nDCG@10 by {paper} points and the share of repetitions "
        f"from {before:.2f} to {after:.2f}. A walk along steep edges from the cases that stand out "
        f"changes it by {ours} where the patient is new to the gallery{own}. The default, which "
        f"also puts duplicates last, changes it by {default} for new patients, with a share of "
        f"{new[DEFAULT].means()['repeated']:.2f} repetitions."
    )


def _points(first: Measured, second: Measured) -> str:
    """The difference in nDCG@10, in points, with its interval and p."""
    test = first.against(second, "nDCG@10")
    low, high = test.interval
    change = f"{100 * test.difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}"
    return f"{change}, p = {test.p_value:.3f})"


def _tables(found: Study) -> tuple[Table, ...]:
    sides = tuple(_arms_table(side, arms) for side, arms in found.arms.items())
    return (*sides, _modes_table(found), _alpha_table(found), *_latency_tables(found.latency),
            _coherence_table(found.coherence))  # fmt: skip


def _arms_table(side: str, arms: Mapping[str, Measured]) -> Table:
    rows = []
    for name, arm in arms.items():
        means = arm.means()
        change = "" if name == STANDARD else _points(arm, arms[STANDARD])
        rows.append((name, f"{means['nDCG@10']:.3f}", change, *_plain(means)))
    header = ("reranker", "nDCG@10", "against cosine, points", *METRICS[1:])
    return Table(f"Rerankers: {side}", header, tuple(rows))


def _plain(means: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(f"{means[name]:.3f}" for name in METRICS[1:])


def _modes_table(found: Study) -> Table:
    columns = [(side, mode) for side in found.asked for mode in MODES]
    rows = [
        (name, *(_mean_of(found, side, mode, name) for side, mode in columns))
        for name in (STANDARD, PAPER, OURS, DEFAULT)
    ]
    header = ("nDCG@10", *(f"{mode}, {TITLES[side]}" for side, mode in columns))
    return Table("By what is asked with", header, tuple(rows))


def _mean_of(found: Study, side: str, mode: str, name: str) -> str:
    mine = np.array([a.mode == mode for a in found.asked[side]])
    return f"{found.arms[side][name].values[mine, 0].mean():.3f}" if mine.any() else "–"


def _alpha_table(found: Study) -> Table:
    rows = []
    for name in WALKS:
        alpha = best_alpha(found.tuned[name])
        at = {a: f"{v:.3f}" for a, v in zip(ALPHAS, found.swept[name].mean(axis=1), strict=True)}
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


def _coherence_table(found: Coherence) -> Table:
    rows = tuple(
        (
            sentence,
            f"{found.similarity[sentence]:.4f}",
            f"{found.paper[sentence]:.4f} ({found.rank(sentence, found.paper)})",
            f"{found.ours[sentence]:.4f} ({found.rank(sentence, found.ours)})",
        )
        for sentence in sorted(found.similarity, key=found.similarity.__getitem__, reverse=True)
    )
    header = ("sentence of section 4.4", "cosine", "eq. 4 of the paper (rank)", "ours (rank)")
    return Table("The controlled experiment with our encoder", header, rows)


def _figures(found: Study) -> tuple[Figure, ...]:
    curves = {name: (ALPHAS, values.mean(axis=1)) for name, values in found.swept.items()}
    cosine = next(iter(found.swept.values()))[0].mean()
    curves["cosine"] = (ALPHAS, np.full(len(ALPHAS), cosine))
    totals = {
        name: {stage: by_stage[stage][0] for stage in (*STAGES, "total")}
        for name, by_stage in found.latency.methods.items()
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
            partial(_draw_scatter, found.arms[NEW]),
        ),
        Figure(
            "One query",
            "Where the first ten of Standard RAG stand in the default order; relevant ones in "
            "colour.",
            partial(_draw_shift, *found.shift),
        ),
        Figure("Milliseconds by stage, p50 (Fig. 2)", "Reranking is added on top of the rest.",
               partial(plots.bars, totals, "milliseconds")),
    )  # fmt: skip


def _draw_scatter(arms: Mapping[str, Measured]) -> str:
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
    told = {
        family: [name if name in _NAMED else "" for name in names]
        for family, names in members.items()
    }
    return plots.scatter(points, "share of repetitions in the first ten", "nDCG@10", names=told)


def _family(name: str) -> str:
    if name in (STANDARD, OURS, DEFAULT):
        return "ours" if name != STANDARD else "Standard RAG"
    return "graph as in the paper" if "graph" in name or "paper" in name else "others"


def _draw_shift(asked: Asked, before: Reranker, after: Reranker) -> str:
    first, second = (cases_of(r.rerank(asked.question, asked.evidence)) for r in (before, after))
    relevant = {key for key, grade in asked.grades.items() if grade > 0}
    return plots.rank_shift(
        [e.key for e in first],
        [e.key for e in second],
        relevant=relevant,
        labels=("Standard RAG", "default"),
    )


def _data(found: Study) -> dict[str, Any]:
    return {
        "encoder": found.gallery.encoder,
        "gallery": len(found.gallery.cases),
        "queries": {TITLES[side]: len(mine) for side, mine in found.asked.items()},
        "rerankers": {TITLES[side]: _arms_data(arms) for side, arms in found.arms.items()},
        "alpha": {
            name: {
                "chosen": best_alpha(found.tuned[name]),
                "tuned": _curve(found.tuned[name]),
                "asked": _curve(found.swept[name]),
            }
            for name in WALKS
        },
        "latency": asdict(found.latency),
        "controlled": asdict(found.coherence),
    }


def _arms_data(arms: Mapping[str, Measured]) -> dict[str, Any]:
    return {
        name: {
            **arm.means(),
            "ci95": arm.intervals(),
            "against_cosine": {m: asdict(arm.against(arms[STANDARD], m)) for m in METRICS},
        }
        for name, arm in arms.items()
    }


def _curve(swept: Floats) -> dict[str, float]:
    return {f"{a:g}": float(v) for a, v in zip(ALPHAS, swept.mean(axis=1), strict=True)}
