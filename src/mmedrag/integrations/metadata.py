"""Evidence as flat JSON values, the same for every framework."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mmedrag.pipeline import compares_patient
from mmedrag.types import Assertion, Case, Context, Definition, Evidence, Mention

SCORES = ("similarity", "relevance", "centrality", "reward")
"""Of each stage; ``None`` where it did not run."""


def retrieved(context: Context, k: int, *, definitions: bool) -> list[Evidence]:
    """What a retriever gives: the first ``k`` cases that were kept, and on demand definitions.

    A yes or no of an image rests on more cases than were asked for; a patient's own history is
    whole.
    """
    cases = [e for e in context.kept if isinstance(e.item, Case)]
    if not compares_patient(context.question):
        cases = cases[:k]
    return [*cases, *(e for e in context.kept if definitions and not isinstance(e.item, Case))]


def evidence_metadata(evidence: Evidence, context: Context | None = None) -> dict[str, Any]:
    """Key, source, licence, scores and assertions of evidence, without its text.

    Args:
        evidence: a case or a definition.
        context: what it comes from, for ``routed_to``: the corpus that was searched.
    """
    item = evidence.item
    scores = ((name, getattr(evidence, name)) for name in SCORES)
    described = (
        case_metadata(item, evidence.mentions)
        if isinstance(item, Case)
        else definition_metadata(item)
    )
    return {
        "key": evidence.key,
        **described,
        **{name: None if score is None else round(float(score), 6) for name, score in scores},
        **({} if context is None else {"routed_to": _text(context.question.routing.decision)}),
    }


def case_metadata(case: Case, mentions: Iterable[Mention]) -> dict[str, Any]:
    """A case without its text; ``assertions`` are its terms by what the report says of them."""
    return {
        "kind": "case",
        "id": case.id,
        "domain": _text(case.domain),
        "modality": case.modality,
        "diagnosis": case.diagnosis,
        "labels": list(case.labels),
        "patient_id": case.patient_id,
        "study_id": case.study_id,
        "date": case.date,
        "source": case.source,
        "licence": case.licence,
        "assertions": assertions(mentions),
    }


def definition_metadata(definition: Definition) -> dict[str, Any]:
    """A definition without its text."""
    return {
        "kind": "definition",
        "id": definition.concept,
        "term": definition.term,
        "source": definition.source,
        "licence": definition.licence,
    }


def assertions(mentions: Iterable[Mention]) -> dict[str, list[str]]:
    """Terms by assertion, each once, in the order of the text."""
    terms: dict[Assertion, dict[str, None]] = {}
    for mention in mentions:
        terms.setdefault(mention.assertion, {})[mention.term] = None
    return {str(assertion): list(names) for assertion, names in terms.items()}


def _text(name: str | None) -> str | None:
    """A domain as a plain string, which every serialiser knows."""
    return None if name is None else str(name)
