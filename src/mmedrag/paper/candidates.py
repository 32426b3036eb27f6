"""Stage-1 candidates of held-out patients' queries, with what is known of their relevance.

Made as the pipeline makes them: the 50 most relevant cases of the query's domain (eq. 2, BM25
blended in where the query has text), and the definitions of the terms that they mention. The
concept channel is left out: the orders of section 4.4 are compared over what the paper's stage 1
finds, and benchmarks/concept_channel.py measures the channel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.hybrid import relevance
from mmedrag.datasets.corpus import Codes
from mmedrag.encoders.batches import embed_in_batches
from mmedrag.evaluation.lexical import bm25
from mmedrag.measures.redundancy import Nuggets, ideal_alpha_dcg_at_k
from mmedrag.paper.gallery import Gallery
from mmedrag.progress import Progress, silent
from mmedrag.protocols import DefinitionSource, Embedder
from mmedrag.selection import gather
from mmedrag.types import (
    Case,
    Definition,
    Evidence,
    Hit,
    Matrix,
    Query,
    Question,
    Routing,
    Vector,
)

MODES = ("image", "text", "both")
"""What of a record is asked with."""

CANDIDATES, DEFINITIONS, SHOWN = 50, 8, 10
"""Cases and definitions that stage 1 hands over, and cases that the context has room for."""


@dataclass(frozen=True, slots=True, eq=False)
class RerankQuery:
    """A question, its candidates in Standard RAG order, and the truth about them.

    ``grades`` and ``nuggets`` belong to the cases among ``evidence``, by key; ``ideal`` are the
    best ten grades in the whole gallery, ``ideal_alpha_dcg`` the best α-DCG@10 there. ``group`` is
    the patient's number, ``own_case`` whether other records of the patient could be found.
    """

    mode: str
    source: str
    own_case: bool
    group: int
    question: Question
    evidence: tuple[Evidence, ...]
    grades: dict[str, int]
    nuggets: dict[str, NDArray[np.bool_]]
    ideal: NDArray[np.float64]
    ideal_alpha_dcg: float


def rerank_queries(
    gallery: Gallery,
    embedder: Embedder,
    definitions: DefinitionSource,
    group: str,
    *,
    limit: int,
    progress: Progress = silent,
) -> list[RerankQuery]:
    """Queries of one part in every mode, each with and without its patient's other records.

    Args:
        gallery: where to search; what is asked about is hidden from queries of other parts.
        embedder: that of the gallery.
        definitions: fetches the definitions of what is mentioned.
        group: ``"asked"`` or ``"tuned"``.
        limit: queries a set and mode, drawn at random.
        progress: told how many more queries are done.
    """
    definition_vectors: dict[str, Vector] = {}
    queries = []
    for mode in MODES:
        rows = _askable(gallery, group, mode, limit)
        if not len(rows):
            continue
        search = _Search.of(gallery, embedder, rows, mode)
        for position in range(len(rows)):
            queries += [
                search.query_of(position, group, definitions, definition_vectors, own_case=own_case)
                for own_case in (True, False)
            ]
            progress(1)
    return [query for query in queries if query.ideal.any()]


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """Stage 1 for the queries of one mode."""

    gallery: Gallery
    embedder: Embedder
    mode: str
    rows: Codes
    queries: tuple[Query, ...]
    vectors: Matrix
    words: NDArray[np.float64]

    @classmethod
    def of(cls, gallery: Gallery, embedder: Embedder, rows: Codes, mode: str) -> _Search:
        queries = tuple(_query(gallery.cases[row], mode) for row in rows)
        vectors = embed_in_batches(embedder, queries)
        words = bm25([q.text for q in queries], [case.text for case in gallery.cases])
        return cls(gallery, embedder, mode, rows, queries, vectors, words)

    def query_of(
        self,
        position: int,
        group: str,
        definitions: DefinitionSource,
        definition_vectors: dict[str, Vector],
        *,
        own_case: bool,
    ) -> RerankQuery:
        row, query, vector = (
            int(self.rows[position]),
            self.queries[position],
            self.vectors[position],
        )
        gallery = self.gallery
        visible = np.flatnonzero(_visible(gallery, row, self.mode, group, own_case=own_case))
        hits, hit_rows = self._hits(position, visible)
        mentions = [gallery.mentions[i] for i in hit_rows]
        mentioned = gallery.mentions[row] if query.text else ()
        defined = definitions.define([mentioned, *mentions], DEFINITIONS)
        evidence = gather(
            vector, hits, mentions, defined, _embed_once(defined, self.embedder, definition_vectors)
        )
        grades = gallery.truth.grades(np.array([row]), visible)[0]
        nuggets = _nuggets(gallery, row, visible, grades)
        at = np.searchsorted(visible, hit_rows)
        keys = [f"C{i}" for i in range(1, len(hit_rows) + 1)]
        return RerankQuery(
            mode=self.mode,
            source=gallery.cases[row].id.partition("/")[0],
            own_case=own_case,
            group=int(gallery.groups[row]),
            question=Question(query, Routing({}, query.corpus), vector, tuple(mentioned)),
            evidence=tuple(evidence),
            grades=dict(zip(keys, grades[at].tolist(), strict=True)),
            nuggets=dict(zip(keys, nuggets[at], strict=True)),
            ideal=-np.sort(-grades.astype(np.float64))[:SHOWN],
            ideal_alpha_dcg=ideal_alpha_dcg_at_k(nuggets, SHOWN),
        )

    def _hits(self, position: int, visible: Codes) -> tuple[list[Hit], Codes]:
        """The most relevant cases that may be seen, as a casebase finds them."""
        vectors = self.gallery.vectors
        cosines = (vectors[visible] @ self.vectors[position]).astype(np.float64)
        scores = relevance(cosines, self.words[position, visible])
        best = np.argsort(-np.round(scores, 9), kind="stable")[:CANDIDATES]
        # Rows of the gallery itself: views of a copy would keep a copy for every query.
        hits = [
            Hit(self.gallery.cases[row], vectors[row], float(cosines[i]), float(scores[i]))
            for row, i in zip(visible[best], best, strict=True)
        ]
        return hits, visible[best]


def _askable(gallery: Gallery, group: str, mode: str, limit: int) -> Codes:
    """Records of a part that have what the mode needs, at most ``limit`` of each set."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, (case, mine) in enumerate(zip(gallery.cases, gallery.roles, strict=True)):
        there = {"image": case.image is not None, "text": bool(case.text.strip())}
        if mine == group and all(there[m] for m in there if mode in (m, "both")):
            rows[case.id.partition("/")[0]].append(row)
    draws = [np.random.default_rng(0).permutation(mine)[:limit] for mine in rows.values()]
    return np.sort(np.concatenate(draws)) if draws else np.zeros(0, np.int64)


def _query(case: Case, mode: str) -> Query:
    return Query(
        text="" if mode == "image" else case.text,
        image=None if mode == "text" else case.image,
        domain=case.domain,
    )


def _visible(
    gallery: Gallery, row: int, mode: str, group: str, *, own_case: bool
) -> NDArray[np.bool_]:
    """Records of the query's domain but itself, copies of what it shows, and other held-out ones.

    While something is chosen on ``tuned`` queries, the patients who are asked about are not there.
    """
    seen = np.array([case.domain == gallery.cases[row].domain for case in gallery.cases])
    seen[row] = False
    if mode != "text":
        seen &= gallery.images != gallery.images[row]
    if mode != "image":
        seen &= gallery.texts != gallery.texts[row]
    if not own_case:
        seen &= gallery.groups != gallery.groups[row]
    if group == "tuned":
        seen &= np.array([name != "asked" for name in gallery.roles])
    return seen


def _nuggets(gallery: Gallery, row: int, rows: Codes, grades: NDArray[np.int8]) -> Nuggets:
    """What each record adds for a query: the labels they share, and its patient if relevant."""
    truth = gallery.truth
    shared = truth.incidence[rows][:, truth.incidence[row] > 0.0] > 0.0
    relevant = grades > 0
    patients, patient_of = np.unique(gallery.groups[rows], return_inverse=True)
    mine = np.zeros((len(rows), len(patients)), np.bool_)
    mine[np.arange(len(rows)), patient_of] = relevant
    return np.concatenate([shared, mine[:, mine.any(axis=0)]], axis=1)


def _embed_once(
    definitions: Sequence[Definition], embedder: Embedder, vectors: dict[str, Vector]
) -> Matrix:
    new = [d for d in definitions if d.concept not in vectors]
    vectors.update(zip([d.concept for d in new], embedder.embed(new), strict=True))
    rows = [vectors[d.concept] for d in definitions]
    return np.stack(rows) if rows else np.zeros((0, embedder.dim), np.float32)
