"""How strongly the cases that look like an image speak for a finding, as a few numbers."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

from mmedrag.answers.differential import code_of
from mmedrag.answers.nearness import nearness
from mmedrag.entailment import NORMAL
from mmedrag.protocols import CorpusStatistics, Ontology
from mmedrag.types import Assertion, Brief, Case, Claim, Evidence, Prevalence, Question

UNCOUNTED = 0.05
"""The base rate where nobody has counted."""

SOURCES = 5
"""Sources of the similar cases that are counted, the nearest ones; the others weigh nothing."""


def expected_share(
    concepts: Collection[str],
    question: Question,
    cases: Sequence[Evidence],
    corpus: CorpusStatistics,
) -> float:
    """How much of the cases' nearness would affirm a finding, were each like its source at large.

    A source that hardly speaks of a finding says nothing by its silence; where a third of a
    source's records affirm it and none of twenty like the image does, the image is not one of that
    third. Cases without a source count as 0.

    Args:
        concepts: the finding and its kinds.
        question: whose filter and domain narrow what is counted.
        cases: those that look like the image.
        corpus: counts.
    """
    weights: dict[str, float] = {}
    for case, weight in zip(cases, nearness(cases).values(), strict=True):
        if isinstance(case.item, Case) and case.item.source:
            weights[case.item.source] = weights.get(case.item.source, 0.0) + weight
    heaviest = sorted(weights, key=lambda source: (-weights[source], source))[:SOURCES]
    return sum(
        weights[source] * _share_in(source, concepts, question, corpus) for source in heaviest
    )


def _share_in(
    source: str, concepts: Collection[str], question: Question, corpus: CorpusStatistics
) -> float:
    quoted = source.replace("'", "''")
    own = f"({question.query.where}) and " if question.query.where else ""
    within = replace(question.query, where=f"{own}source = '{quoted}'")
    rate = corpus.prevalence(replace(question, query=within), {"": concepts})[""]
    return rate.affirmed / max(1, rate.of)


def support_of(
    concept: str,
    brief: Brief,
    cases: Sequence[Evidence],
    ontology: Ontology,
    expected: float = 0.0,
) -> dict[str, float]:
    """The numbers by which a reply on one concept is judged.

    ``affirm``, ``rule out`` and ``normal`` are shares of the nearness of cases that affirm it, rule
    it out, and are normal studies; ``affirm count`` and ``rule out count`` plain shares.
    ``another`` is the share of the cases whose diagnosis leads and is another. ``base rate`` is the
    log-odds of the concept in the searched corpus, ``nearest`` the similarity of the nearest case,
    ``expected`` of :func:`expected_share`.
    """
    weights = nearness(cases)
    n = max(1, len(cases))
    rate = next((c.prevalence for c in brief.claims if c.concept == concept), None)
    yes, no = (
        _keys(brief, concept, assertion) for assertion in (Assertion.AFFIRMED, Assertion.NEGATED)
    )
    normal = _keys(brief, NORMAL, Assertion.AFFIRMED)
    return {
        "affirm": sum(weights.get(k, 0.0) for k in yes),
        "rule out": sum(weights.get(k, 0.0) for k in no),
        "normal": sum(weights.get(k, 0.0) for k in normal),
        "affirm count": len(yes) / n,
        "rule out count": len(no) / n,
        "another": _another(concept, brief, ontology),
        "base rate": _log_odds(rate),
        "nearest": max((c.similarity for c in cases), default=0.0),
        "expected": expected,
    }


def support_of_first(
    options: Sequence[Sequence[str]], cases: Sequence[Evidence]
) -> dict[str, float]:
    """The numbers by which the first of several diagnoses, sides or grades is judged.

    ``weight`` is the share of the nearness of the cases that have it, ``margin`` by how much that
    exceeds the next, ``share`` the plain share, ``nearest`` the similarity of the nearest case.

    Args:
        options: the keys of the cases that have each of them, the first one first.
        cases: all that were read.
    """
    weights = nearness(cases)
    sums = [sum(weights.get(k, 0.0) for k in keys) for keys in options[:2]]
    first, second = (*sums, 0.0, 0.0)[:2]
    return {
        "weight": first,
        "margin": first - second,
        "share": len(options[0]) / max(1, len(cases)) if options else 0.0,
        "nearest": max((c.similarity for c in cases), default=0.0),
    }


def is_whole(claim: Claim) -> bool:
    """Whether a claim is about all cases that say so, not only those of a side or grade."""
    return not claim.side and not claim.grade


def _keys(brief: Brief, concept: str, assertion: Assertion) -> tuple[str, ...]:
    claims = (c for c in brief.claims if c.concept == concept and c.assertion is assertion)
    return next((c.keys for c in claims if is_whole(c)), ())


def _another(concept: str, brief: Brief, ontology: Ontology) -> float:
    if not brief.differential:
        return 0.0
    first = brief.differential[0]
    code = code_of(first)
    if code == concept or ontology.is_a(code, concept) or ontology.is_a(concept, code):
        return 0.0
    return len(first.keys) / max(1, first.of)


def _log_odds(rate: Prevalence | None) -> float:
    share = (rate.affirmed + 0.5) / (rate.of + 1.0) if rate is not None else UNCOUNTED
    return math.log(share / (1.0 - share))
