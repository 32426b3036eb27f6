"""``mmedrag eval order`` as a section: nDCG@5 by kind of question and station, with intervals."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmedrag.datasets.corpus import codes
from mmedrag.datasets.ties import set_name
from mmedrag.errors import CorpusError
from mmedrag.evaluation.directions import rounded
from mmedrag.evaluation.order import (
    QUESTIONS,
    RECORDS,
    Retrieval,
    Subset,
    ask,
    sampled,
    scores,
    searched,
)
from mmedrag.measures.bootstrap import paired_test
from mmedrag.progress import Progress, silent
from mmedrag.types import Case
from mmedrag.views import plots
from mmedrag.views.section import Figure, Section, Table

SCHEMA = "mmedrag-order/1"
ALL, HELD_OUT, UNSEEN = "all questions", "held-out patients", "held-out sets"

Rows = NDArray[np.bool_]
Figures = Mapping[str, Any]


def evaluate_order(
    paths: Sequence[Path],
    unseen: Sequence[Path] = (),
    *,
    preset: str = "offline",
    models: Mapping[str, str] | None = None,
    subset: Subset = "test",
    records: int = RECORDS,
    questions: int = QUESTIONS,
    progress: Progress = silent,
) -> Section:
    """Whether what comes after stage 1 helps, by kind of question.

    Args:
        paths: files of the native format whose held-out patients ask.
        unseen: files of which nothing was learned; they are reported apart.
        preset: whose stages are measured.
        models: by role, in place of the preset's own.
        subset: ``test`` reports, ``tune`` asks with other patients, to choose settings on.
        records: taken of each file and split.
        questions: of each file, form and target.
        progress: told how many more cases are embedded or questions asked.

    Raises:
        CorpusError: where a file cannot be read, or no patient can be held out and asked about.
        ModelError: where the preset cannot be loaded.
    """
    files = [*paths, *unseen]
    with searched(
        files, preset=preset, models=models, subset=subset, records=records, progress=progress
    ) as (rag, corpus, asking):
        retrievals = ask(rag, sampled(asking, questions), corpus, progress)
    if not retrievals:
        raise CorpusError(
            "No question of a held-out patient has a fitting case among the other patients",
            "Give records of more patients who share findings or diagnoses.",
        )
    figures = measured(retrievals, {set_name(path) for path in unseen}) | {
        "schema": SCHEMA, "part": subset, "searched": len(corpus),
    }  # fmt: skip
    return as_section(figures)


def measured(retrievals: Sequence[Retrieval], unseen: Collection[str]) -> dict[str, Any]:
    """nDCG@5 of every group of questions, and the difference that graph and filter make."""
    values, once = scores(retrievals), scores(retrievals, once=True)
    patients = codes(a.patient for a in retrievals)
    foreign = np.array([a.set_name in unseen for a in retrievals], np.bool_)

    def figures(rows: Rows) -> dict[str, Any]:
        some, other = values[rows], once[rows]
        test = paired_test(some[:, 2], some[:, 0], patients[rows])
        singly = paired_test(other[:, 2], other[:, 0], patients[rows])
        return {
            "n": int(rows.sum()),
            "patients": len(np.unique(patients[rows])),
            "ndcg@5": [rounded(v) for v in some.mean(axis=0)],
            "difference": rounded(test.difference),
            "ci95": [rounded(end) for end in test.interval],
            "each patient once": [rounded(v) for v in other.mean(axis=0)],
            "difference, each patient once": rounded(singly.difference),
            "ci95, each patient once": [rounded(end) for end in singly.interval],
        }

    def grouped(names: Sequence[str]) -> dict[str, Any]:
        named = np.array(names)
        return {name: figures(named == name) for name in sorted(set(names))}

    wholes = {ALL: np.ones(len(retrievals), np.bool_), HELD_OUT: ~foreign, UNSEEN: foreign}
    kept = [sum(isinstance(e.item, Case) for e in a.context.kept) for a in retrievals]
    return {
        "questions": len(retrievals),
        "kept": rounded(float(np.mean(kept))),
        "whole": {name: figures(rows) for name, rows in wholes.items() if rows.any()},
        "by_kind": grouped([a.graded.kind for a in retrievals]),
        "by_domain": grouped([str(a.graded.asker.case.domain) for a in retrievals]),
        "by_set": grouped([a.set_name for a in retrievals]),
    }


def as_section(figures: Figures) -> Section:
    """What was measured with its words, tables and figure."""
    rows = {**figures["whole"], **figures["by_kind"]}
    return Section(
        name="order",
        title="What graph and filter do to the order",
        paper="sections 3.5 and 3.6 (the paper gives no such figure)",
        protocol=_protocol(figures),
        verdict=_verdict(figures),
        tables=(
            _table("nDCG@5 by kind of question", "questions", rows),
            _table("nDCG@5 by domain", "domain", figures["by_domain"]),
            _table("nDCG@5 by set of the case that asks", "set", figures["by_set"]),
        ),
        figures=(
            Figure(
                "What graph and filter add",
                "nDCG@5 of what is kept less that of stage 1, with 95 % intervals.",
                lambda: plots.bars(
                    {name: {"kept - gathered": f["difference"]} for name, f in rows.items()},
                    "difference of nDCG@5",
                    intervals={name: {"kept - gathered": f["ci95"]} for name, f in rows.items()},
                ),
            ),
        ),
        notes=(
            "Grades say what cases state of themselves, as the recogniser reads it: a synonym that "
            "no dictionary has counts as another diagnosis.",
            "Each patient once: a second case of a patient gains nothing, as a list is read.",
        ),
        data=figures,
    )


def _protocol(figures: Figures) -> str:
    whole = figures["whole"][ALL]
    note = "" if figures["part"] == "test" else " These are questions to choose settings on."
    return (
        f"{figures['questions']} questions of {whole['patients']} held-out patients, made by code "
        "from what their records state (mmedrag.evaluation.order_questions has the rule by which "
        f"cases are graded), asked of {figures['searched']} cases of other patients through "
        "retrieve(). Gathered: the order of stage 1; ranked: after section 3.5; kept: after "
        "section 3.6. The ideal list is the best of all cases. In brackets: 95 % intervals of the "
        f"paired bootstrap over patients.{note}"
    )


def _verdict(figures: Figures) -> str:
    whole = figures["whole"][ALL]
    gathered, _, kept = whole["ndcg@5"]
    low, high = whole["ci95"]
    worse = [name for name, f in figures["by_kind"].items() if f["ci95"][1] < 0]
    below = [name for name, f in figures["by_kind"].items() if f["difference"] < 0]
    return (
        f"nDCG@5 {gathered:.3f} before the graph, {kept:.3f} after the filter "
        f"({whole['difference']:+.3f}, {low:+.3f} to {high:+.3f}), {figures['kept']:.1f} cases "
        f"kept of each question. Worse beyond chance: {', '.join(worse) or 'no kind of question'}; "
        f"below stage 1: {', '.join(below) or 'none'}."
    )


def _table(title: str, what: str, rows: Mapping[str, Figures]) -> Table:
    header = (what, "n", "gathered", "ranked", "kept", "kept − gathered", "each patient once")
    return Table(title, header, tuple(_row(name, f) for name, f in rows.items()))


def _row(name: str, f: Figures) -> tuple[str, ...]:
    low, high = f["ci95"]
    return (
        name,
        str(f["n"]),
        *(f"{value:.3f}" for value in f["ndcg@5"]),
        f"{f['difference']:+.3f} [{low:+.3f}, {high:+.3f}]",
        f"{f['difference, each patient once']:+.3f}",
    )
