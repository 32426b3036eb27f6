"""What a report says of a concept, by what it says of its kinds and of what it is a kind of.

Affirmation goes up: who affirms a pleural effusion affirms an effusion. Denial goes down: who rules
out effusion rules out a pleural effusion, unless an effusion of some kind is affirmed elsewhere in
the same report, so that the denial speaks of one place only.

These functions read the mentions of one report. :mod:`mmedrag.casebase.criteria` says the same over
all stored reports at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol, TypeAlias

from mmedrag.types import Assertion, Criterion, Kind, Mention

IsA: TypeAlias = Callable[[str, str], bool]
"""Whether the first concept is the second or one of its kinds."""

SIDES = ("left", "right")
ELSEWHERE = 0.5
"""What a finding counts that the report has, but not at the site, or without saying where."""
KIND_ALONE = 0.5
"""What a denial counts where the report rules out a kind of the concept and affirms none."""


NORMAL = "state:normal"
"""Stands for a concept where a normal study as a whole is meant."""
OF_THE_NORMAL, OF_THE_ABNORMAL = (Kind.NORMAL,), (Kind.FINDING, Kind.DISEASE)
"""Kinds of concepts that normal and abnormal reports affirm."""


class Relations(Protocol):
    """The part of an :class:`~mmedrag.protocols.Ontology` that entailment needs."""

    def find(self, name: str) -> str:
        """The concept of that name, or nothing."""
        ...

    def is_a(self, concept: str, ancestor: str) -> bool:
        """See :data:`IsA`."""
        ...


class Descent(Protocol):
    """The part of an :class:`~mmedrag.protocols.Ontology` that knows the kinds of a concept."""

    def descendants(self, concept: str) -> tuple[str, ...]:
        """Everything that is a kind of it."""
        ...


def with_kinds(concept: str, ontology: Descent) -> tuple[str, ...]:
    """A concept and its kinds: what counts as the concept."""
    return (concept, *ontology.descendants(concept))


def identity(concept: str, ancestor: str) -> bool:
    """An :data:`IsA` that knows no relations."""
    return concept == ancestor


def affirms(
    mentions: Sequence[Mention], concept: str, is_a: IsA = identity, sites: Sequence[str] = ()
) -> bool:
    """Whether the report says that the concept, or a kind of it, is there (at these sites)."""
    affirmed = [
        set(m.sites)
        for m in mentions
        if m.assertion is Assertion.AFFIRMED and is_a(m.concept, concept)
    ]
    return all(any(required <= stated for stated in affirmed) for required in site_sets(sites))


def rules_out(mentions: Sequence[Mention], concept: str, is_a: IsA = identity) -> bool:
    """Whether the report says that the concept is not there.

    It denies the concept or something that it is a kind of, and affirms no kind of what it denies.
    """
    affirmed = {m.concept for m in mentions if m.assertion is Assertion.AFFIRMED}
    denied = {m.concept for m in mentions if m.assertion is Assertion.NEGATED}
    return any(
        is_a(concept, wider) and not any(is_a(other, wider) for other in affirmed)
        for wider in denied
    )


def normality(affirmed: Collection[Kind]) -> bool | None:
    """Whether a report is of a normal study, given the kinds of the concepts that it affirms.

    It is where it affirms that something is normal and no finding or disease; ``None`` where it
    says neither.
    """
    if not set(affirmed).isdisjoint(OF_THE_ABNORMAL):
        return False
    return None if set(affirmed).isdisjoint(OF_THE_NORMAL) else True


def fulfilment(criterion: Criterion, mentions: Sequence[Mention], is_a: IsA = identity) -> float:
    """How far a report meets a criterion: 1 where it does, -1 where it says the opposite.

    A finding that is affirmed elsewhere than at the criterion's sites counts :data:`ELSEWHERE`; of
    a concept that should be ruled out, a kind that is counts :data:`KIND_ALONE`.
    """
    concept, sites = criterion.concept, criterion.sites
    if concept == NORMAL:
        normal = normality({m.kind for m in mentions if m.assertion is Assertion.AFFIRMED})
        met = normal is (criterion.assertion is Assertion.AFFIRMED)
        return 0.0 if normal is None else 1.0 if met else -1.0
    if criterion.assertion is Assertion.AFFIRMED:
        if affirms(mentions, concept, is_a, sites):
            return 1.0
        if affirms(mentions, concept, is_a):
            return ELSEWHERE
        return -float(rules_out(mentions, concept, is_a))
    if affirms(mentions, concept, is_a, sites):
        return -1.0
    if affirms(mentions, concept, is_a):
        return ELSEWHERE if sites else -1.0
    if rules_out(mentions, concept, is_a):
        return 1.0
    denied = [m for m in mentions if m.assertion is Assertion.NEGATED]
    return KIND_ALONE if any(is_a(m.concept, concept) for m in denied) else 0.0


def site_sets(sites: Sequence[str]) -> Iterator[frozenset[str]]:
    """What a report should name together: the sites, or with both sides each side by itself."""
    if not set(SIDES) <= set(sites):
        yield frozenset(sites)
        return
    for side in SIDES:
        yield frozenset(sites) - {side}
