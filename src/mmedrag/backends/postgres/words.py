"""BM25 over the reports, by PostgreSQL's inverted index of their stems (text queries)."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from operator import neg

import numpy as np
from numpy.typing import NDArray

from mmedrag.backends.postgres.nearest import Scope
from mmedrag.backends.postgres.sessions import Connection
from mmedrag.casebase.exact import Rows
from mmedrag.casebase.lexical import K1, POSTINGS, B

_OFTEN = 255  # positions of one lexeme that a tsvector keeps
_SQUARES = np.cumsum(1.0 / np.arange(1, _OFTEN + 1) ** 2) / 1.64493406685
"""``ts_rank`` of a report that holds the only word of a query once, twice, … with weights of 1."""

_BETWEEN = [_SQUARES[0] / 2, *((_SQUARES[1:] + _SQUARES[:-1]) / 2)]
"""Ranks between these tell how often; reading the positions of a ``tsvector`` would be slow."""

_OCCURS = "width_bucket(ts_rank('{1,1,1,1}', cases.stems, %s::tsquery)::float8, asked.between)"


@dataclass(frozen=True, slots=True)
class LexicalQuery:
    """The stems of a question that are scored, and what is known of the reports.

    ``rarities`` are their inverse document frequencies, ``average`` the words of a report.
    """

    stems: tuple[str, ...]
    rarities: tuple[float, ...]
    average: float

    @classmethod
    def of(cls, connection: Connection, stems: list[str]) -> LexicalQuery:
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

    def best(self, connection: Connection, scope: Scope, k: int) -> tuple[Rows, Rows]:
        """The reports with the ``k`` highest scores: those above the last, and all that have it."""
        text, values = self._scored(*scope.condition())
        found = connection.execute(
            f"{text} ORDER BY 2 DESC FETCH FIRST %s ROWS WITH TIES",
            [*values, k],
        ).fetchall()
        scores = [row[1] for row in found]
        better = bisect_left(scores, -scores[-1], key=neg) if scores else 0
        rows = np.array([row[0] for row in found], np.int64)
        return rows[:better], rows[better:]

    def scores(self, connection: Connection, rows: Rows) -> NDArray[np.float64]:
        """BM25 of some rows, ascending; 0 where none of the stems is held."""
        text, values = self._scored("cases.row = ANY(%s)", [rows.tolist()])
        scores = np.zeros(len(rows))
        for row, score in connection.execute(text, values):
            scores[np.searchsorted(rows, row)] = score
        return scores

    def _scored(self, condition: str, values: list[object]) -> tuple[str, list[object]]:
        """``tf (k1 + 1) / (tf + norm)``, written so that ``tf`` is asked for once a word."""
        word = f"%s * (1 - asked.norm / ({_OCCURS} + asked.norm))"
        text = (
            f"SELECT cases.row, {K1 + 1} * ({' + '.join([word] * len(self.stems))}) "  # noqa: S608
            "FROM cases CROSS JOIN LATERAL (SELECT %s::float8[] AS between, "
            f"{K1} * ({1 - B} + {B} * cases.length / %s) AS norm) AS asked "
            f"WHERE cases.stems @@ %s::tsquery AND {condition}"
        )
        quoted = [f"'{stem}'" for stem in self.stems]
        weights = [value for pair in zip(self.rarities, quoted, strict=True) for value in pair]
        query = " | ".join(quoted)
        return text, [*weights, _BETWEEN, self.average, query, *values]
