"""Which domain the terms of a text speak for: evidence for the routing of section 3.2."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from mmedrag.definitions.concepts import Concepts
from mmedrag.definitions.dictionary import Dictionary
from mmedrag.types import Domain, Kind

DOUBT = 0.1
"""The share of mentions of a term that fall in reports of a domain which the glossary does not give
it: eye reports name the brain, too."""

CHIEF = 0.65
"""The share of the domain that the glossary lists first, where it lists two; parts of the body are
shared evenly."""


def domain_evidence(dictionary: Dictionary, texts: Sequence[str]) -> list[Mapping[Domain, float]]:
    """The log-likelihood of each domain given the terms of each text; empty where it has none.

    A term of one domain speaks for it, one of two against the third; each term counts once. What
    is in a part of the body that one domain alone describes, such as the retina, is of that domain.
    """
    return [
        _evidence(dict.fromkeys(mention.concept for mention in found), dictionary.concepts)
        for found in dictionary.recognise(texts)
    ]


def _evidence(concepts: Iterable[str], known: Concepts) -> Mapping[Domain, float]:
    shares = [_shares(concept, known) for concept in concepts]
    telling = [share for share in shares if 0 < len(share) < len(Domain)]
    if not telling:
        return {}
    return {domain: sum(_logarithm(domain, share) for share in telling) for domain in Domain}


def _shares(concept: str, known: Concepts) -> dict[Domain, float]:
    """The domains of a concept, and how its mentions are shared among them."""
    own = known.domains(concept)
    regional = known.domains(known.region(concept))
    own = tuple(domain for domain in own if domain in regional) or own
    if len(own) == 1 or known.kind(concept) is Kind.ANATOMY:
        return dict.fromkeys(own, 1 / len(own))
    rest = (1 - CHIEF) / max(1, len(own) - 1)
    return {domain: rest if number else CHIEF for number, domain in enumerate(own)}


def _logarithm(domain: Domain, shares: Mapping[Domain, float]) -> float:
    if domain in shares:
        return math.log((1 - DOUBT) * shares[domain])
    return math.log(DOUBT / (len(Domain) - len(shares)))
