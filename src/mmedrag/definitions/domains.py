"""Which domain the terms of a text speak for: evidence for the routing of section 3.2."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from mmedrag.definitions.concepts import Concepts
from mmedrag.definitions.dictionary import Dictionary
from mmedrag.definitions.tables import read_glossary
from mmedrag.text.wording import normal
from mmedrag.types import Domain, Kind

DOUBT = 0.1
"""The share of mentions of a term that fall in reports of a domain which the glossary does not give
it: eye reports name the brain, too."""

CHIEF = 0.65
"""The share of the domain that the glossary lists first, where it lists two; parts of the body are
shared evenly."""


HALF_A_CONCEPT = 0.5
_WORD = re.compile(r"[^\W\d_]{3,}")


def domain_evidence(dictionary: Dictionary, texts: Sequence[str]) -> list[Mapping[Domain, float]]:
    """The log-likelihood of each domain given the terms of each text; empty where it has none.

    A term of one domain speaks for it, one of two against the third; each term counts once. What
    is in a part of the body that one domain alone describes, such as the retina, is of that domain.
    """
    return [
        _evidence(dict.fromkeys(mention.concept for mention in mentions), dictionary.concepts)
        for mentions in dictionary.recognise(texts)
    ]


def word_evidence(texts: Sequence[str]) -> list[Mapping[Domain, float]]:
    """The log-likelihood of each domain given the words of each text; empty where none is known.

    A word counts by how often the glossary uses it in names and definitions of each domain's
    concepts, so that "storiform pattern" is heard although it is no term. Naive Bayes, each word
    once, rates smoothed by half a concept.
    """
    return [_by_words(dict.fromkeys(_words(text))) for text in texts]


def _by_words(words: Iterable[str]) -> Mapping[Domain, float]:
    counts, totals = _word_counts(), _word_totals()
    telling = [word for word in words if sum(counts[d][word] for d in Domain) >= 1.0]
    scores = dict.fromkeys(Domain, 0.0)
    for word in telling:
        rates = {d: (counts[d][word] + HALF_A_CONCEPT) / totals[d] for d in Domain}
        for domain, rate in rates.items():
            scores[domain] += math.log(rate / sum(rates.values()))
    return scores if telling else {}


@cache
def _word_counts() -> Mapping[Domain, Counter[str]]:
    """By domain, in how many concepts of the glossary each word stands; shared by CHIEF."""
    counts: dict[Domain, Counter[str]] = {domain: Counter() for domain in Domain}
    for term in read_glossary(Path(__file__).with_name("glossary.jsonl")):
        domains = tuple(map(Domain, term.domains))
        if not 0 < len(domains) < len(Domain):
            continue
        text = " ".join([term.term, *term.synonyms, term.definition])
        for domain, share in _divided(domains).items():
            counts[domain].update(dict.fromkeys(_words(text), share))
    return counts


@cache
def _word_totals() -> Mapping[Domain, float]:
    """By domain, how many words count; half a concept more, as each word has."""
    return {d: words.total() + HALF_A_CONCEPT for d, words in _word_counts().items()}


def _words(text: str) -> list[str]:
    return [normal(word) for word in _WORD.findall(text.lower())]


def _divided(domains: Sequence[Domain]) -> dict[Domain, float]:
    """What of a concept each of its domains has: the first most."""
    if len(domains) == 1:
        return {domains[0]: 1.0}
    rest = (1 - CHIEF) / (len(domains) - 1)
    return {domain: rest if number else CHIEF for number, domain in enumerate(domains)}


def _evidence(concepts: Iterable[str], ontology: Concepts) -> Mapping[Domain, float]:
    shares = [_shares(concept, ontology) for concept in concepts]
    telling = [share for share in shares if 0 < len(share) < len(Domain)]
    if not telling:
        return {}
    return {domain: sum(_logarithm(domain, share) for share in telling) for domain in Domain}


def _shares(concept: str, ontology: Concepts) -> dict[Domain, float]:
    """The domains of a concept, and how its mentions are shared among them."""
    own = ontology.domains(concept)
    regional = ontology.domains(ontology.region(concept))
    own = tuple(domain for domain in own if domain in regional) or own
    if len(own) == 1 or ontology.kind(concept) is Kind.ANATOMY:
        return dict.fromkeys(own, 1 / len(own))
    return _divided(own) if own else {}


def _logarithm(domain: Domain, shares: Mapping[Domain, float]) -> float:
    if domain in shares:
        return math.log((1 - DOUBT) * shares[domain])
    return math.log(DOUBT / (len(Domain) - len(shares)))
