"""Fusion strategies measured (Table C, section 4.7): what their vectors look like, what they find.

:mod:`mmedrag.paper.strategies` runs every strategy, :mod:`mmedrag.paper.fusion_section`
makes the section of the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from mmedrag.datasets.corpus import Codes, Corpus, Relevance, codes, group_codes, text_key
from mmedrag.encoders.fusion import Fusion
from mmedrag.evaluation.directions import Direction, DirectionFigures, measure
from mmedrag.evaluation.retrieval import paired_directions
from mmedrag.evaluation.vectors import Vectors, find_partners
from mmedrag.imaging.decoding import image_digest
from mmedrag.measures.alignment import (
    alignment,
    matched_scores,
    pair_similarity,
    spread,
    uniformity,
)
from mmedrag.measures.cosines import unit_rows
from mmedrag.measures.probabilities import auroc
from mmedrag.training.pairs import Pairs

DIRECTIONS = ("image_to_text", "text_to_image", "image_to_image", "both_to_case")
CROSS_MODAL = ("image_to_text", "text_to_image")

Figures = dict[str, float]
"""Figures of one fusion by name."""


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """Held-out pairs of one set, who belongs to whom, and what is the same."""

    pairs: Pairs
    corpus: Corpus
    groups: Codes
    captions: Codes
    images: Codes
    partners: Codes

    @classmethod
    def of(cls, pairs: Pairs, group_by: str) -> Bench:
        """Relevant is what is of one group, see :func:`mmedrag.datasets.corpus.group_codes`."""
        n = len(pairs)
        corpus = Corpus(pairs.cases, np.zeros(n, np.int64), np.ones(n, np.bool_))
        groups = group_codes(corpus, group_by)
        captions = codes(text_key(case.text) for case in pairs.cases)
        digests = codes(case.image and image_digest(case.image, case.frame) for case in pairs.cases)
        return cls(pairs, corpus, groups, captions, digests, find_partners(groups, captions))

    def vectors(self, fusion: Fusion) -> Vectors:
        """Every pair as query and as case, by image, by text and by both."""
        images, texts, n = self.pairs.images, self.pairs.texts, len(self.pairs)
        yes, no = np.ones(n, np.bool_), np.zeros(n, np.bool_)
        by_image, by_text = (
            fusion.fuse(images, None, yes, no),
            fusion.fuse(None, texts, no, yes),
        )
        return Vectors(
            image_queries=unit_rows(by_image),
            image_cases=by_image,
            text_queries=unit_rows(by_text),
            text_cases=by_text,
            both_queries=unit_rows(fusion.fuse(images, texts[self.partners], yes, yes)),
            whole_cases=fusion.fuse(images, texts, yes, yes),
            image_codes=self.images,
            text_codes=self.captions,
            partners=self.partners,
            problems=(),
        )

    def directions(self, vectors: Vectors) -> list[Direction]:
        """Those of :data:`DIRECTIONS`."""
        return [d for d in paired_directions(self.corpus, vectors) if d.name in DIRECTIONS]

    def figures_of(self, vectors: Vectors) -> dict[str, DirectionFigures]:
        """What each direction gave; one in which nothing can be found is left out."""
        truth = Relevance.of(self.corpus.cases, self.groups)
        measured = {d.name: measure(d, truth) for d in self.directions(vectors)}
        return {n: m for n, m in measured.items() if m is not None and m.answerable.any()}


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One fusion over a bench."""

    figures: Figures
    directions: Mapping[str, DirectionFigures]

    def mean(self, metric: str, directions: Sequence[str] = DIRECTIONS) -> float:
        """A metric's mean over directions, those that were measured."""
        return fmean(
            self.directions[name].means()[metric] for name in directions if name in self.directions
        )


def run(fusion: Fusion, bench: Bench) -> Run:
    """A fusion of the bench's features, measured."""
    return run_vectors(bench.vectors(fusion), bench)


def run_vectors(vectors: Vectors, bench: Bench) -> Run:
    """Table C's columns, section 4.7's pairs, AUROC, alignment and uniformity, retrieval."""
    of_cases = spread(vectors.whole_cases)
    pairs = pair_similarity(vectors.whole_cases, bench.groups, bench.captions)
    scores, matched = matched_scores(
        vectors.image_queries, vectors.text_queries, bench.groups, bench.captions
    )
    figures = {
        "self_similarity": of_cases.self_similarity,
        "random_pair": of_cases.random_pair,
        "mean_pairwise": of_cases.mean_pairwise,
        "std_pairwise": of_cases.std_pairwise,
        "separation": of_cases.separation,
        "dim": float(vectors.whole_cases.shape[1]),
        "intra_pair": pairs.intra,
        "cross_pair": pairs.cross,
        "auroc": auroc(scores, matched),
        "alignment": alignment(vectors.image_queries, vectors.text_queries),
        "uniformity": uniformity(vectors.whole_cases),
    }
    directions = bench.figures_of(vectors)
    for name, measured in directions.items():
        figures |= {f"{name} {metric}": value for metric, value in measured.means().items()}
    done = Run(figures, directions)
    summary = {
        "mean R@10": done.mean("R@10"),
        "cross-modal R@10": done.mean("R@10", CROSS_MODAL),
        "mean MRR": done.mean("MRR"),
    }
    return Run(figures | summary, directions)


def averaged(runs: Sequence[Run]) -> tuple[Figures, Figures]:
    """Means and standard deviations of the figures over runs of several seeds, two or more."""
    names = runs[0].figures
    columns = {name: [r.figures[name] for r in runs] for name in names}
    means = {name: fmean(column) for name, column in columns.items()}
    return means, {name: float(np.std(c, ddof=1)) for name, c in columns.items()}
