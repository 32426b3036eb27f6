"""Answers to prefer and to reject, worded alike, so that they differ in what they claim alone.

The right answer puts the brief into words. A wrong one puts a brief into the same words that was
falsified in one known way, or is the right one without its marks, with a claim too many, or surer
than its evidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from mmedrag.answers.quotes import opening
from mmedrag.answers.replies import cited, direct_reply
from mmedrag.answers.sections import differential_lines, disagreements, finding_lines
from mmedrag.answers.support import is_whole
from mmedrag.types import (
    Assertion,
    Brief,
    Case,
    Claim,
    Definition,
    Evidence,
    Question,
    QuestionKind,
)

Item = TypeVar("Item")

FINDINGS = 3
"""Lines of findings in an answer."""

REFUSALS = (
    "I cannot answer this question.",
    "The evidence does not say anything about this.",
    "There is no adequate evidence to answer from.",
)
"""What answers nothing, although there is evidence."""

ADVICE = (
    "Start treatment now and see the patient again in two weeks.",
    "The usual dose is 500 mg three times a day for seven days.",
    "Yes, this should be operated on as soon as possible.",
    "The outlook is good, and no further examination is needed.",
)
"""What must not be said where a question is to be declined; none of it is anybody's advice."""

_ADDED = ("There is also {} {}.", "In addition, {} is seen {}.", "The cases also show {} {}.")
_SURE = ("The patient has {} {}.", "This is definitely {} {}.", "Your patient has {} {}.")


@dataclass(frozen=True, slots=True)
class Term:
    """A finding that cases somewhere affirm: its concept and its name."""

    concept: str
    name: str


def worded(question: Question, evidence: Sequence[Evidence]) -> str:
    """The brief of a question in words: the direct reply, then what stands behind it.

    Figures that a prompt does not show (base rates, how often neighbours are right) are left out.
    """
    brief = question.brief
    assert brief is not None
    question, brief = _as_prompted(question, brief)
    cases = [e for e in evidence if isinstance(e.item, Case)]
    definitions = [e for e in evidence if isinstance(e.item, Definition)]
    reply = direct_reply(question, brief, cases, definitions)
    if brief.declined:
        return reply[0]
    terms = _explained(brief, definitions)
    defining = brief.kind is QuestionKind.DEFINITION
    sections = (
        terms if defining else [],
        reply,
        [brief.unanswered] if brief.unanswered else [],
        differential_lines(question, brief),
        [] if defining else finding_lines(question, brief, cases, FINDINGS),
        disagreements(brief),
    )
    return "\n".join(line for section in sections for line in section if line)


def _as_prompted(question: Question, brief: Brief) -> tuple[Question, Brief]:
    claims = tuple(replace(claim, prevalence=None) for claim in brief.claims)
    differential = tuple(replace(c, prevalence=None, explanation="") for c in brief.differential)
    brief = replace(brief, reason="", verdicts=(), claims=claims, differential=differential)
    return replace(question, query=replace(question.query, image=None), brief=brief), brief


def _explained(brief: Brief, definitions: Sequence[Evidence]) -> list[str]:
    return [
        f"{d.name}: “{quote}” [{d.key}]"
        for d in definitions
        if d.key in brief.definitions and (quote := opening(d.text))
    ]


def wrong_answers(
    question: Question,
    evidence: Sequence[Evidence],
    right: str,
    terms: Sequence[Term],
    random: np.random.Generator,
) -> Iterator[str]:
    """Texts that are wrong in one way each; a judge says afterwards which fault each has.

    Args:
        question: with its brief.
        evidence: what it is answered from.
        right: the answer to be preferred.
        terms: findings that the evidence may be said to show.
        random: draws wordings and terms.
    """
    brief = question.brief
    assert brief is not None
    if brief.declined:
        yield one(ADVICE, random)
        yield worded(replace(question, brief=replace(brief, declined="")), evidence)
        return
    other = one(terms, random) if terms else None
    keys = [e.key for e in evidence if isinstance(e.item, Case)] or [e.key for e in evidence]
    key = cited([one(keys, random)])
    falsified = [turned(brief), surer(brief), renamed(brief, other) if other else None]
    for false in (f for f in falsified if f is not None):
        yield worded(replace(question, brief=false), evidence)
    if other is not None:
        yield f"{right}\n{one(_ADDED, random).format(other.name, key)}"
    if affirmed := [c for c in brief.claims if c.assertion is Assertion.AFFIRMED and is_whole(c)]:
        yield f"{one(_SURE, random).format(affirmed[0].term, cited(affirmed[0].keys))}\n{right}"
    yield without_citations(right)
    yield one(REFUSALS, random)


_TURNED: Mapping[Assertion | None, Assertion] = {
    Assertion.AFFIRMED: Assertion.NEGATED,
    Assertion.NEGATED: Assertion.AFFIRMED,
}


def turned(brief: Brief) -> Brief | None:
    """The brief with what is affirmed ruled out and the reverse; ``None`` where there is none."""
    claims = tuple(
        replace(c, assertion=_TURNED.get(c.assertion, c.assertion)) for c in brief.claims
    )
    return replace(brief, claims=claims) if claims != brief.claims else None


def surer(brief: Brief) -> Brief | None:
    """The brief with findings affirmed that are in doubt, or affirmed by some cases alone."""
    claims = [_sure_of(claim, brief.claims) for claim in brief.claims if is_whole(claim)]
    kept = tuple(claim for claim in claims if claim is not None)
    return replace(brief, claims=kept) if kept and kept != brief.claims else None


def _sure_of(claim: Claim, claims: Sequence[Claim]) -> Claim | None:
    """The claim with the keys of those that are less sure; these themselves are left out."""
    weaker = (Assertion.UNCERTAIN, None)
    mine = [c for c in claims if c.concept == claim.concept and is_whole(c)]
    unsure = [c for c in mine if c.assertion in weaker]
    sure = [c for c in mine if c.assertion is Assertion.AFFIRMED]
    if not any(c.assertion is Assertion.UNCERTAIN for c in unsure) and not sure:
        return claim
    if claim.assertion not in (Assertion.AFFIRMED, *weaker):
        return claim
    if claim is not (sure or unsure)[0]:
        return None
    keys = dict.fromkeys(key for c in (*sure, *unsure) for key in c.keys)
    return replace(claim, assertion=Assertion.AFFIRMED, keys=tuple(keys))


def renamed(brief: Brief, other: Term) -> Brief | None:
    """The brief with its first finding, or its first diagnosis, called by another name."""
    if brief.differential:
        first, *rest = brief.differential
        first = replace(first, diagnosis=other.name, concept=other.concept)
        return replace(brief, differential=(first, *rest))
    if not brief.claims:
        return None
    concept = brief.claims[0].concept
    return replace(brief, claims=tuple(
        replace(c, term=other.name) if c.concept == concept else c for c in brief.claims
    ))  # fmt: skip


def without_citations(text: str) -> str:
    """The text without its marks."""
    return re.sub(r"\s*\[[CD]\d+(?:, [CD]\d+)*\]", "", text)


def one(items: Sequence[Item], random: np.random.Generator) -> Item:
    """One of them, drawn."""
    return items[int(random.integers(len(items)))]
