"""BM25 over the reports, by PostgreSQL's inverted index of their stems (text queries)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedrag.backends.postgres.nearest import Scope
from mmedrag.backends.postgres.sessions import Connection
from mmedrag.casebase.exact import Rows
from mmedrag.casebase.lexical import K1, POSTINGS, B

_SCORED = """
SELECT cases.row, sum(asked.rarity * often * {k1} / (often + {k} * ({short} + {b} * length / %s)))
FROM cases
CROSS JOIN LATERAL unnest(cases.stems) AS held
CROSS JOIN LATERAL (SELECT cardinality(held.positions)::float8) AS times (often)
JOIN unnest(%s::text[], %s::float8[]) AS asked (stem, rarity) ON asked.stem = held.lexeme
WHERE cases.stems @@ %s::tsquery AND {condition}
GROUP BY cases.row
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """The stems of a question that are scored, and what is known of the reports.

    ``rarities`` are their inverse document frequencies, ``average`` the words of a report.
    """

    stems: tuple[str, ...]
    rarities: tuple[float, ...]
    average: float

    @classmethod
    def of(cls, connection: Connection, stems: list[str]) -> Asked:
        """What of some stems the reports hold, from the rarest on; see :data:`POSTINGS`."""
        state = connection.execute("SELECT cases, words FROM state").fetchone()
        assert state is not None
        cases, words = int(state[0]), int(state[1])
        held = connection.execute(
            "SELECT cases, stem FROM lexicon WHERE stem = ANY(%s)",
            [list(dict.fromkeys(stems))],
        )
        chosen: list[tuple[int, str]] = []
        spent = 0
        for frequency, stem in sorted((int(n), str(stem)) for n, stem in held):
            if not chosen or spent + frequency <= POSTINGS:
                chosen.append((frequency, stem))
                spent += frequency
        rarities = [max(float(np.log((cases - n + 0.5) / (n + 0.5))), 1e-6) for n, _ in chosen]
        average = max(words / max(cases, 1), 1e-9)
        return cls(tuple(stem for _, stem in chosen), tuple(rarities), average)

    def best(self, connection: Connection, scope: Scope, k: int) -> Rows:
        """The ``k`` reports with the highest scores, ties by row."""
        text, values = self._scored(*scope.condition())
        found = connection.execute(
            f"{text} ORDER BY 2 DESC, 1 LIMIT %s",
            [*values, k],
        )
        return np.array([row[0] for row in found], np.int64)

    def scores(self, connection: Connection, rows: Rows) -> NDArray[np.float64]:
        """BM25 of some rows, ascending; 0 where none of the stems is held."""
        text, values = self._scored("cases.row = ANY(%s)", [rows.tolist()])
        scores = np.zeros(len(rows))
        for row, score in connection.execute(text, values):
            scores[np.searchsorted(rows, row)] = score
        return scores

    def _scored(self, condition: str, values: list[object]) -> tuple[str, list[object]]:
        text = _SCORED.format(k1=K1 + 1, k=K1, short=1 - B, b=B, condition=condition)
        query = " | ".join(f"'{stem}'" for stem in self.stems)
        return text, [self.average, list(self.stems), list(self.rarities), query, *values]
