"""What stands behind the direct reply: differential, findings, disagreements, sides."""

from __future__ import annotations

from collections.abc import Sequence

from mmedrag.answers.analysis import CaseAnalyst, base_rate
from mmedrag.answers.replies import LEADS, cited, listed, named, queried_concepts
from mmedrag.answers.statements import (
    CaseReading,
    Tally,
    elsewhere,
    read_cases,
    says_of,
    tally_of,
)
from mmedrag.answers.support import is_whole
from mmedrag.entailment import NORMAL
from mmedrag.text.laterality import sides_of_findings
from mmedrag.text.quotations import label
from mmedrag.types import (
    Assertion,
    Brief,
    Candidate,
    Case,
    Claim,
    Evidence,
    Kind,
    Mention,
    Question,
    QuestionKind,
)

_SOME = 3
"""Cases of each side that a disagreement names; the findings above name all."""

A = Assertion.AFFIRMED
_OPEN = (QuestionKind.DIFFERENTIAL, QuestionKind.DESCRIPTION)


def differential_lines(question: Question, brief: Brief) -> list[str]:
    """A line a diagnosis: cases, base rate, and what speaks against it."""
    by_image = question.query.image is not None and brief.kind is QuestionKind.SEARCH
    if (brief.kind not in _OPEN and not by_image) or len(brief.differential) < 2:
        return []
    return ["Diagnoses of these cases:", *(_candidate(c) for c in brief.differential)]


def _candidate(candidate: Candidate) -> str:
    count = f"{len(candidate.keys)} of {candidate.of} {cited(candidate.keys)}"
    clauses = [f"- {named(candidate)}: {count}"]
    if rate := base_rate(candidate.prevalence):
        clauses.append(f"base rate {rate}")
    clauses += [
        f"against it: {c.term} {_WORDS[c.assertion]} in {cited(c.keys)}" for c in candidate.against
    ]
    clauses += [f"in the corpus: {candidate.explanation}"] if candidate.explanation else []
    return "; ".join(clauses)


_WORDS = {
    Assertion.AFFIRMED: "affirmed",
    Assertion.NEGATED: "ruled out",
    Assertion.UNCERTAIN: "in doubt",
    Assertion.HISTORICAL: "historical",
    Assertion.OTHER_PERSON: "other person",
    None: "not mentioned",
}


def finding_lines(
    question: Question, brief: Brief, cases: Sequence[Evidence], most: int
) -> list[str]:
    """Findings with who affirms, doubts and rules them out, less those that the reply counts."""
    replied = {*queried_concepts(question, brief), NORMAL}
    by_concept: dict[str, list[Claim]] = {}
    for claim in brief.claims:
        stated = is_whole(claim) and claim.assertion is not None and not claim.asked
        if stated and claim.concept not in replied:
            by_concept.setdefault(claim.concept, []).append(claim)
    lines = [
        f"- {claims[0].term}: "
        + "; ".join(f"{_WORDS[c.assertion]} {cited(c.keys)}" for c in claims)
        for claims in list(by_concept.values())[:most]
    ]
    if not lines or not cases:
        return []
    scope = "the case" if len(cases) == 1 else f"the {len(cases)} cases"
    other = "Other findings" if len(replied) > 1 else "Findings"
    return [f"{other} in {scope}:", *lines]


def disagreements(brief: Brief) -> list[str]:
    """Findings that some cases affirm and others rule out, in one sentence."""
    affirmed, negated = _by(brief, A), _by(brief, Assertion.NEGATED)
    disputed = [
        f"{claim.term} ({cited(claim.keys[:_SOME])} against {cited(negated[concept].keys[:_SOME])})"
        for concept, claim in affirmed.items()
        if concept in negated and concept != NORMAL
    ]
    return [f"The cases disagree on {listed(disputed[:LEADS])}."] if disputed else []


def _by(brief: Brief, assertion: Assertion) -> dict[str, Claim]:
    return {c.concept: c for c in brief.claims if c.assertion is assertion and is_whole(c)}


def against_question(
    question: Question, cases: Sequence[Evidence], analyst: CaseAnalyst
) -> list[str]:
    """What the question rules out, and what it states that no case affirms."""
    if not cases:
        return []
    readings = read_cases(cases, analyst.source)
    asks = question.intent is not None and question.intent.kind is not QuestionKind.SEARCH
    lines = []
    for mention in {m.concept: m for m in question.mentions}.values():
        ruled_out = mention.assertion is Assertion.NEGATED
        counted = mention.kind.is_finding or mention.kind is Kind.DEVICE
        if not counted or (asks and not ruled_out):
            continue
        here = [r for r in readings if not _elsewhere(mention, r, analyst)]
        if len(here) < len(readings) and not here:
            continue
        tally = tally_of(mention.concept, label(mention.term), here, analyst.ontology)
        if ruled_out:
            lines.append(f"The question rules out {tally.term}, {_echo(tally, cases)}.")
        elif not any(_affirms(mention, r, analyst) for r in readings):
            lines.append(f"The question names {tally.term}, {_echo(tally, cases)}.")
    return lines


def _affirms(mention: Mention, reading: CaseReading, analyst: CaseAnalyst) -> bool:
    """Whether the case affirms the finding, on whatever side."""
    statement = says_of(reading, mention.concept, analyst.ontology)
    return statement is not None and statement.assertion is Assertion.AFFIRMED


def _elsewhere(mention: Mention, reading: CaseReading, analyst: CaseAnalyst) -> bool:
    """Whether the case speaks of another side than the question."""
    statement = says_of(reading, mention.concept, analyst.ontology)
    return statement is not None and elsewhere(mention, statement)


def _echo(tally: Tally, cases: Sequence[Evidence]) -> str:
    if affirmed := tally.keys_of(Assertion.AFFIRMED):
        return f"which is affirmed in {cited(affirmed)}"
    statements = [
        f"{_WORDS[a]} in {cited(tally.keys_of(a))}" for a in _WORDS if a and tally.keys_of(a)
    ]
    if statements:
        return f"which the cases do not affirm either: {'; '.join(statements)}"
    return f"which none of the cases mentions {cited([c.key for c in cases])}"


def other_side(question: Question, cases: Sequence[Evidence]) -> list[str]:
    """Where the question says right and a case says left of the same finding, or the reverse.

    Asked which side it is on, either is an answer.
    """
    if question.intent is not None and question.intent.detail == "side":
        return []
    findings = [m for m in question.mentions if m.kind.is_finding] or question.mentions
    sides_by_concept = sides_of_findings(question.query.text, findings)
    terms = {m.concept: label(m.term) for m in question.mentions}
    lines = []
    for concept, sides in sides_by_concept.items():
        reported = [(c.key, sides_of_findings(_report(c), c.mentions).get(concept)) for c in cases]
        other = [
            key
            for key, sides_here in reported
            if sides_here and len(sides) == 1 and not sides & sides_here
        ]
        if other:
            (here,) = sides
            there = "left" if here == "right" else "right"
            lines.append(
                f"The side differs: the question says {here} {terms[concept]}, "
                f"{there} in {cited(other)}."
            )
    return lines


def _report(evidence: Evidence) -> str:
    return evidence.item.text if isinstance(evidence.item, Case) else ""
