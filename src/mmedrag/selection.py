"""Which evidence there is, and which of it an answer may rest on (sections 3.4 to 3.6)."""

from __future__ import annotations

from collections.abc import Sequence

from mmedrag.types import (
    Case,
    Definition,
    Evidence,
    Hit,
    Matrix,
    Mention,
    Question,
    QuestionKind,
    Vector,
)


def gather(
    query_vector: Vector,
    hits: Sequence[Hit],
    mentions: Sequence[tuple[Mention, ...]],
    defined: Sequence[Definition],
    definition_vectors: Matrix,
) -> list[Evidence]:
    """C = R_case ∪ R_def (section 3.4), keyed C1, C2, … and D1, D2, … in Standard RAG order."""
    cases = [
        Evidence(f"C{i}", hit.case, hit.vector, hit.similarity, hit.relevance, terms)
        for i, (hit, terms) in enumerate(zip(hits, mentions, strict=True), 1)
    ]
    similarities = definition_vectors @ query_vector
    definitions = [
        Evidence(f"D{i}", definition, vector, float(similarity), float(similarity))
        for i, (definition, vector, similarity) in enumerate(
            zip(defined, definition_vectors, similarities, strict=True), 1
        )
    ]
    return cases + definitions


def head(ranked: Sequence[Evidence], k: int) -> list[Evidence]:
    """The first ``k`` cases (TopK of section 3.5.2) and every definition, in ranked order."""
    top = {id(e) for e in [e for e in ranked if isinstance(e.item, Case)][:k]}
    return [e for e in ranked if id(e) in top or isinstance(e.item, Definition)]


def neighbours(
    gathered: Sequence[Evidence], ranked: Sequence[Evidence], kept: Sequence[Evidence], k: int
) -> Sequence[Evidence]:
    """The first ``k`` cases of stage 1 in ranked order, and the definitions that were kept.

    What an image may be said to show is measured on the cases most like it. Choosing cases which
    agree with one another would make their agreement worth less, and a filter counts some of them
    out; which of them stand first makes no difference to it.
    """
    if not any(isinstance(e.item, Case) for e in kept):  # none was adequate
        return kept
    scored = {e.key: e for e in (*ranked, *kept)}
    first = [e for e in gathered if isinstance(e.item, Case)][:k]
    places = {e.key: place for place, e in enumerate(ranked)}
    first.sort(key=lambda e: places.get(e.key, len(places)))
    defined = [e for e in kept if isinstance(e.item, Definition)]
    return [*(scored.get(e.key, e) for e in first), *defined]


def with_definition(
    question: Question, kept: Sequence[Evidence], ranked: Sequence[Evidence]
) -> Sequence[Evidence]:
    """The kept evidence and, where the question asks what a term means, its definition."""
    intent = question.intent
    if intent is None or intent.kind is not QuestionKind.DEFINITION:
        return kept
    held = {e.key for e in kept}
    defined = [e for e in ranked
             if isinstance(e.item, Definition) and e.item.concept in intent.concepts]  # fmt: skip
    return [*kept, *(e for e in defined if e.key not in held)]
