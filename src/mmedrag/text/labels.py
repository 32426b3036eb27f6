"""Texts as short as a label: "normal fundus" names a finding, and many patients share it."""

from __future__ import annotations

import re

LABEL_WORDS = 8
"""Up to so many words a text is a label or a list of keywords, and no report."""

_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text (letters and digits count), whatever their case and what is between."""
    return tuple(_WORD.findall(text.casefold()))


def is_label(text: str) -> bool:
    """Whether a text has words, and at most :data:`LABEL_WORDS`."""
    return 0 < len(words_of(text)) <= LABEL_WORDS
