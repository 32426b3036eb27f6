"""The search of section 3.4, stage 1, on the server: vectors, words and concepts joined.

The candidates and their scores are those of :mod:`mmedrag.casebase.snapshot`, so that a
corpus gives the same answers from a casebase and from PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedrag.backends.postgres.cases import cases_at, vectors_at
from mmedrag.backends.postgres.conditions import condition
from mmedrag.backends.postgres.mentions import recognised, recognised_terms, unread
from mmedrag.backends.postgres.nearest import SCAN, Index, Scope, by_hnsw, exactly, nearest
from mmedrag.backends.postgres.sessions import Connection
from mmedrag.backends.postgres.statements import ServerStatements, numbers
from mmedrag.backends.postgres.words import LexicalQuery
from mmedrag.casebase import exact
from mmedrag.casebase.criteria import match
from mmedrag.casebase.exact import Rows, locate, similarities
from mmedrag.casebase.hybrid import relevance, weight_of
from mmedrag.casebase.lexical import words
from mmedrag.errors import FilterError
from mmedrag.filters import MENTIONED, fields_of, parse
from mmedrag.protocols import Ontology
from mmedrag.types import Hit, Matrix, Question, Vector

_DEPTH = 100  # candidates from vectors and from words, each, that are joined for a text
_NONE = np.empty(0, np.int64)
Scored = tuple[Rows, NDArray[np.float64]]
"""Rows, ascending, and a score for each."""


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """Searches one committed state.

    Attributes:
        connection: in a transaction.
        stems: gives the stems of words.
        ontology: by which kinds of a concept count as the concept.
        index: gives candidates out of many cases.
        scan: see :data:`mmedrag.backends.postgres.nearest.SCAN`.
    """

    connection: Connection
    stems: Callable[[Sequence[str]], list[str]]
    ontology: Ontology | None = None
    scan: int = SCAN
    index: Index = by_hnsw

    def hits(self, question: Question, vector: Vector, k: int) -> list[Hit]:
        """See :meth:`mmedrag.casebase.Casebase.search`; ``k`` is at least 1."""
        scope = self.scope(question)
        text = " ".join([question.query.text, *question.synonyms])
        query = LexicalQuery.of(self.connection, self.stems(words(text)))
        concepts = self._matching(question)
        met = bool(concepts[1].any())
        if not query.stems and not met:
            rows = np.sort(nearest(self.connection, vector, k, scope, self.scan, self.index))
            return self._best(vector, rows, lambda cosines: cosines, k)
        depth = max(k, _DEPTH)
        near = nearest(self.connection, vector, depth, scope, self.scan, self.index)
        sources = [
            self._most_similar(vector, near, depth),
            self._worded(vector, depth, scope, query) if query.stems else _NONE,
            self._meeting(vector, depth, scope, concepts),
        ]
        rows = np.unique(np.concatenate(sources))
        bm25 = query.scores(self.connection, rows) if query.stems else np.zeros(len(rows))
        stated = _scores_at(rows, concepts) if met else None
        weight = weight_of(question.criteria)
        return self._best(vector, rows, lambda cosines: relevance(cosines, bm25, stated, weight), k)

    def scope(self, question: Question) -> Scope:
        """What a question's routing and filter let in.

        Raises:
            FilterError: the filter does not parse, or asks for what is not read yet.
        """
        where, domain = question.query.where, question.routing.decision
        return Scope(domain) if where is None else Scope(domain, self.filtered(where))

    def filtered(self, where: str) -> tuple[str, list[object]]:
        """A filter as a condition on the table ``cases``; see :meth:`scope`."""
        node = parse(where)
        if fields_of(node) & {*MENTIONED} and (number := unread(self.connection)):
            raise FilterError(
                f"The question is what reports say, and {number} cases were stored without it",
                "'mmedrag rebuild' reads them again.",
            )
        return condition(node, self.statements)

    @property
    def statements(self) -> ServerStatements:
        """What the reports say."""
        return ServerStatements(self.connection, self.ontology)

    def _matching(self, question: Question) -> Scored:
        if not question.criteria:
            return _NONE, np.empty(0)
        return match(self.statements, question.criteria)

    def _meeting(self, vector: Vector, depth: int, scope: Scope, concepts: Scored) -> Rows:
        """Cases that meet the criteria best, the most similar of those that meet them alike."""
        rows, scores = concepts
        rows, scores = rows[scores > 0.0], scores[scores > 0.0]
        if scope.domain is not None or scope.filtered is not None:
            text, values = scope.condition("cases.row = ANY(%s)", (rows.tolist(),))
            matching = f"SELECT row FROM cases WHERE {text} ORDER BY row"  # noqa: S608
            _, visible = locate(np.sort(numbers(self.connection, matching, values)), rows)
            rows, scores = rows[visible], scores[visible]
        if not len(rows):
            return _NONE
        least = np.sort(scores)[-min(depth, len(scores))]
        alike = self._nearest_among(vector, depth, rows[scores == least])
        return np.concatenate([rows[scores > least], alike])

    def _worded(self, vector: Vector, depth: int, scope: Scope, query: LexicalQuery) -> Rows:
        """The best by words; of reports that match alike, as short ones do, the most similar."""
        better, alike = query.best(self.connection, scope, depth)
        return np.concatenate([better, self._nearest_among(vector, depth - len(better), alike)])

    def _nearest_among(self, vector: Vector, k: int, rows: Rows) -> Rows:
        """Of some rows the ``k`` most similar and their ties."""
        if len(rows) <= k:
            return rows
        these = Scope(None, ("cases.row = ANY(%s)", [rows.tolist()]))
        return self._most_similar(vector, exactly(self.connection, vector, k, these), k)

    def _most_similar(self, vector: Vector, rows: Rows, k: int) -> Rows:
        """The ``k`` most similar of candidates and their ties alone, whatever proposed them."""
        if len(rows) <= k:
            return rows
        rows = np.sort(rows)
        cosines = similarities(vectors_at(self.connection, rows, len(vector)), vector)
        return rows[exact.nearest(cosines, k, len(rows))]

    def _best(
        self,
        query: Vector,
        rows: Rows,
        score: Callable[[NDArray[np.float64]], NDArray[np.float64]],
        k: int,
    ) -> list[Hit]:
        """The best ``k`` of candidates, by falling relevance, ties by id."""
        if not len(rows):
            return []
        vectors = vectors_at(self.connection, rows, len(query))
        cosines = similarities(vectors, query)
        scores = score(cosines)
        cut = np.sort(scores)[-k] if len(rows) > k else -np.inf
        chosen = np.flatnonzero(scores >= cut)
        hits = self._read(rows[chosen], vectors[chosen], cosines[chosen], scores[chosen])
        return sorted(hits, key=lambda hit: (-hit.relevance, hit.case.id))[:k]

    def _read(
        self,
        rows: Rows,
        vectors: Matrix,
        cosines: NDArray[np.float64],
        scores: NDArray[np.float64],
    ) -> list[Hit]:
        numbered = dict(zip(rows.tolist(), vectors, strict=True))
        cases = cases_at(self.connection, numbered)
        recognitions = recognised(self.connection, {row: case.text for row, case in cases.items()})
        return [
            Hit(cases[row], vector, cosine, value, *recognised_terms(recognitions.get(row)))
            for (row, vector), cosine, value in zip(
                numbered.items(), cosines.tolist(), scores.tolist(), strict=True
            )
        ]


def _scores_at(rows: Rows, scored: Scored) -> NDArray[np.float64]:
    offsets, present = locate(scored[0], rows)
    scores = np.zeros(len(rows))
    scores[present] = scored[1][offsets[present]]
    return scores
