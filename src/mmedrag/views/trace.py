"""A context or an answer as JSON values: the schema of ``--json`` (docs/reference/cli.md)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmedrag.citations import DISCLAIMER
from mmedrag.types import Answer, Assertion, Case, Context, Evidence, Mention, Question, Routing

SCHEMA = "mmedrag/1"
"""Changes when a field changes its meaning or goes; new fields may come without."""


def context_json(context: Context) -> dict[str, Any]:
    """The trace of a retrieval; ``answer`` is ``None``."""
    question = context.question
    return {
        "schema": SCHEMA,
        "query": _query(question),
        "domain": _routing(question.routing),
        "mentions": [_mention(m) for m in question.mentions],
        "ruled_out": ruled_out(question),
        "gathered": _evidence(context.gathered),
        "ranked": _evidence(context.ranked),
        "kept": _evidence(context.kept),
        "answer": None,
        "timings_ms": {stage: round(ms, 3) for stage, ms in context.timings.items()},
    }


def answer_json(answer: Answer) -> dict[str, Any]:
    """The trace of an answer."""
    return context_json(answer.context) | {
        "answer": {
            "text": answer.text,
            "cited": [e.key for e in answer.cited],
            "removed": list(answer.removed),
            "abstained": answer.abstained,
            "disclaimer": DISCLAIMER,
        }
    }


def ruled_out(question: Question) -> list[str]:
    """Terms that the question itself negates, once each."""
    negated = (m.term for m in question.mentions if m.assertion == Assertion.NEGATED)
    return list(dict.fromkeys(negated))


def _query(question: Question) -> dict[str, Any]:
    query = question.query
    image = query.image
    shown = f"({len(image)} bytes)" if isinstance(image, bytes) else image and str(Path(image))
    return {
        "text": query.text,
        "image": shown,
        "domain": query.domain,
        "where": query.where,
    }


def _routing(routing: Routing) -> dict[str, Any]:
    return {
        "scores": {name: round(p, 6) for name, p in routing.scores.items()},
        "decision": routing.decision,
        "abstained": routing.decision is None,
        "medical": routing.medical,
        "reason": routing.reason,
    }


def _evidence(evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    return [_item(e) | _scores(e) for e in evidence]


def _item(e: Evidence) -> dict[str, Any]:
    item = e.item
    shared = {"key": e.key, "text": item.text, "source": item.source, "licence": item.licence}
    if not isinstance(item, Case):
        return shared | {"kind": "definition", "term": item.term, "concept": item.concept}
    return shared | {
        "kind": "case",
        "id": item.id,
        "domain": item.domain,
        "modality": item.modality,
        "patient_id": item.patient_id,
        "study_id": item.study_id,
        "labels": list(item.labels),
        "image": str(item.image) if item.image is not None else None,
        "mentions": [_mention(m) for m in e.mentions],
    }


def _scores(e: Evidence) -> dict[str, Any]:
    return {
        name: None if score is None else round(float(score), 6)
        for name, score in (
            ("similarity", e.similarity),
            ("relevance", e.relevance),
            ("centrality", e.centrality),
            ("reward", e.reward),
        )
    }


def _mention(m: Mention) -> dict[str, Any]:
    return {
        "term": m.term,
        "concept": m.concept,
        "text": m.text,
        "start": m.start,
        "end": m.end,
        "assertion": m.assertion,
    }
