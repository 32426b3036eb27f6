"""What is said of a finding in one text: the strongest statement, and its side."""

from __future__ import annotations

from collections.abc import Sequence

from mmedrag.types import Assertion, Kind, Mention

# Where a report says two things of one finding, the stronger is what it says of the case.
STRENGTH = (
    Assertion.AFFIRMED,
    Assertion.UNCERTAIN,
    Assertion.NEGATED,
    Assertion.HISTORICAL,
    Assertion.OTHER_PERSON,
    Assertion.INTERROGATIVE,
    Assertion.UNKNOWN,
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

    def find(self, name: str) -> str:
        """None is known."""
        return ""

    def same(self, concept: str) -> frozenset[str]:
        """A concept is itself."""
        return frozenset({concept})

    def is_a(self, concept: str, ancestor: str) -> bool:
        """A concept is itself."""
        return concept == ancestor

    def ancestors(self, concept: str) -> tuple[str, ...]:
        """None."""
        return ()

    def descendants(self, concept: str) -> tuple[str, ...]:
        """None."""
        return ()


FLAT = Flat()


def statements(mentions: Sequence[Mention]) -> dict[str, Mention]:
    """One mention a concept: the strongest, in the order of the text."""
    strongest: dict[str, Mention] = {}
    for mention in mentions:
        strongest_yet = strongest.setdefault(mention.concept, mention)
        if STRENGTH.index(mention.assertion) < STRENGTH.index(strongest_yet.assertion):
            strongest[mention.concept] = mention
    return strongest
