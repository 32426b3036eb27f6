"""How many reports state each concept: what a casebase is about (section 3.4, entity set E)."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

from mmedrag.types import Facet, Kind

_FACETS = """
WITH stated AS (
    SELECT mentions.row, terms.concept, terms.term, terms.kind,
           max(assertion = 'affirmed') AS affirmed,
           max(assertion = 'negated') AS negated,
           max(assertion = 'uncertain') AS uncertain
    FROM mentions JOIN terms ON terms.number = mentions.term
    WHERE terms.kind IN ({kinds}) AND mentions.row IN (SELECT row FROM cases WHERE {condition})
    GROUP BY mentions.row, terms.concept)
SELECT concept, min(term), kind, sum(affirmed),
       sum(negated AND NOT affirmed), sum(uncertain AND NOT affirmed AND NOT negated)
FROM stated GROUP BY concept ORDER BY sum(affirmed) DESC, count(*) DESC, min(term) LIMIT ?
"""


def facets(
    connection: sqlite3.Connection,
    condition: str,
    values: Sequence[object],
    kinds: Collection[Kind],
    limit: int,
) -> list[Facet]:
    """The concepts that the most reports affirm.

    Args:
        connection: to the database.
        condition: on the table ``cases``; its parameters are ``values``.
        values: of the condition.
        kinds: of concepts that are counted.
        limit: how many, at most.
    """
    listed = ", ".join(f"'{kind.value}'" for kind in sorted(kinds))
    sql = _FACETS.format(kinds=listed, condition=condition)
    rows = connection.execute(sql, [*values, max(0, limit)])
    return [
        Facet(concept, term, Kind(kind), affirmed, negated, uncertain)
        for concept, term, kind, affirmed, negated, uncertain in rows
    ]
