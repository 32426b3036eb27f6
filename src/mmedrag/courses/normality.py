"""What a study calls normal, where the one before it affirms a finding there.

"Normal chest radiograph." after a consolidation names no finding, so no change of one is read from
it; it is quoted.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmedrag.courses.body_parts import WHOLES, body_parts_of
from mmedrag.courses.studies import Study, state_of
from mmedrag.protocols import Ontology
from mmedrag.types import Assertion, Evidence, Kind, Mention

_A = Assertion.AFFIRMED


def normal_now(
    previous: Study, study: Study, ontology: Ontology
) -> Iterator[tuple[Evidence, Mention]]:
    """The mentions by which a study calls normal where ``previous`` affirms what it does not name.

    A whole part of the body is normal only where the study affirms no finding at all.
    """
    gone = [
        ontology.region(concept)
        for concept, state in previous.states.items()
        if state is _A and state_of(study, concept, ontology) is None
    ]
    is_clear = _A not in study.states.values()
    for evidence in study.evidence:
        for mention in evidence.mentions:
            if mention.kind is Kind.NORMAL and mention.assertion is _A:
                region = ontology.region(mention.concept)
                whole = is_clear and _is_of_all(region, gone, ontology)
                if whole or (region and region in gone):
                    yield evidence, mention


def _is_of_all(region: str, gone: list[str], ontology: Ontology) -> bool:
    """Whether a region is the whole of an examination that shows one of the others."""
    if not gone or not region:
        return bool(gone)
    name = ontology.name(region)
    parts = body_parts_of([name])
    return name in WHOLES and any(parts & body_parts_of([ontology.name(r)]) for r in gone)
