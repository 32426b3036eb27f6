"""BM25 of the casebase (section 3.4) over texts in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.lexical import Lexicon, prepare

_TABLE = (  # as in the casebase's schema
    "CREATE VIRTUAL TABLE lexicon USING fts5"
    " (text, tokenize='porter unicode61 remove_diacritics 2')"
)


def bm25(queries: Sequence[str], texts: Sequence[str]) -> NDArray[np.float64]:
    """BM25 of every text for every query, ``(len(queries), len(texts))``; 0 without a match.

    Word frequencies are those of ``texts``.
    """
    scores = np.zeros((len(queries), len(texts)))
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(_TABLE)
        numbered = enumerate(texts, start=1)  # Lexicon knows row numbers from 1
        connection.executemany("INSERT INTO lexicon (rowid, text) VALUES (?, ?)", numbered)
        prepare(connection)
        lexicon = Lexicon(connection)
        for row, query in enumerate(queries):
            rows, weights = lexicon.match(query, epoch=0)
            scores[row, rows - 1] = weights
    return scores
