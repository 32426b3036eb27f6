"""From a question to a cited answer: sections 3.1 to 3.6 on one screen.

This file knows Protocols and types only, so it runs unchanged with a stranger's stages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from mmedrag.citations import attribute, resolve
from mmedrag.errors import QueryError
from mmedrag.protocols import (
    CaseIndex,
    ContextFilter,
    DefinitionSource,
    Embedder,
    Generator,
    ModalityClassifier,
    Reranker,
)
from mmedrag.types import (
    LONGEST_TEXT,
    Answer,
    Case,
    Context,
    Definition,
    Evidence,
    Hit,
    Matrix,
    Mention,
    Query,
    Question,
    Routing,
    Vector,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MMedRAG:
    """The paper's six modules, joined (section 3.1, figure 1)."""

    classifier: ModalityClassifier
    embedder: Embedder
    cases: CaseIndex
    definitions: DefinitionSource
    reranker: Reranker
    context_filter: ContextFilter
    generator: Generator
    k_cases: int = 50
    k_final: int = 10
    k_definitions: int = 8

    def retrieve(self, query: Query) -> Context:
        """Find the evidence that the generator may see (sections 3.2 to 3.6).

        Raises :class:`~mmedrag.errors.QueryError` for a query with neither text nor image, or with
        more text than :data:`~mmedrag.types.LONGEST_TEXT`.
        """
        _require_content(query)
        lap = _Stopwatch()
        routing = self._route(query)  # 3.2  eq. (1)
        lap("modality")
        vector = self.embedder.embed([query])[0]  # 3.3
        lap("encoding")
        question = Question(query, routing, vector, self.definitions.recognise([query.text])[0])
        lap("terms")
        hits = self._find_cases(question)  # 3.4  eq. (2)
        lap("cases")
        mentions = self._mentions(hits)  # 3.4  E
        found = self.definitions.define([question.mentions, *mentions], self.k_definitions)  # R_def
        gathered = gather(vector, hits, mentions, found, self.embedder.embed(found))
        lap("definitions")
        ranked = self.reranker.rerank(question, gathered)  # 3.5  eq. (3), (4)
        lap("rerank")
        kept = self.context_filter.keep(question, head(ranked, self.k_final))  # 3.6  r_i > tau
        lap("filter")
        return Context(question, gathered, ranked, kept, lap.timings)

    def ask(self, query: Query, on_piece: Callable[[str], None] | None = None) -> Answer:
        """Retrieve, generate, and check every citation.

        ``on_piece`` receives the answer while it is written, marks already checked.
        """
        context = self.retrieve(query)
        lap = _Stopwatch(context.timings)
        pieces = []
        if context.kept:
            written = self.generator.generate(context.question, context.kept)
            for piece in resolve(written, context.kept):
                pieces.append(piece)
                if on_piece is not None and piece.text:
                    on_piece(piece.text)
        lap("generation")
        return attribute(pieces, context, lap.timings)

    def _route(self, query: Query) -> Routing:
        if query.domain is not None:
            return Routing({}, query.domain, reason="domain given by the user")
        return self.classifier.classify(query)

    def _find_cases(self, question: Question) -> list[Hit]:
        return self.cases.search(question, self.k_cases) if question.routing.medical else []

    def _mentions(self, hits: Sequence[Hit]) -> list[tuple[Mention, ...]]:
        """Terms by report: as they were stored by the same source, the others recognised now."""
        source = self.definitions.fingerprint
        stored = [hit.mentions if hit.recogniser == source else None for hit in hits]
        unread = [h.case.text for h, terms in zip(hits, stored, strict=True) if terms is None]
        read = iter(self.definitions.recognise(unread) if unread else ())
        return [next(read) if terms is None else terms for terms in stored]


def gather(
    query_vector: Vector,
    hits: Sequence[Hit],
    mentions: Sequence[tuple[Mention, ...]],
    found: Sequence[Definition],
    definition_vectors: Matrix,
) -> list[Evidence]:
    """C = R_case ∪ R_def (section 3.4), keyed C1, C2, … and D1, D2, … in Standard RAG order."""
    cases = [
        Evidence(f"C{i}", hit.case, hit.vector, hit.similarity, hit.relevance, said)
        for i, (hit, said) in enumerate(zip(hits, mentions, strict=True), 1)
    ]
    similarities = definition_vectors @ query_vector
    definitions = [
        Evidence(f"D{i}", definition, vector, float(similarity), float(similarity))
        for i, (definition, vector, similarity) in enumerate(
            zip(found, definition_vectors, similarities, strict=True), 1
        )
    ]
    return cases + definitions


def head(ranked: Sequence[Evidence], k: int) -> list[Evidence]:
    """The first ``k`` cases (TopK of section 3.5.2) and every definition, in ranked order."""
    top = {id(e) for e in [e for e in ranked if isinstance(e.item, Case)][:k]}
    return [e for e in ranked if id(e) in top or isinstance(e.item, Definition)]


def _require_content(query: Query) -> None:
    if not query.text.strip() and query.image is None:
        raise QueryError("The query has neither text nor image", "Give a text, an image, or both.")
    if len(query.text) > LONGEST_TEXT:
        raise QueryError(
            f"The question has {len(query.text):,} characters, more than {LONGEST_TEXT:,}",
            "Ask with the part that matters, such as the impression.",
        )


class _Stopwatch:
    """Milliseconds between calls, by the name of the stage that just ended."""

    def __init__(self, earlier: object = None) -> None:
        self.timings: dict[str, float] = dict(earlier) if isinstance(earlier, dict) else {}
        self._last = perf_counter()

    def __call__(self, stage: str) -> None:
        now = perf_counter()
        self.timings[stage] = (now - self._last) * 1000.0
        self._last = now
