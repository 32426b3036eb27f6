"""Cases that contradict the question stand behind all others, before the context is cut to size.

Ten cases with drusen are of no use to who asks about an eye without drusen, however alike the
pictures are; left in front, they keep the cases out that the filter (section 3.6) would keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmedrag.types import Assertion, Case, Evidence, Mention, Question


@dataclass(frozen=True, slots=True)
class ContradictedLast:
    """Moves cases behind that affirm what the question rules out, or rule out what it affirms.

    Both parts keep their order; nothing is dropped.
    """

    def rerank(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        """First what does not contradict the question, then what does."""
        affirmed, negated = _stated(question.mentions)
        if not affirmed and not negated:
            return list(evidence)
        return sorted(evidence, key=lambda e: _contradicts(e, affirmed, negated))


def _contradicts(e: Evidence, affirmed: set[str], negated: set[str]) -> bool:
    if not isinstance(e.item, Case):
        return False
    yes, no = _stated(e.mentions)
    return bool(negated & yes or affirmed & (no - yes))


def _stated(mentions: Iterable[Mention]) -> tuple[set[str], set[str]]:
    by: dict[Assertion, set[str]] = {Assertion.AFFIRMED: set(), Assertion.NEGATED: set()}
    for m in mentions:
        if m.assertion in by:
            by[m.assertion].add(m.concept)
    return by[Assertion.AFFIRMED], by[Assertion.NEGATED]
