"""Evidence as the page shows it: cards, why they are here, and where they differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mmedrag.answers.associations import ASSOCIATED
from mmedrag.answers.counting import COUNT
from mmedrag.answers.question_rules import ABNORMAL
from mmedrag.serving.events import preview_address
from mmedrag.text.citation_markers import keys_of
from mmedrag.types import (
    Answer,
    Assertion,
    Case,
    Context,
    Evidence,
    Intent,
    QuestionKind,
    Routing,
)
from mmedrag.views.page import annotated

ASKED_FOR: Mapping[QuestionKind, str] = {
    QuestionKind.PRESENCE: "whether something is there",
    QuestionKind.DEFINITION: "what a term means",
    QuestionKind.DIFFERENTIAL: "what it may be",
    QuestionKind.DESCRIPTION: "what there is to see",
    QuestionKind.NORMALITY: "whether it is normal",
    QuestionKind.CHOICE: "which of several it is",
    QuestionKind.COMPARISON: "what has changed",
    QuestionKind.SEARCH: "cases like a description",
    QuestionKind.OUT_OF_SCOPE: "something that cases cannot answer",
}
"""Each kind of question in plain words."""

_OF_DETAIL: Mapping[str, str] = {
    COUNT: "how many cases there are",
    ASSOCIATED: "what goes with it",
    ABNORMAL: "cases that are not normal",
}


def asked_for(intent: Intent | None) -> str:
    """What a question asks for, in plain words; nothing where nobody read it."""
    return "" if intent is None else _OF_DETAIL.get(intent.detail, ASKED_FOR[intent.kind])


_REPORT: Mapping[Assertion, str] = {
    Assertion.AFFIRMED: "the report affirms",
    Assertion.NEGATED: "the report rules out",
    Assertion.UNCERTAIN: "the report is in doubt about",
    Assertion.HISTORICAL: "the report mentions from the past",
    Assertion.OTHER_PERSON: "the report mentions of another person",
}


@dataclass(frozen=True, slots=True)
class Card:
    """One case; ``why`` are short lines on what brought it here."""

    key: str
    id: str
    text: Markup
    preview: str
    title: str
    details: str
    origin: str
    similarity: float
    centrality: float | None
    proximity: float | None
    reward: float | None
    kept: bool
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """One definition."""

    key: str
    name: str
    text: str
    origin: str


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A finding that some cases affirm and others rule out."""

    term: str
    affirmed: tuple[str, ...]
    negated: tuple[str, ...]


def cards_of(context: Context, casebase: str) -> list[Card]:
    """The cases in their final order, those that were kept first."""
    kept = {e.key: e for e in context.kept}
    before = _ranks(context.gathered)
    after = _ranks(context.ranked)
    cards = [
        _card(kept.get(e.key, e), e.item, casebase, context, (before[e.key], after[e.key]))
        for e in context.ranked
        if isinstance(e.item, Case)
    ]
    return sorted(cards, key=lambda card: not card.kept)


def terms_of(context: Context) -> list[Term]:
    """The kept definitions."""
    return [
        Term(e.key, e.item.term, e.item.text, _joined(e.item.source, e.item.licence))
        for e in context.kept
        if not isinstance(e.item, Case)
    ]


def disagreements(answer: Answer) -> list[Disagreement]:
    """The findings on which the kept cases differ, as far as the answer does not say so itself."""
    assertions: dict[str, dict[Assertion | None, tuple[str, ...]]] = defaultdict(dict)
    for claim in answer.brief.claims if answer.brief is not None else ():
        if not claim.side and not claim.grade:
            assertions[claim.term][claim.assertion] = claim.keys
    lines = [(line.casefold(), set(keys_of(line))) for line in answer.text.splitlines()]
    differing = [
        Disagreement(term, by[Assertion.AFFIRMED], by[Assertion.NEGATED])
        for term, by in assertions.items()
        if by.get(Assertion.AFFIRMED) and by.get(Assertion.NEGATED)
    ]
    return [d for d in differing if not any(_states(*line, d) for line in lines)]


def _states(line: str, keys: set[str], differing: Disagreement) -> bool:
    """Whether a line names the finding with cases of either side."""
    return (
        differing.term.casefold() in line
        and not keys.isdisjoint(differing.affirmed)
        and not keys.isdisjoint(differing.negated)
    )


def reason_of(routing: Routing) -> str:
    """What the domain was decided by, or why none was."""
    subject, _, verdict = routing.reason.partition(": ")
    if not verdict:
        return routing.reason
    return f"by the {subject}" if routing.decision else f"by the {subject}: {verdict}"


def state_of(answer: Answer) -> str:
    """Which of the page's states an answer is."""
    context = answer.context
    if not context.question.routing.medical:
        return "not medical"
    if answer.brief is not None and answer.brief.declined:
        return "declined"
    if not any(isinstance(e.item, Case) for e in context.gathered) and context.question.query.where:
        return "no match"
    return "abstained" if answer.abstained else "answered"


def _card(e: Evidence, case: Case, casebase: str, context: Context, ranks: tuple[int, int]) -> Card:
    return Card(
        key=e.key,
        id=case.id,
        text=annotated(e),
        preview=preview_address(case.id, casebase) if case.image is not None else "",
        title=case.diagnosis or ", ".join(case.labels) or "no diagnosis given",
        details=_joined(str(case.domain or "no domain"), case.modality),
        origin=_joined(case.source, case.licence),
        similarity=e.similarity,
        centrality=e.centrality,
        proximity=e.proximity,
        reward=e.reward,
        kept=any(e.key == k.key for k in context.kept),
        why=tuple(_why(e, context, ranks)),
    )


def _why(e: Evidence, context: Context, ranks: tuple[int, int]) -> list[str]:
    """What of the question the report speaks of, and its places before and after the graph."""
    sought = {m.concept for m in context.question.mentions}
    by: dict[str, dict[str, None]] = defaultdict(dict)
    for mention in e.mentions:
        if mention.concept in sought:
            by[_REPORT.get(mention.assertion, "the report mentions")][mention.term] = None
    before, after = ranks
    position = f"place {before} of the search"
    return [
        *(f"{words} {', '.join(terms)}" for words, terms in by.items()),
        position if before == after else f"{position}, {after} after the graph",
    ]


def _ranks(evidence: Sequence[Evidence]) -> dict[str, int]:
    cases = (e for e in evidence if isinstance(e.item, Case))
    return {e.key: rank for rank, e in enumerate(cases, 1)}


def _joined(*texts: str) -> str:
    return " · ".join(text for text in texts if text)
