"""Sections 3.2 and 3.4, beyond the paper: what a question names is looked for where it is held.

A classifier knows to which domain a term belongs, not in which corpus its cases lie: "metastases of
the liver with ring enhancement" reads like pathology, and the scans are in radiology. Whoever
searches the first and answers "in none of 1,094 cases" is right and no help. And the caption of a
proven sarcoidosis may speak of enlarged nodes alone: its diagnosis stands beside the text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from mmedrag.entailment import with_kinds
from mmedrag.errors import FilterError
from mmedrag.filters import MAX_LENGTH, both, parse, quoted
from mmedrag.protocols import CaseNames, Ontology
from mmedrag.types import Assertion, Criterion, Domain, Kind, Prevalence, Question, Routing

MOST_CHARACTERS = MAX_LENGTH // 2
"""Of all diagnoses and labels that are looked for at once; the other half is the user's filter."""


@dataclass(frozen=True, slots=True)
class Names:
    """A :class:`~mmedrag.protocols.CaseNamer` by what diagnoses and labels stand for.

    Args:
        names: of the stored cases.
        ontology: kinds of a concept count as the concept.
    """

    names: CaseNames
    ontology: Ontology

    def named(self, question: Question) -> str | None:
        """A filter where cases of one finding are asked for by words, wherever it is."""
        if question.query.image is not None or len(question.criteria) != 1:
            return None
        (wanted,) = question.criteria
        if wanted.assertion is not Assertion.AFFIRMED or not wanted.required or wanted.sites:
            return None
        name = _filter_of(self.names.called(with_kinds(wanted.concept, self.ontology)))
        return name if name and _parses(both(question.query.where, name)) else None


def _parses(where: str | None) -> bool:
    """Whether a filter of the user leaves room for names: its length and conditions are limited."""
    try:
        return where is not None and bool(parse(where))
    except FilterError:
        return False


def _filter_of(names: Sequence[tuple[str, str]]) -> str | None:
    """A filter for any of the names, of the first ones where all are too many."""
    values: dict[str, list[str]] = {}
    room = MOST_CHARACTERS
    for field, value in names:
        text = quoted(value)
        room -= len(text) + 2
        if room > 0 and "\0" not in text:
            values.setdefault(field, []).append(text)
    return " or ".join(f"{f} in ({', '.join(texts)})" for f, texts in values.items()) or None


_SEEN = frozenset({Kind.FINDING, Kind.DISEASE})
_SHOWN = frozenset({Kind.TECHNIQUE, Kind.ANATOMY})


@dataclass(frozen=True, slots=True)
class Holdings:
    """A :class:`~mmedrag.protocols.RoutingReviser` by what the reports of each domain affirm.

    Args:
        names: count the cases that affirm a concept.
        ontology: kinds of a concept count as the concept.
        domains: tells which have cases; without it, all are taken to have some.
        homes: tells which corpora a concept is of: "CT head" stays in radiology.
    """

    names: CaseNames
    ontology: Ontology
    domains: Callable[[], Collection[str]] | None = None
    homes: Callable[[str], Collection[str]] | None = None

    def revise(self, question: Question) -> Routing:
        """The routing of a question in words, to another domain where the chosen one holds less.

        The domain stays where its cases affirm all that the question names, where no other domain
        has more of it, and where an image or the user chose. None goes to a domain that does not
        know a kind of image or a part of the body that is named. What a patient complains of may
        stand in the reports of any domain, and moves nothing. A
        description of a case (:attr:`Criterion.required`) leaves only a domain that holds nothing
        of it at all. A domain without cases, guessed of words that no dictionary knows, leaves the
        choice open.

        Raises:
            FilterError: ``question.query.where`` does not parse.
        """
        routing, query = question.routing, question.query
        chosen = routing.decision
        sought = self._named(question)
        if chosen is None or query.domain is not None or query.image is not None:
            return routing
        if not question.mentions and question.intent and question.intent.detail == "count":
            return replace(routing, decision=None, reason="all cases are counted")
        if not question.mentions and self.domains and chosen not in self.domains():
            return replace(routing, decision=None, reason=f"{routing.reason}; but it holds no case")
        if not sought:
            return routing
        held = self._held(question, chosen, sought)
        if len(held) == len(sought) or (held and not sought[0].required):
            return routing
        possible = (d for d in Domain if d != chosen and self._may_show(d, question))
        others = {d: self._held(question, d, sought) for d in possible}
        best = max(others, key=lambda d: (len(others[d]), sum(others[d].values())), default=chosen)
        if best == chosen or len(others[best]) <= len(held):
            return routing
        terms = " and ".join(c.term for c in sought if c.concept in others[best])
        reason = f"{routing.reason}; but its cases of {terms} are in {best}"
        return replace(routing, decision=best, reason=reason)

    def _named(self, question: Question) -> list[Criterion]:
        """What cases should affirm; of a question whether something is there, that."""
        yes = Assertion.AFFIRMED
        if question.criteria or question.intent is None:
            return [c for c in question.criteria if c.assertion is yes]
        concepts = (c for c in question.intent.concepts if self.ontology.kind(c) in _SEEN)
        return [Criterion(yes, c, self.ontology.name(c)) for c in concepts]

    def _may_show(self, domain: Domain, question: Question) -> bool:
        """Whether a domain has all the kinds of image and the parts of the body that are named."""
        if self.homes is None:
            return True
        named = (self.homes(m.concept) for m in question.mentions if m.kind in _SHOWN)
        return all(not homes or domain in homes for homes in named)

    def _held(
        self, question: Question, domain: Domain, sought: Sequence[Criterion]
    ) -> Mapping[str, int]:
        """How many cases of a domain affirm each of the concepts that any affirms."""
        routed = replace(question, routing=replace(question.routing, decision=domain))
        groups = {c.concept: with_kinds(c.concept, self.ontology) for c in sought}
        rates: Mapping[str, Prevalence] = self.names.held(routed, groups)
        return {concept: rate.affirmed for concept, rate in rates.items() if rate.affirmed}
