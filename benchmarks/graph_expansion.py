"""Does an offline graph find what the query does not? Sections 6.3 and 7 of the paper, measured.

The gallery becomes a casebase that keeps the 20 nearest of every case, and is asked as a user asks
it: with :class:`mmedrag.expansion.OverNeighbours`, by which cases can come in that are near the
best ones and not near the query, and without. Queries are those of patients who are new to the
gallery (validation split of MedPix and IU X-Ray, by image, text and both), each asked of its own
domain; relevance is that of ``mmedrag eval rerank``. The share that the walk gets is chosen on
training patients; nDCG@10 and recall@50 (of the cases that share a label) are measured on the
others, with 95 % intervals of the difference by bootstrap over patients.

    python benchmarks/graph_expansion.py [--data DIR …] [--size 1800] [--queries 80]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase import Casebase, Entry
from mmedrag.definitions import glossary
from mmedrag.encoders.batches import embed_in_batches
from mmedrag.expansion import NearQuestion, OverNeighbours
from mmedrag.filters import quoted
from mmedrag.paper.gallery import Gallery, read_gallery
from mmedrag.presets import build
from mmedrag.protocols import CaseExpansion, Embedder
from mmedrag.testing.questions import question_of
from mmedrag.types import Hit, Query, Question

K = 50
SHARES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
MODES = ("image", "text", "both")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Asked:
    """One query: whose it is, what is asked, the grades of all cases, and which may be found."""

    group: int
    question: Question
    grades: Floats
    visible: NDArray[np.bool_]


def filled(folder: Path, gallery: Gallery, embedder: Embedder) -> Casebase:
    """The gallery as a casebase that keeps neighbours; ids are rows, splits are roles."""
    casebase = Casebase.create(
        folder, dim=embedder.dim, fingerprint=embedder.fingerprint, preset="offline"
    )
    rows = zip(gallery.cases, gallery.vectors, gallery.groups, gallery.roles, strict=True)
    casebase.add(
        [
            Entry(
                replace(case, id=str(i), patient_id=f"p{group}", split=role), vector, str(i), None
            )
            for i, (case, vector, group, role) in enumerate(rows)
        ]
    )
    casebase.publish(neighbours=True)
    return casebase


def figures(asked: Asked, hits: Sequence[Hit]) -> tuple[float, float]:
    """nDCG@10 and recall@50."""
    order = np.array([int(hit.case.id) for hit in hits])
    if not asked.visible[order].all():
        raise AssertionError("a case came in that the filter hides")
    discounts = 1 / np.log2(np.arange(2, 12))
    ideal = np.sort(asked.grades[asked.visible])[::-1][:10]
    gained = asked.grades[order[:10]]
    relevant = float((asked.grades[asked.visible] > 0).sum())
    found = float((asked.grades[order] > 0).sum())
    return float(gained @ discounts / (ideal @ discounts)), found / min(relevant, float(K))


def queries(gallery: Gallery, embedder: Embedder, role: str, mode: str, limit: int) -> list[Asked]:
    """Questions of one part of the patients, each new to the gallery."""
    usable = [
        i
        for i, (case, mine) in enumerate(zip(gallery.cases, gallery.roles, strict=True))
        if mine == role and (mode == "text" or case.image) and (mode == "image" or case.text)
    ]
    rows = np.sort(np.random.default_rng(0).permutation(usable)[:limit])
    if not len(rows):
        return []
    cases = [gallery.cases[i] for i in rows]
    put = [
        Query("" if mode == "image" else c.text, None if mode == "text" else c.image) for c in cases
    ]
    vectors = embed_in_batches(embedder, put)
    domains = np.array([str(case.domain) for case in gallery.cases])
    found = []
    for row, vector, query in zip(rows, vectors, put, strict=True):
        mine = gallery.groups == gallery.groups[row]
        copies = (gallery.images == gallery.images[row]) & (mode != "text")
        copies |= (gallery.texts == gallery.texts[row]) & (mode != "image")
        where = f"patient_id != 'p{gallery.groups[row]}'"
        if others := np.flatnonzero(copies & ~mine).tolist():
            where += f" and id not in ({', '.join(quoted(str(i)) for i in others)})"
        visible = (domains == domains[row]) & ~mine & ~copies
        if role == "tuned":
            where += " and split != 'asked'"
            visible &= np.array([name != "asked" for name in gallery.roles])
        grades = gallery.truth.grades(np.array([row]), np.arange(len(gallery.cases)))[0] * 1.0
        query = replace(query, where=where)
        question = question_of(query, vector, gallery.cases[row].domain)
        asked = Asked(int(gallery.groups[row]), question, grades, visible)
        if (grades[visible] > 0).any():
            found.append(asked)
    return found


def measured(
    casebase: Casebase, asked: Sequence[Asked], expansion: CaseExpansion
) -> tuple[Floats, list[list[Hit]]]:
    """nDCG@10 and recall@50 of each query, ``(n, 2)``, and what was found."""
    found = [expansion.search(casebase, one.question, K) for one in asked]
    return np.array([figures(*pair) for pair in zip(asked, found, strict=True)]), found


def brought_in(
    asked: Sequence[Asked], found: Sequence[Sequence[Hit]], near: Sequence[Sequence[Hit]]
) -> str:
    """How many cases of a query came in by the graph alone, what of them is relevant, how far.

    ``near`` are the first 200 of each query without the graph.
    """
    grades, far = [], 0
    for one, hits, direct in zip(asked, found, near, strict=True):
        ids = {hit.case.id for hit in direct}
        came = [hit.case.id for hit in hits if hit.proximity is not None]
        grades += [one.grades[int(case_id)] > 0 for case_id in came]
        far += sum(case_id not in ids for case_id in came)
    if not grades:
        return "0 | – | 0"
    return (
        f"{len(grades) / len(asked):.1f} | {100 * np.mean(grades):.0f} % | {far / len(asked):.1f}"
    )


def intervals(differences: Floats, groups: NDArray[np.int64]) -> Floats:
    """95 % of the mean difference when patients are drawn again, in points."""
    rng = np.random.default_rng(0)
    patients = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    means = [
        differences[
            np.concatenate([patients[i] for i in rng.integers(len(patients), size=len(patients))])
        ].mean(axis=0)
        for _ in range(2_000)
    ]
    return 100 * np.percentile(means, [2.5, 97.5], axis=0)


def main() -> None:
    """Choose the share on training patients, print what it does on the others."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path("../shared/data")
    default = [data / "medpix2", data / "iu_xray_text"]
    parser.add_argument("--data", type=Path, nargs="+", default=default)
    parser.add_argument("--size", type=int, default=1_800)
    parser.add_argument("--queries", type=int, default=80)
    options = parser.parse_args()
    stages = build("offline")
    files = [path / "records.jsonl" for path in options.data]
    gallery = read_gallery(files, stages.embedder, glossary(), split="val", size=options.size)
    print(f"{len(gallery.cases)} records\n")
    print(
        "| query | queries | share of the walk | nDCG@10 | difference | recall@50 | difference "
        "| came in by the graph | relevant | not among the first 200 |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    with (
        TemporaryDirectory() as folder,
        filled(Path(folder) / "cases", gallery, stages.embedder) as casebase,
    ):
        for mode in MODES:
            tuned, asked = (
                queries(gallery, stages.embedder, role, mode, options.queries)
                for role in ("tuned", "asked")
            )
            print_rows(casebase, mode, tuned, asked)


def print_rows(
    casebase: Casebase, mode: str, tuned: Sequence[Asked], asked: Sequence[Asked]
) -> None:
    """Choose the share on some queries, and print what it does to others."""
    stages = {0.0: NearQuestion(), **{share: OverNeighbours(share) for share in SHARES}}
    gains = {share: measured(casebase, tuned, stage)[0].mean() for share, stage in stages.items()}
    best = max(gains, key=lambda share: gains[share])
    groups = np.array([one.group for one in asked])
    plain, _ = measured(casebase, asked, NearQuestion())
    near = [casebase.search(one.question, 200) for one in asked]
    for share in sorted({0.0, best, 0.2, 0.7}):
        got, found = measured(casebase, asked, stages[share])
        low, high = intervals(got - plain, groups)
        mean, gain = 100 * got.mean(axis=0), 100 * (got - plain).mean(axis=0)
        cells = [
            f"{mean[i]:.1f} | {gain[i]:+.1f} ({low[i]:+.1f} to {high[i]:+.1f})" for i in (0, 1)
        ]
        chosen = " (chosen)" if share == best else ""
        came = brought_in(asked, found, near)
        print(f"| {mode} | {len(asked)} | {share}{chosen} | {' | '.join(cells)} | {came} |")


if __name__ == "__main__":
    main()
