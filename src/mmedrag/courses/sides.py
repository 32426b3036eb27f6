"""A finding of the left and one of the right: what a study says of each.

"Right effusion, larger. The left effusion has resolved." is one finding by its concept and two by
what became of them. Sides are told apart only where both reports give every one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mmedrag.courses.studies import STATES, Study, joint_state
from mmedrag.text.trends import Wording, trends_of_findings
from mmedrag.types import Assertion, Mention

SIDES = ("left", "right")

_APART = "\n"  # behind the name of a concept while the words of one side are read


def states_by_side(study: Study, concept: str) -> dict[str, Assertion]:
    """What a study says of a concept on the left and on the right; empty where not all is sided.

    What is ruled out without a side is ruled out on both.
    """
    mentions = [
        m for e in study.evidence for m in e.mentions
        if m.concept == concept and m.assertion in STATES
    ]  # fmt: skip
    sided = [m for m in mentions if sides_of(m)]
    if not sided or any(not sides_of(m) and m.assertion is not Assertion.NEGATED for m in mentions):
        return {}
    states = {
        side: joint_state({m.assertion for m in mentions if side in (sides_of(m) or SIDES)})
        for side in SIDES
    }
    return {side: state for side, state in states.items() if state is not None}


def is_bilateral(study: Study, concept: str) -> bool:
    """Whether one statement of a study is of both sides, so that its words are of neither alone."""
    mentions = (m for e in study.evidence for m in e.mentions if m.concept == concept)
    return any(m.assertion in STATES and len(sides_of(m)) == len(SIDES) for m in mentions)


def trends_by_side(text: str, mentions: Sequence[Mention]) -> dict[tuple[str, str], Wording]:
    """What a text says became of each concept on each side, by concept and side."""
    trends: dict[tuple[str, str], Wording] = {}
    for side in SIDES:
        named = [
            replace(m, concept=f"{m.concept}{_APART}") if side in sides_of(m) else m
            for m in mentions
        ]
        for concept, wording in trends_of_findings(text, named).items():
            if concept.endswith(_APART):
                trends[concept.removesuffix(_APART), side] = wording
    return trends


def sides_of(mention: Mention) -> tuple[str, ...]:
    """The sides that a text gives a finding."""
    return tuple(side for side in SIDES if side in mention.sites)
