"""Retrieval measured over records, without a casebase (docs/guide/evaluation.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmedrag.datasets.corpus import (
    Codes,
    Corpus,
    Relevance,
    codes,
    group_codes,
    label_codes,
    problem_notes,
)
from mmedrag.evaluation.directions import Direction, DirectionFigures, Side, measure, rounded
from mmedrag.evaluation.vectors import Vectors, embed_records, embed_texts
from mmedrag.measures.bootstrap import interval
from mmedrag.measures.ranking import chance_at_1, precision_at_k
from mmedrag.progress import Progress, silent
from mmedrag.protocols import Embedder
from mmedrag.types import Case

SIZES = (10, 25, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
"""Gallery sizes of the curve, as far as there are so many items."""

CROSS = ("image_to_text", "text_to_image")
_QUERIES_A_POINT = 2000  # more galleries are drawn for small sizes


def measure_retrieval(
    corpus: Corpus,
    embedder: Embedder,
    group_by: str,
    *,
    label: str = "",
    progress: Progress = silent,
) -> dict[str, Any]:
    """The measured part of the report: directions, by domain, the curve, notes."""
    groups = group_codes(corpus, group_by)
    labelled = label_codes(corpus.cases, label) if label else None
    vectors = embed_records(corpus.cases, groups, embedder, progress)
    truth = Relevance.of(corpus.cases, groups)
    directions = make_directions(corpus, groups, vectors, embedder)
    figures = {d.name: m for d in directions if (m := measure(d, truth)) is not None}
    report: dict[str, Any] = {
        "encoder": embedder.fingerprint,
        "records": len(corpus.cases),
        "directions": {name: measured.figures() for name, measured in figures.items()},
        "by_domain": _by_domain(corpus, directions, truth, figures),
        "curve": [point for d in directions if d.name in figures for point in _curve(d, truth)],
    }
    if labelled is not None:
        report["label_precision"] = {"label": label, **label_precision(corpus, vectors, labelled)}
    return report | {"notes": [*corpus.notes, *problem_notes(vectors.problems), *_remarks(figures)]}


def make_directions(
    corpus: Corpus, groups: Codes, vectors: Vectors, embedder: Embedder
) -> list[Direction]:
    """The five directions between images, texts and cases, and diagnosis to findings.

    ``groups`` is int64 ``(n,)``.
    """
    return [*paired_directions(corpus, vectors), *_diagnosis_to_findings(corpus, groups, embedder)]


def paired_directions(corpus: Corpus, vectors: Vectors) -> list[Direction]:
    """The five directions between images, texts and cases."""
    images = np.flatnonzero(vectors.image_codes >= 0)
    texts = np.flatnonzero(vectors.text_codes >= 0)
    image_queries, text_queries = images[corpus.queried[images]], texts[corpus.queried[texts]]
    pairs = image_queries[vectors.partners[image_queries] >= 0]
    whole = np.arange(len(corpus.cases))[np.union1d(images, texts)]
    image, text = vectors.image_codes, vectors.text_codes

    def queries(rows: Codes, made: NDArray[np.float32]) -> Side:
        return Side(rows, made[rows])

    shown_images, shown_texts = (
        queries(images, vectors.image_cases),
        queries(texts, vectors.text_cases),
    )
    by_image, by_text = (
        queries(image_queries, vectors.image_queries),
        queries(text_queries, vectors.text_queries),
    )
    borrowed = text[vectors.partners[pairs]]
    return [
        Direction("image_to_text", by_image, shown_texts),
        Direction("text_to_image", by_text, shown_images),
        Direction(
            "image_to_image", by_image, shown_images, ((image[image_queries], image[images]),)
        ),
        Direction("text_to_text", by_text, shown_texts, ((text[text_queries], text[texts]),)),
        Direction(
            "both_to_case",
            queries(pairs, vectors.both_queries),
            queries(whole, vectors.whole_cases),
            ((image[pairs], image[whole]), (borrowed, text[whole])),
        ),
    ]


def label_precision(corpus: Corpus, vectors: Vectors, labels: Codes) -> dict[str, Any]:
    """precision@10 of image to image by a label, never counting images of the query's patient.

    ``groups`` is int64 ``(n,)``.
    """
    usable = (vectors.image_codes >= 0) & (labels >= 0)
    shown = np.flatnonzero(usable)
    queries = np.flatnonzero(usable & corpus.queried)
    patients = group_codes(corpus, "patient_id")
    direction = Direction(
        "image_to_image",
        Side(queries, vectors.image_queries[queries]),
        Side(shown, vectors.image_cases[shown]),
        (
            (patients[queries], patients[shown]),
            (vectors.image_codes[queries], vectors.image_codes[shown]),
        ),
    )
    values, chance = np.zeros((len(queries), 1)), np.zeros(len(queries))
    for chunk, scores, visible in direction.scored():
        same = labels[queries[chunk]][:, None] == labels[shown]
        for i, row in enumerate(range(chunk.start, chunk.stop)):
            relevant = same[i][visible[i]]
            values[row] = precision_at_k(scores[i][visible[i]], relevant, 10)
            chance[row] = chance_at_1(relevant)
    ends = interval(values, patients[queries])[0]
    return {
        "direction": "image_to_image",
        "precision@10": rounded(values.mean()),
        "n": len(shown),
        "queries": len(queries),
        "groups": len(np.unique(patients[shown])),
        "chance": rounded(chance.mean()),
        "ci95": [rounded(end) for end in ends],
    }


def _diagnosis_to_findings(corpus: Corpus, groups: Codes, embedder: Embedder) -> list[Direction]:
    """Of every case (group) that states both, its diagnosis asked and its findings searched."""
    stated = [_diagnosis_and_findings(case) for case in corpus.cases]
    keys = codes(t and (int(group), *t) for t, group in zip(stated, groups, strict=True))
    rows = np.unique(keys, return_index=True)[1]
    rows = rows[keys[rows] >= 0]
    if len(rows) < 2:
        return []
    queries = rows[corpus.queried[rows]]
    diagnoses = tuple(stated[row][0] for row in queries)
    findings = tuple(stated[row][1] for row in rows)
    return [
        Direction(
            "diagnosis_to_findings",
            Side(queries, embed_texts(diagnoses, embedder)[0], diagnoses),
            Side(rows, embed_texts(findings, embedder)[1], findings),
        )
    ]


def _diagnosis_and_findings(case: Case) -> tuple[str, str] | None:
    diagnosis, findings = case.meta.get("case_diagnosis"), case.meta.get("findings")
    if not isinstance(diagnosis, str) or not isinstance(findings, str):
        return None
    if not diagnosis.strip() or not findings.strip():
        return None
    return diagnosis, findings


def _by_domain(
    corpus: Corpus,
    directions: Sequence[Direction],
    truth: Relevance,
    figures: dict[str, DirectionFigures],
) -> dict[str, Any]:
    """The directions within each domain's own records, as the system searches (section 3.2)."""
    names = [str(case.domain or "unspecified") for case in corpus.cases]
    if len(set(names)) == 1:
        return {names[0]: {name: measured.figures() for name, measured in figures.items()}}
    result = {}
    for domain in dict.fromkeys(names):
        records = np.array([name == domain for name in names])
        measured = {d.name: measure(d.restricted(records), truth) for d in directions}
        result[domain] = {name: m.figures() for name, m in measured.items() if m is not None}
    return result


def _curve(direction: Direction, truth: Relevance) -> list[dict[str, Any]]:
    """The direction over galleries of whole groups drawn at random, and over all of them."""
    n = len(direction.gallery)
    points = []
    for size in (*(size for size in SIZES if size < n), n):
        draws = max(1, min(10, _QUERIES_A_POINT // size)) if size < n else 1
        samples = [
            measure(direction.restricted(_plot(direction, truth, size, seed)), truth)
            for seed in range(draws)
        ]
        if measured := [m for m in samples if m is not None]:
            points.append(_point(direction.name, measured))
    return points


def _plot(direction: Direction, truth: Relevance, size: int, seed: int) -> NDArray[np.bool_]:
    """Records of whole groups in random order, each taken if the gallery stays within ``size``."""
    mine = truth.groups[direction.gallery.records]
    sizes = np.bincount(mine, minlength=int(truth.groups.max()) + 1)
    taken, room = [], size
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        if sizes[group] <= room:
            taken.append(group)
            room -= sizes[group]
    return np.isin(truth.groups, taken)


def _point(name: str, measured: Sequence[DirectionFigures]) -> dict[str, Any]:
    means = [m.means() for m in measured]
    return {
        "direction": name,
        "n": round(float(np.mean([m.gallery for m in measured]))),
        "groups": round(float(np.mean([m.gallery_groups for m in measured]))),
        "galleries": len(measured),
        **{key: rounded(float(np.mean([m[key] for m in means]))) for key in means[0]},
        "chance@1": rounded(float(np.mean([m.chance.mean() for m in measured]))),
        "ceiling@1": rounded(float(np.mean([m.answerable.mean() for m in measured]))),
    }


def _remarks(figures: dict[str, DirectionFigures]) -> list[str]:
    """What a reader must know to read the figures right."""
    silent = [name for name in CROSS if name in figures and figures[name].silent]
    remarks = []
    if silent:
        remarks.append(
            "this preset has no shared image-text space; cross-modal directions are at chance:"
            f" every similarity is zero in {' and '.join(silent)}"
        )
    remarks += [
        f"{name}: no query has a relevant item other than its exact duplicates, so all is 0"
        for name, measured in figures.items()
        if not measured.answerable.any()
    ]
    return remarks
