"""How many reports state each concept: what a casebase is about (section 3.4, entity set E)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from mmedrag.casebase.exact import Mask, Positions
from mmedrag.casebase.mentions import StoredTerm
from mmedrag.casebase.statements import PositionStatements
from mmedrag.measures.row_sets import without
from mmedrag.types import Assertion, Facet, Kind

_SAID = Assertion.AFFIRMED, Assertion.NEGATED, Assertion.UNCERTAIN


def facets(
    statements: PositionStatements, terms: Iterable[StoredTerm], counted: Mask, limit: int
) -> list[Facet]:
    """The concepts that the most reports affirm.

    Args:
        statements: what reports say.
        terms: whose concepts are counted.
        counted: which cases are, by position.
        limit: how many concepts, at most.
    """
    of_concept = defaultdict[str, list[tuple[str, str, int]]](list)
    for number, concept, term, kind in terms:
        of_concept[concept].append((term, kind, number))
    found = []
    for concept, own in of_concept.items():
        mentioned = _mentioned(statements, own, counted)
        if mentioned:
            facet = _facet(statements, concept, own, counted)
            found.append((-facet.affirmed, -mentioned, facet.term, concept, facet))
    return [facet for *_, facet in sorted(found, key=lambda f: f[:4])[: max(0, limit)]]


def _facet(
    statements: PositionStatements,
    concept: str,
    own: Sequence[tuple[str, str, int]],
    counted: Mask,
) -> Facet:
    """A report counts once, by what it says most strongly of any term of the concept."""

    def inside(positions: Positions) -> Positions:
        return positions[counted[positions]]

    numbers = [number for *_, number in own]
    yes, no, unsure = (inside(statements.stating(said, numbers)) for said in _SAID)
    term, kind = next(
        (term, kind)
        for term, kind, number in sorted(own)
        if _mentioned(statements, [(term, kind, number)], counted)
    )
    return Facet(
        concept,
        term,
        Kind(kind),
        len(yes),
        len(without(no, yes)),
        len(without(without(unsure, yes), no)),
    )


def _mentioned(
    statements: PositionStatements, own: Sequence[tuple[str, str, int]], counted: Mask
) -> int:
    """How many reports mention any of the terms, whatever they say of it."""
    return int(counted[statements.mentioning([number for *_, number in own])].sum())
