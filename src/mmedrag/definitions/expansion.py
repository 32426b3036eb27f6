"""What is searched besides the words of a question: concepts that cases should affirm or rule out.

When a text is read, its synonyms, abbreviations and lay words become concepts ("water on the lungs"
is a pulmonary oedema), so that reports are found by concept however they put it. Kinds count as the
concept in the index (:mod:`mmedrag.entailment`). What reports call a concept is searched by word
too, where the question calls it otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from mmedrag.definitions.concepts import Concepts
from mmedrag.entailment import NORMAL, fulfilment
from mmedrag.text.laterality import LEFT, RIGHT
from mmedrag.text.wording import codes
from mmedrag.types import BARE, Assertion, Criterion, Kind, Mention, Question, QuestionKind

_K = QuestionKind
_NEUTRAL = frozenset({_K.PRESENCE, _K.NORMALITY, _K.CHOICE, _K.COMPARISON, _K.OUT_OF_SCOPE})
"""Kinds that ask whether: a search for cases that affirm would answer them beforehand."""

_GRANTED = frozenset({_K.SEARCH, _K.DEFINITION})
"""Kinds that ask for cases of what they name, or for what it is."""

LONGEST_REQUEST = 8
"""Words up to which a text is a request, whose criteria are required. Longer ones describe a case;
what they affirm is evidence (benchmarks/concept_channel.py)."""

MOST_OPTIONS = 4
"""Of such a question, each of which is searched for by itself."""

MOST_FINDINGS = 20
"""Findings of a description that are searched, the first ones."""

MOST_SYNONYMS = 8
"""Names that are searched beside the words of a question, at most."""

_SEARCHED = frozenset({Kind.FINDING, Kind.DISEASE})
_STATED = frozenset({Assertion.AFFIRMED, Assertion.NEGATED})
_MEANT = frozenset({Assertion.AFFIRMED, Assertion.INTERROGATIVE, Assertion.UNCERTAIN})


def _granted(question: Question) -> bool:
    """Whether the question wants cases that have what it names, and does not ask if they have it.

    Without an image, a side, a grade or one of two can only be looked up in cases that name them,
    and what is not answered is best shown by such cases.
    """
    intent = question.intent
    if intent is None or intent.kind in _GRANTED:
        return intent is not None
    details = ("side", "grade", "feature")
    looked_up = intent.kind in (_K.CHOICE, _K.OUT_OF_SCOPE) or intent.detail in details
    return looked_up and question.query.image is None


def _sought(question: Question) -> list[Mention]:
    """The mentions as they are sought: who asks for cases of a finding wants those that have it.

    What goes with a disease is shown by cases that have both, and by others of the disease.
    """
    if not _granted(question):
        return list(question.mentions)
    intent = question.intent
    if intent is not None and intent.detail == "feature":
        having = [m for m in question.mentions if m.concept == intent.concepts[0]]
        return [replace(m, assertion=Assertion.AFFIRMED) for m in having]
    if intent is not None and intent.detail == "associated":
        having = [m for m in question.mentions if m.concept in intent.concepts]
        return [replace(m, assertion=Assertion.AFFIRMED) for m in having]
    choice = question.intent is not None and question.intent.kind is _K.CHOICE
    meant = _MEANT if choice else {Assertion.INTERROGATIVE}
    sought = [
        replace(m, assertion=Assertion.AFFIRMED) if m.assertion in meant else m
        for m in question.mentions
    ]
    text = question.query.text
    return [
        replace(m, assertion=Assertion.NEGATED)
        if _EXCEPTED.search(text[max(0, m.start - _BEFORE) : m.start])
        else m
        for m in sought
    ]


_OF_STUDIES = {"normal": Assertion.AFFIRMED, "abnormal": Assertion.NEGATED}
"""What requests for normal studies and for others want, by the detail of their intent."""

_BEFORE = 60
"""Characters before a finding in which a request may leave it out."""

_EXCEPTED = re.compile(
    r"(?<!normal )(?<!unremarkable )(?<!clear )(?<!nothing )(?<!none )"
    r"\b(?:except(?:ing)?(?: for)?|excluding|exclude|other than|apart from|but not|not including"
    r"|excepto|exceto|salvo|excluyendo|excluindo|menos)"
    r"(?: (?:those|cases|ones|casos|los|os))?(?: (?:with|of|con|com|de))?(?: (?:an?|the|any))?"
    r"(?: [\w-]+)?\s*$",
    re.IGNORECASE,
)
"""What is left out of a request: "all cases except pneumonia". What is "normal except for" a
finding has it."""


def _sites(question: Question, mention: Mention) -> tuple[str, ...]:
    """Where it should be: asked whether it is "on the left or right", on neither side alone."""
    asks_side = question.intent is not None and question.intent.detail == "side"
    return tuple(s for s in mention.sites if not (asks_side and s in (LEFT, RIGHT)))


class ConceptExpander:
    """A :class:`~mmedrag.protocols.QuestionExpander` by the concepts of a question.

    Args:
        concepts: that know what is called how, and what is a kind of what.
    """

    def __init__(self, concepts: Concepts) -> None:
        self._concepts = concepts

    def criteria(self, question: Question) -> tuple[Criterion, ...]:
        """One criterion a finding or disease that the question affirms or rules out, in order.

        In a request a device is one, too: "a pacemaker but no cardiomegaly". Who asks for cases
        that are normal, or not, means the study as a whole.

        A concept that it both affirms and rules out is no criterion, and no more is one that is
        hedged, historical or asked about. Of a text longer than :data:`LONGEST_REQUEST`, what it
        affirms alone, and none of it is required; nor is either of two that are to be told apart.
        """
        intent = question.intent
        if intent is not None and intent.detail in _OF_STUDIES:
            return (Criterion(_OF_STUDIES[intent.detail], NORMAL, "normal study"),)
        if intent is not None and intent.kind in _NEUTRAL and not _granted(question):
            return ()
        either = intent is not None and intent.kind is _K.CHOICE
        request = len(question.query.text.split()) <= LONGEST_REQUEST and not either
        sought = [*_sought(question), *self._feature(question)]
        kinds = _SEARCHED | {Kind.DEVICE} if request else _SEARCHED
        stated = [m for m in sought if m.kind in kinds and m.assertion in _STATED]
        assertions: dict[str, set[Assertion]] = {}
        for mention in stated:
            assertions.setdefault(mention.concept, set()).add(mention.assertion)
        first = {m.concept: m for m in reversed(stated) if len(assertions[m.concept]) == 1}
        made = [
            Criterion(
                m.assertion, m.concept, self._concepts.name(m.concept), _sites(question, m), request
            )
            for m in sorted(first.values(), key=lambda m: m.start)
            if request or m.assertion is Assertion.AFFIRMED
        ]
        return tuple(made if request else made[:MOST_FINDINGS])

    def _feature(self, question: Question) -> list[Mention]:
        """The finding of a question of what goes with a disease, whatever words named it."""
        intent = question.intent
        if intent is None or intent.detail != "feature" or not question.mentions:
            return []
        first, yes = question.mentions[0], Assertion.AFFIRMED
        return [
            replace(first, concept=c, term=self._concepts.name(c), assertion=yes,
                    kind=self._concepts.kind(c), sites=())
            for c in intent.concepts[1:]
        ]  # fmt: skip

    def meets(self, question: Question, mentions: Sequence[Mention]) -> bool:
        """Whether a report with these mentions meets every criterion, all of them required."""
        wanted, is_a = question.criteria, self._concepts.is_a
        required = bool(wanted) and all(c.required for c in wanted)
        return required and all(fulfilment(c, mentions, is_a) == 1.0 for c in wanted)

    def options(self, question: Question) -> tuple[Criterion, ...]:
        """What is to be told apart where nothing was given to tell it by: "drusen or exudates?"."""
        intent = question.intent
        apart = intent is not None and intent.kind is _K.CHOICE and question.query.image is None
        if not apart or len(question.query.text.split()) > BARE:
            return ()
        options = [replace(c, required=True) for c in self.criteria(question)]
        return tuple(options[:MOST_OPTIONS]) if len(options) > 1 else ()

    def synonyms(self, question: Question) -> tuple[str, ...]:
        """The preferred terms of what the question names otherwise, at most MOST_SYNONYMS."""
        names = (name for m in question.mentions for name in self._otherwise(m))
        return tuple(dict.fromkeys(names))[:MOST_SYNONYMS]

    def _otherwise(self, mention: Mention) -> Iterator[str]:
        """The preferred term, where the words of a mention that is meant are others."""
        if mention.assertion in _MEANT:
            term = self._concepts.name(mention.concept)
            if not set(codes(term)) <= set(codes(mention.text)):
                yield term
