"""BM25 of the casebase (section 3.4) over texts in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.lexical import Lexicon
from mmedrag.casebase.stems import Stemmer, prepare


def bm25(queries: Sequence[str], texts: Sequence[str]) -> NDArray[np.float64]:
    """BM25 of every text for every query, ``(len(queries), len(texts))``; 0 without a match.

    Word frequencies are those of ``texts``.
    """
    scores = np.zeros((len(queries), len(texts)))
    alive = np.ones(len(texts), np.bool_)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        prepare(connection)
        lexicon = Lexicon(None, lambda _: None, Stemmer(connection), 0)
        lexicon.add(texts)
        for row, query in enumerate(queries):
            positions, weights = lexicon.match(query, alive)
            scores[row, positions] = weights
    return scores
