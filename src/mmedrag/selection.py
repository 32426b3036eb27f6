"""Which evidence there is, and which of it an answer may rest on (sections 3.4 to 3.6)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import zip_longest

import numpy as np

from mmedrag.rounding import rounded
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

NAMED = 2 / 3
"""What a diagnosis or label that is sought counts in the relevance of a case, as much as a report
that affirms it (:data:`mmedrag.casebase.hybrid.CONCEPT_WEIGHT`)."""


def with_named(hits: Sequence[Hit], named: Sequence[Hit], k: int) -> list[Hit]:
    """The first ``k`` of all; cases that are named what is sought count as those that affirm it.

    Of these the more similar come first, as :data:`NAMED` says.
    """
    near = np.maximum([h.similarity for h in named], 0.0)
    scores = rounded(NAMED + (1 - NAMED) * near)
    lifted = [replace(h, relevance=float(s)) for h, s in zip(named, scores, strict=True)]
    best: dict[str, Hit] = {}
    for hit in (*hits, *lifted):
        if hit.case.id not in best or best[hit.case.id].relevance < hit.relevance:
            best[hit.case.id] = hit
    return sorted(best.values(), key=lambda h: (-h.relevance, h.case.id))[:k]


def alternating(found: Sequence[Sequence[Hit]], k: int) -> list[Hit]:
    """The first ``k`` of several searches in turn, each case once."""
    first: dict[str, Hit] = {}
    for hit in (hit for row in zip_longest(*found) for hit in row if hit is not None):
        first.setdefault(hit.case.id, hit)
    return list(first.values())[:k]


def gather(
    query_vector: Vector,
    hits: Sequence[Hit],
    mentions: Sequence[tuple[Mention, ...]],
    defined: Sequence[Definition],
    definition_vectors: Matrix,
) -> list[Evidence]:
    """C = R_case ∪ R_def (section 3.4), keyed C1, C2, … and D1, D2, … in Standard RAG order."""
    cases = [
        Evidence(
            f"C{i}",
            hit.case,
            hit.vector,
            hit.similarity,
            hit.relevance,
            terms,
            proximity=hit.proximity,
        )
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


def with_called(
    kept: Sequence[Evidence], first: Sequence[Evidence], called: Collection[str]
) -> Sequence[Evidence]:
    """The kept evidence and, before it, what a filter that reads reports alone took for foreign.

    Args:
        kept: what passed the filter.
        first: what was put to it, in order.
        called: ids of cases whose diagnosis or labels are what is sought.
    """
    held = {e.key for e in kept}
    missed = (e for e in first if isinstance(e.item, Case) and e.item.id in called)
    return [*(e for e in missed if e.key not in held), *kept]


def with_met(
    kept: Sequence[Evidence], first: Sequence[Evidence], met: Collection[str]
) -> Sequence[Evidence]:
    """The kept evidence and, after its cases, those that have all that was asked for in words.

    A filter that was learned from findings may know nothing of a device, or of "not normal".

    Args:
        kept: what passed the filter.
        first: what was put to it, in order.
        met: keys of cases whose reports meet all that the question requires.
    """
    held = {e.key for e in kept}
    missed = [e for e in first if e.key in met and e.key not in held]
    cases = [e for e in kept if isinstance(e.item, Case)]
    return [*cases, *missed, *(e for e in kept if not isinstance(e.item, Case))]


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
