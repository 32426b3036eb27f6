"""Does an offline graph find what the query does not? Sections 6.3 and 7 of the paper, measured.

Every case has its 20 nearest of the gallery, computed beforehand. A query's candidates pass their
relevance on to their stored neighbours (eq. 4 as a walk that returns to the best), so that cases
which are near the best ones, but not near the query, can come in. Queries are those of patients who
are new to the gallery (validation split of MedPix and IU X-Ray, by image, text and both); relevance
is that of ``mmedrag eval rerank``. The share that the walk gets in the blend is chosen on training
patients; nDCG@10 and recall@50 (of the cases that share a label) are measured on the others, with
95 % intervals of the difference by bootstrap over patients.

    python benchmarks/graph_expansion.py [--data DIR …] [--size 1800] [--queries 80]
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.hybrid import relevance
from mmedrag.definitions import glossary
from mmedrag.encoders.batches import embed_in_batches
from mmedrag.evaluation.lexical import bm25
from mmedrag.paper.gallery import Gallery, read_gallery
from mmedrag.presets import build
from mmedrag.types import Query

NEIGHBOURS, BEST, CANDIDATES, ALPHA = 20, 10, 200, 0.4
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Asked:
    """One query: the relevance and the grade of every case, and which may be found."""

    group: int
    relevance: Floats
    grades: Floats
    visible: NDArray[np.bool_]


def neighbours(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int64], Floats]:
    """The nearest of each row and their cosines, ``(n, 20)`` each."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.maximum(norms, 1e-9)).astype(np.float64)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -1.0)
    near = np.argsort(-cosines, axis=1, kind="stable")[:, :NEIGHBOURS]
    return near, np.maximum(np.take_along_axis(cosines, near, axis=1), 0.0)


def walked(asked: Asked, near: NDArray[np.int64], cosines: Floats) -> Floats:
    """Eq. 4 over the candidates and their stored neighbours, restarting at the best, ``(n,)``."""
    scores = np.where(asked.visible, asked.relevance, -np.inf)
    start = np.argsort(-scores, kind="stable")[:CANDIDATES]
    q = np.zeros(len(scores))
    spread = max(float(scores[start].std()), 1e-6)
    q[start] = np.exp((scores[start] - scores[start[0]]) / (0.7 * spread))
    q[start[BEST:]] = 0.0
    q /= q.sum()
    weights = np.where(asked.visible[near[start]], cosines[start] ** 8, 0.0)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    s = q
    for _ in range(10):
        passed = np.bincount(near[start].ravel(), (weights * s[start, None]).ravel(), len(s))
        s = (1 - ALPHA) * q + ALPHA * passed
    return s


def ranked(asked: Asked, walk: Floats, share: float) -> NDArray[np.int64]:
    """The first 50 by relevance and walk together; with share 0 by relevance."""
    score = (1 - share) * asked.relevance + share * walk / max(walk.max(), 1e-12)
    return np.argsort(-np.where(asked.visible, score, -np.inf), kind="stable")[:50]


def figures(asked: Asked, order: NDArray[np.int64]) -> tuple[float, float]:
    """nDCG@10 and recall@50."""
    discounts = 1 / np.log2(np.arange(2, 12))
    ideal = np.sort(asked.grades[asked.visible])[::-1][:10]
    gained = asked.grades[order[:10]]
    relevant = float((asked.grades[asked.visible] > 0).sum())
    found = float((asked.grades[order] > 0).sum())
    return float(gained @ discounts / (ideal @ discounts)), found / min(relevant, 50.0)


def queries(gallery: Gallery, embedder: object, role: str, mode: str, limit: int) -> list[Asked]:
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
    words = bm25([query.text for query in put], [case.text for case in gallery.cases])
    domains = np.array([str(case.domain) for case in gallery.cases])
    found = []
    for row, vector, lexical in zip(rows, vectors, words, strict=True):
        visible = (domains == domains[row]) & (gallery.groups != gallery.groups[row])
        visible &= (gallery.images != gallery.images[row]) | (mode == "text")
        visible &= (gallery.texts != gallery.texts[row]) | (mode == "image")
        if role == "tuned":
            visible &= np.array([name != "asked" for name in gallery.roles])
        cosines = (gallery.vectors @ vector).astype(np.float64)
        grades = gallery.truth.grades(np.array([row]), np.arange(len(gallery.cases)))[0]
        asked = Asked(int(gallery.groups[row]), relevance(cosines, lexical), grades * 1.0, visible)
        if (asked.grades[visible] > 0).any():
            found.append(asked)
    return found


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
    near, cosines = neighbours(gallery.vectors)
    print(f"{len(gallery.cases)} records; {NEIGHBOURS} neighbours each\n")
    print("| query | queries | share of the walk | nDCG@10 | difference | recall@50 | difference |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for mode in ("image", "text", "both"):
        tuned = queries(gallery, stages.embedder, "tuned", mode, options.queries)
        best = max(
            SHARES,
            key=lambda share: np.mean(
                [figures(a, ranked(a, walked(a, near, cosines), share)) for a in tuned]
            ),
        )
        asked = queries(gallery, stages.embedder, "asked", mode, options.queries)
        walks = [walked(a, near, cosines) for a in asked]
        groups = np.array([a.group for a in asked])
        plain = np.array([figures(a, ranked(a, w, 0.0)) for a, w in zip(asked, walks, strict=True)])
        for share in sorted({0.0, best, 0.2}):
            got = np.array(
                [figures(a, ranked(a, w, share)) for a, w in zip(asked, walks, strict=True)]
            )
            low, high = intervals(got - plain, groups)
            mean, gain = 100 * got.mean(axis=0), 100 * (got - plain).mean(axis=0)
            cells = [
                f"{mean[i]:.1f} | {gain[i]:+.1f} ({low[i]:+.1f} to {high[i]:+.1f})" for i in (0, 1)
            ]
            chosen = " (chosen)" if share == best else ""
            print(f"| {mode} | {len(asked)} | {share}{chosen} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
