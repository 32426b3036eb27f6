"""What a report or a question says of findings, as sets: by it contexts are right or wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmedrag.protocols import Ontology
from mmedrag.text.laterality import sides_of_findings
from mmedrag.types import Assertion, Kind, Mention

_SOUGHT = (Kind.FINDING, Kind.DISEASE, Kind.SYMPTOM)


@dataclass(frozen=True, slots=True)
class Statements:
    """Findings by what a text says of them; ``wide`` are the affirmed ones and all above them."""

    findings: frozenset[str]
    wide: frozenset[str]
    negated: frozenset[str]
    questioned: frozenset[str]
    regions: frozenset[str]
    sides: Mapping[str, frozenset[str]]
    is_normal: bool

    @classmethod
    def of(cls, text: str, mentions: Sequence[Mention], ontology: Ontology) -> Statements:
        """What a text says."""
        by = {
            assertion: frozenset(
                m.concept for m in mentions if m.assertion is assertion and m.kind in _SOUGHT
            )
            for assertion in Assertion
        }
        affirmed = by[Assertion.AFFIRMED]
        wide = affirmed.union(*map(ontology.ancestors, affirmed))
        normal = any(m.kind is Kind.NORMAL and m.assertion is Assertion.AFFIRMED for m in mentions)
        return cls(
            findings=affirmed,
            wide=wide,
            negated=by[Assertion.NEGATED] - wide,
            questioned=by[Assertion.INTERROGATIVE],
            regions=frozenset(r for c in affirmed if (r := ontology.region(c))),
            sides=sides_of_findings(text, mentions),
            is_normal=normal and not affirmed,
        )


def on_other_side(query: Statements, record: Statements) -> bool:
    """Whether a finding of both is on other sides in them."""
    both = query.sides.keys() & record.sides.keys()
    return any(query.sides[c].isdisjoint(record.sides[c]) for c in both)
