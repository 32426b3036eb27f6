"""What a question may be answered with: its terms, their kinds, and how reports write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmedrag.definitions.concepts import Concepts
from mmedrag.definitions.dictionary import Dictionary
from mmedrag.definitions.spelling import Correction, Spelling
from mmedrag.types import Mention

MOST = 200
"""Kinds of one concept beyond this many are not searched; the nearest are."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """One term of a question, and everything that counts as it.

    ``concepts`` are the codes to search: its own, those that mean the same in other dictionaries,
    then its kinds, nearest first. ``names`` is how reports write the concept itself: the preferred
    term, synonyms and abbreviations.
    """

    mention: Mention
    concepts: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExpandedQuery:
    """A question as it is searched: ``text`` after ``corrections``, and its expanded terms."""

    text: str
    corrections: tuple[Correction, ...]
    terms: tuple[Expansion, ...]


def expand(mentions: Sequence[Mention], concepts: Concepts) -> tuple[Expansion, ...]:
    """The concepts to search for each mention, in order, one a concept.

    Synonyms, abbreviations in their context and lay words have become concepts when the text was
    read; here the kinds are added ("effusion" also finds a pleural effusion).
    """
    first = {mention.concept: mention for mention in reversed(mentions)}
    ordered = sorted(first.values(), key=lambda mention: mention.start)
    return tuple(
        Expansion(mention, searched(mention.concept, concepts), concepts.names(mention.concept))
        for mention in ordered
    )


def searched(concept: str, concepts: Concepts) -> tuple[str, ...]:
    """The concept, its equals in other dictionaries and its kinds; at most :data:`MOST`."""
    equals = sorted(concepts.same(concept) - {concept})
    return tuple(dict.fromkeys((concept, *equals, *concepts.descendants(concept))))[:MOST]


class QueryExpander:
    """Corrects, reads and expands questions.

    Args:
        dictionary: that reads them.
        spelling: that corrects them; none leaves them as they are.
    """

    def __init__(self, dictionary: Dictionary, spelling: Spelling | None = None) -> None:
        self._dictionary = dictionary
        self._spelling = spelling

    def expand(self, text: str) -> ExpandedQuery:
        """The question as it is searched. Characters of mentions are those of its new text."""
        corrections: tuple[Correction, ...] = ()
        if self._spelling is not None:
            corrected = self._spelling.correct(text)
            text, corrections = corrected.text, corrected.corrections
        (mentions,) = self._dictionary.recognise([text])
        return ExpandedQuery(text, corrections, expand(mentions, self._dictionary.concepts))
