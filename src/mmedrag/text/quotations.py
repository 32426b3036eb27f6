"""Words of a report, cleaned so that they may stand within a sentence of an answer."""

from __future__ import annotations

import re
import unicodedata

from mmedrag.text.citation_markers import without_brackets
from mmedrag.text.markup import without_footnotes

_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x85\x0b\x0c]")
_SPACES = re.compile(r"[^\S\n]+")
_NEXT_SENTENCE = re.compile(r"(?<=[\w)][\w)][\w)])[.!?]++(?=\s+[A-Z])")
"""What is said in one sentence is not denied by the next: "Abscess. Negative cultures."."""
_LONGEST = 80
"""Characters of a name within a sentence."""


def clean(text: str) -> str:
    r"""The text without control, bidirectional, zero-width and private-use characters.

    Line ends become ``\n``, other runs of white space one space.
    """
    text = _SPACES.sub(" ", _LINE_ENDS.sub("\n", text))
    seen = "".join(c for c in text if c == "\n" or unicodedata.category(c)[0] != "C")
    # blanks on both sides of an invisible character are one run now
    return _SPACES.sub(" ", seen).strip()


def quotable(text: str) -> str:
    """Cleaned, and without what has a meaning in answers: brackets, footnotes, quotes, lines."""
    flat = " ".join(clean(text).split())
    return without_brackets(without_footnotes(flat)).translate(str.maketrans('“”"', "‘’'"))


def label(text: str) -> str:
    """A name to stand within a sentence: quotable, its sentences divided by ";", not long."""
    name = quotable(text)
    if len(name) > _LONGEST:
        name = name[: _LONGEST - 2].rsplit(" ", 1)[0].rstrip(" ,;:(") + " …"
    several = _NEXT_SENTENCE.sub(";", name)
    return re.sub(r"[.!?]++(?=\s|$)", "", several).strip()
