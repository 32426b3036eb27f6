"""What the cases of a question should affirm and rule out, as sets of concepts."""

from __future__ import annotations

from mmedrag.definitions.concepts import Concepts
from mmedrag.definitions.expansion import expand
from mmedrag.types import Assertion, Criterion, Kind, Question, QuestionKind

_NEUTRAL = frozenset(
    {
        QuestionKind.PRESENCE,
        QuestionKind.NORMALITY,
        QuestionKind.CHOICE,
        QuestionKind.COMPARISON,
        QuestionKind.OUT_OF_SCOPE,
    }
)
"""Kinds that ask whether: a search for cases that affirm would answer them beforehand."""

LONGEST_REQUEST = 8
"""Words up to which a text is a request. Longer ones describe a case, and what their words say
finds better cases than the concepts in them (benchmarks/concept_channel.py)."""

_SEARCHED = frozenset({Kind.FINDING, Kind.DISEASE})
_STATED = frozenset({Assertion.AFFIRMED, Assertion.NEGATED})


class ConceptCriteria:
    """A :class:`~mmedrag.protocols.QuestionExpander`: findings and diseases with their kinds.

    Args:
        concepts: that know what is a kind of what.
    """

    def __init__(self, concepts: Concepts) -> None:
        self._concepts = concepts

    def expand(self, question: Question) -> tuple[Criterion, ...]:
        """One criterion a concept that the question affirms or rules out, in order.

        A concept that it both affirms and rules out is no criterion, and no more is one that is
        hedged, historical or asked about. A text longer than :data:`LONGEST_REQUEST` has none.
        """
        if len(question.query.text.split()) > LONGEST_REQUEST:
            return ()
        if question.intent is not None and question.intent.kind in _NEUTRAL:
            return ()
        stated = [m for m in question.mentions if m.kind in _SEARCHED and m.assertion in _STATED]
        assertions: dict[str, set[Assertion]] = {}
        for mention in stated:
            assertions.setdefault(mention.concept, set()).add(mention.assertion)
        clear = [m for m in stated if len(assertions[m.concept]) == 1]
        return tuple(
            Criterion(term.mention.assertion, term.concepts)
            for term in expand(clear, self._concepts)
        )
