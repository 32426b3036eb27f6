"""What is said of a finding in one text: the strongest statement, and its side."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mmedrag.types import Assertion, Kind, Mention

# Where a report says two things of one finding, the stronger is what it says of the case.
STRENGTH = (
    Assertion.AFFIRMED,
    Assertion.UNCERTAIN,
    Assertion.NEGATED,
    Assertion.HISTORICAL,
    Assertion.OTHER_PERSON,
)


class Flat:
    """An :class:`~mmedrag.protocols.Ontology` in which no concept is a kind of another."""

    def kind(self, concept: str) -> Kind:
        """Everything is a finding."""
        return Kind.FINDING

    def name(self, concept: str) -> str:
        """The code itself."""
        return concept

    def region(self, concept: str) -> str:
        """None is known."""
        return ""

    def is_a(self, concept: str, ancestor: str) -> bool:
        """A concept is itself."""
        return concept == ancestor

    def ancestors(self, concept: str) -> tuple[str, ...]:
        """None."""
        return ()

    def descendants(self, concept: str) -> tuple[str, ...]:
        """None."""
        return ()


def statements(mentions: Sequence[Mention]) -> dict[str, Mention]:
    """One mention a concept: the strongest, in the order of the text."""
    strongest: dict[str, Mention] = {}
    for mention in mentions:
        known = strongest.setdefault(mention.concept, mention)
        if STRENGTH.index(mention.assertion) < STRENGTH.index(known.assertion):
            strongest[mention.concept] = mention
    return strongest


def sides_of(text: str, mentions: Sequence[Mention]) -> dict[str, set[str]]:
    """The sides of affirmed findings, where the words next to them leave no doubt."""
    sides: dict[str, set[str]] = {}
    end_of_last = 0
    for mention in mentions:
        before = re.split(r"[,;:.\n]", text[max(end_of_last, mention.start - 30) : mention.start])
        after = re.match(r"\W+(?:on|in|at|of) (?:the )?(?:right|left)\b", text[mention.end :])
        near = f"{before[-1]} {mention.text} {after.group() if after else ''}".lower()
        said = set(re.findall(r"\b(?:right|left)\b", near))
        end_of_last = mention.end
        if mention.assertion is Assertion.AFFIRMED and len(said) == 1 and "bilat" not in near:
            sides.setdefault(mention.concept, set()).update(said)
    return sides
