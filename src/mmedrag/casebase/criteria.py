"""Cases by what their reports affirm and rule out: the concept channel (section 3.4, stage 1)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.exact import Rows
from mmedrag.types import Assertion, Criterion

_ROWS = (
    "SELECT DISTINCT mentions.row FROM mentions JOIN terms ON terms.number = mentions.term "
    "WHERE mentions.assertion = ? AND terms.concept IN ({marks}) ORDER BY mentions.row"
)


def match(
    connection: sqlite3.Connection, criteria: Sequence[Criterion]
) -> tuple[Rows, NDArray[np.float64]]:
    """Rows that speak to any criterion, ascending, and how far they meet all of them.

    A report that affirms any of a criterion's concepts affirms it; one that negates any and affirms
    none rules it out. Each criterion counts 1 where it is met, -1 where the report says the
    opposite and 0 where it is silent.

    Returns:
        Rows ``(n,)`` and scores ``(n,)`` in [-1, 1]: half the mean over the criteria, and another
        half where all of them are met, so that no case that meets a few comes near one that
        meets all.
    """
    stated = [(c.assertion, *_stating(connection, c)) for c in criteria]
    empty = np.empty(0, np.int64)
    rows = np.unique(np.concatenate([empty, *(r for _, *both in stated for r in both)]))
    total = np.zeros(len(rows))
    for assertion, affirming, negating in stated:
        sign = 1.0 if assertion is Assertion.AFFIRMED else -1.0
        total += sign * np.isin(rows, affirming)
        total -= sign * np.isin(rows, np.setdiff1d(negating, affirming))
    everything = total == len(criteria)
    return rows, 0.5 * total / max(len(criteria), 1) + 0.5 * everything


def _stating(connection: sqlite3.Connection, criterion: Criterion) -> tuple[Rows, Rows]:
    """Rows that affirm any of its concepts, and rows that negate any."""
    sql = _ROWS.format(marks=", ".join("?" * len(criterion.concepts)))
    affirming, negating = (
        np.fromiter(
            (row for (row,) in connection.execute(sql, [assertion.value, *criterion.concepts])),
            np.int64,
        )
        for assertion in (Assertion.AFFIRMED, Assertion.NEGATED)
    )
    return affirming, negating
