"""Which words the reports of a casebase use: what a misspelt question may have meant."""

from __future__ import annotations

import re
from functools import cache

from symspellpy.editdistance import DistanceAlgorithm, EditDistance

from mmedrag.casebase.database import Database
from mmedrag.casebase.snapshot import Snapshot

COMMON = 3
"""Reports in which a word must stand to be what somebody meant to write."""

MISTAKES = 2
"""Letters by which a word may differ from what was meant (Damerau-Levenshtein distance)."""

_WORD = re.compile(r"[^\W\d_]+")


def frequency(snapshot: Snapshot, word: str) -> int:
    """The number of reports that use a word in any of its inflections."""
    stem = snapshot.stem(word) if _WORD.fullmatch(word) else ""
    return snapshot.frequency(stem) if stem else 0


def similar(database: Database, snapshot: Snapshot, word: str) -> dict[str, int]:
    """Words of at least COMMON reports that differ from ``word`` in few letters, and in how many.

    They begin with the same letter, so that a small part of the index is read.
    """
    stem = snapshot.stem(word)
    if not stem or not stem[0].isalpha():
        return {}
    words: dict[str, int] = {}
    for near in sorted(snapshot.stems(database, stem[0])):
        alike = abs(len(near) - len(stem)) <= MISTAKES and distance(stem, near) >= 0
        if alike and snapshot.frequency(near) >= COMMON:
            words |= written(database.text(int(snapshot.first_using(near)[0])), word)
    return words


def distance(one: str, other: str) -> int:
    """In how many letters two words differ; -1 where in more than MISTAKES."""
    return int(_distances().compare(one, other, MISTAKES))


def written(text: str, word: str) -> dict[str, int]:
    """The words of a report that are nearest to ``word``."""
    words = {w.lower() for w in _WORD.findall(text)}
    apart = {w: d for w in words if w[0] == word[0] and (d := distance(word, w)) >= 0}
    return {w: d for w, d in apart.items() if d == min(apart.values())}


@cache
def _distances() -> EditDistance:
    return EditDistance(DistanceAlgorithm.DAMERAU_OSA)
