"""A context or an answer as JSON values: the schema of ``--json`` (docs/reference/cli.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL.Image import Image

from mmedrag.citations import DISCLAIMER
from mmedrag.types import (
    Answer,
    Assertion,
    Brief,
    Candidate,
    Case,
    Change,
    Claim,
    Context,
    Correction,
    Criterion,
    Evidence,
    ImageSource,
    Intent,
    Mention,
    Prevalence,
    Question,
    Routing,
)

SCHEMA = "mmedrag/2"
"""Changes when a field changes its meaning or goes; new fields may come without."""


def context_json(context: Context) -> dict[str, Any]:
    """The trace of a retrieval; ``answer`` is ``None``."""
    question = context.question
    # The stations show the same items with more and more scores: each item is described once.
    items = {e.key: _item(e) for e in context.gathered}
    gathered, ranked, kept = (
        [items[e.key] | _scores(e) for e in station]
        for station in (context.gathered, context.ranked, context.kept)
    )
    return {
        "schema": SCHEMA,
        "query": _query(question),
        "domain": _routing(question.routing),
        "question": _intent(question.intent),
        "mentions": [_mention(m) for m in question.mentions],
        "ruled_out": ruled_out(question),
        "corrections": [_correction(c) for c in question.corrections],
        "criteria": [_criterion(c) for c in question.criteria],
        "synonyms": list(question.synonyms),
        "gathered": gathered,
        "ranked": ranked,
        "kept": kept,
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
            "struck": list(answer.struck),
            "abstained": answer.abstained,
            **_brief(answer.brief),
            "disclaimer": DISCLAIMER,
        }
    }


def _intent(intent: Intent | None) -> dict[str, Any] | None:
    """How the question was understood; ``None`` where nobody read it."""
    if intent is None:
        return None
    return {
        "kind": intent.kind,
        "rule": intent.rule,
        "concepts": list(intent.concepts),
        "phrases": list(intent.phrases),
        "detail": intent.detail or None,
    }


def _brief(brief: Brief | None) -> dict[str, Any]:
    """The answer as data; without an analyst every field is empty."""
    if brief is None:
        return dict.fromkeys(_BRIEF)
    return {
        "kind": brief.kind,
        "reply": brief.reply,
        "reason": brief.reason,
        "claims": [_claim(c) for c in brief.claims],
        "differential": [_candidate(c) for c in brief.differential],
        "definitions": list(brief.definitions),
        "declined": brief.declined or None,
        "unanswered": brief.unanswered or None,
        "verdicts": [
            {"concept": v.concept, "reply": str(v.reply), "reason": v.reason}
            for v in brief.verdicts
        ],
        "counts": [
            {
                "concept": c.concept,
                "term": c.term,
                "within": [_criterion(met) for met in c.within],
                "base_rate": _base_rate(c.prevalence),
            }
            for c in brief.counts
        ],
        "compared": list(brief.compared),
        "changes": [change_json(c) for c in brief.changes],
    }


_BRIEF = (
    "kind", "reply", "reason", "claims", "differential", "definitions", "declined", "unanswered",
    "verdicts", "counts", "compared", "changes",
)  # fmt: skip


def change_json(change: Change) -> dict[str, Any]:
    """What became of a finding."""
    return {
        "concept": change.concept or None,
        "term": change.term,
        "trend": change.trend,
        "earlier": change.earlier or None,
        "later": change.later or None,
        "days": change.days,
        "words": change.words or None,
        "contradiction": change.contradiction or None,
        "side": change.side or None,
        "measured": change.measured or None,
    }


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "concept": claim.concept,
        "term": claim.term,
        "assertion": claim.assertion or "not mentioned",
        "side": claim.side or None,
        "grade": claim.grade or None,
        "asked": claim.asked or None,
        "keys": list(claim.keys),
        "count": len(claim.keys),
        "of": claim.of,
        "base_rate": _base_rate(claim.prevalence),
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "diagnosis": candidate.diagnosis,
        "concept": candidate.concept or None,
        "keys": list(candidate.keys),
        "count": len(candidate.keys),
        "of": candidate.of,
        "base_rate": _base_rate(candidate.prevalence),
        "against": [_claim(c) for c in candidate.against],
        "explanation": candidate.explanation or None,
    }


def _base_rate(prevalence: Prevalence | None) -> dict[str, int] | None:
    if prevalence is None:
        return None
    return {
        "affirmed": prevalence.affirmed, "negated": prevalence.negated, "of": prevalence.of,
    }  # fmt: skip


def ruled_out(question: Question) -> list[str]:
    """Terms that the question itself negates, once each."""
    negated = (m.term for m in question.mentions if m.assertion == Assertion.NEGATED)
    return list(dict.fromkeys(negated))


def understood(question: Question) -> list[str]:
    """What was read otherwise than it was written, and searched besides its words; in sentences."""
    lines = [f"Read {c.written!r} as {c.meant!r}" for c in question.corrections]
    wanted = [_wanted(c) for c in question.criteria]
    if wanted:
        required = all(c.required for c in question.criteria)
        how = "Searched for reports with" if required else "Preferred reports with"
        lines.append(f"{how} {', '.join(wanted)}")
    if question.synonyms:
        lines.append(f"Searched also by the words {', '.join(question.synonyms)}")
    return lines


def _wanted(criterion: Criterion) -> str:
    sites = f" ({', '.join(criterion.sites)})" if criterion.sites else ""
    negated = "no " if criterion.assertion is Assertion.NEGATED else ""
    return f"{negated}{criterion.term or criterion.concept}{sites}"


def _correction(correction: Correction) -> dict[str, Any]:
    return {
        "written": correction.written,
        "meant": correction.meant,
        "start": correction.start,
        "end": correction.end,
    }


def _criterion(criterion: Criterion) -> dict[str, Any]:
    return {
        "concept": criterion.concept,
        "term": criterion.term,
        "assertion": criterion.assertion,
        "sites": list(criterion.sites),
        "required": criterion.required,
    }


def _query(question: Question) -> dict[str, Any]:
    query = question.query
    image = query.image
    shown = None if image is None else _described(image)
    return {
        "text": query.text,
        "image": shown,
        "frame": query.frame,
        "domain": query.domain,
        "where": query.where,
        "patient_id": query.patient_id or None,
        "at": query.at,
        "written": question.written,
    }


def _described(image: ImageSource) -> str:
    """A path as it is; of a file's bytes or of pixels, how many."""
    if isinstance(image, Path | str):
        return str(image)
    if isinstance(image, bytes):
        return f"({len(image)} bytes)"
    width, height = image.size if isinstance(image, Image) else image.shape[1::-1]
    return f"({width} x {height} pixels)"


def _routing(routing: Routing) -> dict[str, Any]:
    return {
        "scores": {name: round(p, 6) for name, p in routing.scores.items()},
        "decision": routing.decision,
        "abstained": routing.decision is None,
        "medical": routing.medical,
        "reason": routing.reason,
    }


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
        "diagnosis": item.diagnosis,
        "labels": list(item.labels),
        "image": str(item.image) if item.image is not None else None,
        "frame": item.frame,
        "mentions": [_mention(m) for m in e.mentions],
    }


def _scores(e: Evidence) -> dict[str, Any]:
    return {
        "similarity": _rounded(e.similarity),
        "relevance": _rounded(e.relevance),
        "centrality": _rounded(e.centrality),
        "reward": _rounded(e.reward),
        "proximity": _rounded(e.proximity),
    }


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(float(score), 6)


def _mention(m: Mention) -> dict[str, Any]:
    return {
        "term": m.term,
        "concept": m.concept,
        "text": m.text,
        "start": m.start,
        "end": m.end,
        "assertion": m.assertion,
        "sites": list(m.sites),
    }
