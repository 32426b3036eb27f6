"""Which kinds of a finding the similar cases have: "What kind of fracture is this?"."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from mmedrag.answers.nearness import nearness
from mmedrag.answers.statements import CaseReading
from mmedrag.protocols import Ontology
from mmedrag.text.quotations import label
from mmedrag.types import Assertion, Candidate, Mention

KIND_OF = "kind"
"""The detail of a question that asks for the kind of what it names."""

_OF = re.compile(
    r"\b(?:(?:which|what) (?:kind|type|sort|form|variety|subtype|class)s? of"
    r"|qu[eé] (?:tipo|clase) de|que tipo de|qual (?:o )?tipo de) (?:an? |the )?"
    r"(?P<what>[^?.!,;]*?)(?= (?:is|are|was|were|do|does|did|could|might|may|can|would|has|have|es"
    r"|é|tiene|tem)\b|[?.!,;]|$)",
    re.IGNORECASE,
)


_BESIDE = re.compile(r" (?:for|in|of|with|after|on|against|from|to|para|en|em|con|com)\b")


def asked_for_kinds(request: str, mentions: Iterable[Mention]) -> tuple[str, ...]:
    """The findings whose kinds a sentence asks for; none where it asks for something else."""
    match = _OF.search(request)
    named = _BESIDE.split(match["what"].lower())[0] if match else ""
    found = [m.concept for m in mentions if m.kind.is_finding and m.text.lower() in named]
    return tuple(dict.fromkeys(found))


def kinds_of(
    concepts: Collection[str], readings: Sequence[CaseReading], ontology: Ontology
) -> list[Candidate]:
    """What the cases affirm that is a kind of one of the concepts, the best supported first.

    Of a kind and a kind of that kind in one case the narrower one counts. Each case weighs as much
    as it is near.
    """
    weights = nearness([r.evidence for r in readings])
    keys: dict[str, list[str]] = {}
    for reading in readings:
        affirmed = [
            c for c, s in reading.stated.items()
            if s.assertion is Assertion.AFFIRMED and _below(c, concepts, ontology)
        ]  # fmt: skip
        for concept in affirmed:
            if not any(_below(other, (concept,), ontology) for other in affirmed):
                keys.setdefault(concept, []).append(reading.key)
    order = sorted(keys, key=lambda c: -sum(weights[k] for k in keys[c]))
    return [Candidate(label(ontology.name(c)), c, tuple(keys[c]), len(readings)) for c in order]


def _below(concept: str, above: Collection[str], ontology: Ontology) -> bool:
    """Whether it is a kind of one of them and not the same by another code."""
    return any(ontology.is_a(concept, a) and not ontology.is_a(a, concept) for a in above)
