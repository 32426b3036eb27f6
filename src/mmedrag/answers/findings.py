"""What the cases say of each finding, counted without inference (for section 3.6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from mmedrag.answers.passages import label
from mmedrag.types import Assertion, Evidence, Mention, Question

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

# A mention does not say what kind of thing it names; a way of looking is known by its ending.
_TECHNIQUE = re.compile(
    r"(?:graphy|graphs?|grams?|imaging|images?|tomography|scans?|scopy|stain|ultrasound|biopsy)$",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Finding:
    """A concept, and the keys of the cases by what they say of it."""

    concept: str
    term: str
    keys: dict[Assertion, list[str]] = field(default_factory=dict)

    def said(self, assertion: Assertion) -> list[str]:
        """The keys of the cases that say this of it, in ranked order."""
        return self.keys.get(assertion, [])

    @property
    def affirmed(self) -> list[str]:
        """The keys of the cases that have it."""
        return self.said(Assertion.AFFIRMED)

    @property
    def negated(self) -> list[str]:
        """The keys of the cases that rule it out."""
        return self.said(Assertion.NEGATED)


def tally(question: Question, cases: Sequence[Evidence]) -> list[Finding]:
    """Findings over the cases: those of the question first, then by how many affirm them.

    Techniques and stains are no findings and are not counted.
    """
    found: dict[str, Finding] = {}
    for case in cases:
        for concept, mention in statements(case.mentions).items():
            if is_technique(mention.term):
                continue
            finding = found.setdefault(concept, Finding(concept, label(mention.term)))
            finding.keys.setdefault(mention.assertion, []).append(case.key)
    asked = {m.concept for m in question.mentions}
    order = sorted(found, key=lambda c: (c not in asked, -len(found[c].affirmed)))
    return [found[c] for c in order]


def is_technique(term: str) -> bool:
    """Whether a term names a way of looking, such as an image, a scan or a stain."""
    return bool(_TECHNIQUE.search(term))


def statements(mentions: Sequence[Mention]) -> dict[str, Mention]:
    """One mention a concept: the strongest, in the order of the text."""
    strongest: dict[str, Mention] = {}
    for mention in mentions:
        known = strongest.setdefault(mention.concept, mention)
        if STRENGTH.index(mention.assertion) < STRENGTH.index(known.assertion):
            strongest[mention.concept] = mention
    return strongest
