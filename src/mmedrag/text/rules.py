"""What the rules of a language are made of (see :mod:`mmedrag.text.assertions`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from mmedrag.text.phrases import Lists, PhraseTree, expanded
from mmedrag.types import Assertion


class Stop(Enum):
    """What a phrase does to the reach of a trigger."""

    ENDS = auto()
    """It ends there."""
    ENDS_UNLESS_LISTED = auto()
    """It ends there, unless the clause goes on with "or": then this is one more item of a list."""
    SKIPS = auto()
    """It ends there; where the clause goes on with "or", it leaves out what stands before that."""
    PASSES = auto()
    """It goes on after these words, which are not what the trigger is about: "no CT evidence"."""


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """Where a trigger's reach ends: at a phrase of ``stops``.

    Backwards a comma is an end too, unless one of ``joins`` stands between it and the trigger;
    without ``joins`` commas do not count.
    """

    stops: PhraseTree
    joins: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """What a trigger says, of the mentions on which side, and how far: ``window`` words at most."""

    assertion: Assertion
    forward: bool
    limit: Limit
    window: int


class Asks(Enum):
    """What a question asks for."""

    WHETHER = auto()
    """"Is there …": whether what it names is there."""
    MEANING = auto()
    """"What is …": what it names, whether it is there or not."""
    ELSE = auto()
    """"Which side is …": something of what it names, which it takes for granted."""


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """The rules of one language.

    ``triggers`` has the :class:`Rule` of each trigger; a phrase without any hides the triggers
    inside it. ``questions`` and ``requests`` (which need no question mark) have :class:`Asks`, and
    ``whether_limit`` and ``meaning_limit`` end what the first two of these ask for. ``either`` are
    the words for "or", ``without`` those that rule out in a question too. ``same`` gives words that
    rules write in one way only.
    ``contrasts`` are words that part a term which begins with them from a list before it ("no acute
    fracture, old rib fractures").
    ``heading`` matches headings whose whole line is of another person (group ``family``) or past,
    ``bound`` a negation that belongs to the adjective after it ("no desplazada").
    """

    triggers: PhraseTree
    questions: PhraseTree
    requests: PhraseTree
    whether_limit: Limit
    meaning_limit: Limit
    either: frozenset[str]
    without: frozenset[str]
    same: Mapping[str, str]
    heading: re.Pattern[str]
    bound: re.Pattern[str] | None = None
    contrasts: frozenset[str] = frozenset()


def stops(lists: Lists, *phrases: tuple[Stop, str]) -> PhraseTree:
    """A tree of the phrases at which a reach ends."""
    tree = PhraseTree()
    for stop, listed in phrases:
        tree.add(expanded(listed, lists), stop)
    return tree


def triggers(lists: Lists, pseudo: str, rules: Iterable[tuple[Rule, str]]) -> PhraseTree:
    """A tree of triggers and of the phrases that hide them."""
    tree = PhraseTree()
    tree.add(expanded(pseudo, lists), None)
    for rule, listed in rules:
        tree.add(expanded(listed, lists), rule)
    return tree


def questions(lists: Lists, *phrases: tuple[Asks, str]) -> PhraseTree:
    """A tree of the openings of questions."""
    tree = PhraseTree()
    for asks, listed in phrases:
        tree.add(expanded(listed, lists), asks)
    return tree
