"""Characters not meant to be read: soft hyphens, zero-width spaces, words broken by a line.

Files from word processors, PDF and web pages are full of them, and each hides a word from a reader
that compares characters. A :class:`Reading` is the text without them, and knows where each of its
characters stood.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
)
"""Soft hyphen, joiners, zero-width spaces, marks of direction: ranges of a character class."""

_STRAY = re.compile(
    # a word broken over a line; "well-\ndefined" keeps its hyphen and loses its line end
    rf"(?<=[^\W\d_])[{INVISIBLE}]*[-\u2010\u00ad][ \t]*\r?\n[ \t]*(?=[a-zà-ÿ])"
    rf"|[{INVISIBLE}]+"
)
_COMPOUND = re.compile(
    r"(?:^|[^\w])(?:air|all|cross|follow|full|ground|half|high|ill|left|long|low|mid|right|self|short|small"
    r"|soft|tree|two|well|wet)$",
    re.IGNORECASE,
)
"""What may stand before a hyphen of its own."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as it is read; ``origin[i]`` is where its character ``i`` stood (empty: there)."""

    text: str
    origin: Sequence[int] = ()

    @classmethod
    def of(cls, text: str) -> Reading:
        """Read ``text``: composed letters (NFC), nothing invisible, broken words joined."""
        composed = text.isascii() or unicodedata.is_normalized("NFC", text)
        if composed and not _STRAY.search(text):
            return cls(text)
        kept: list[str] = []
        origin: list[int] = []
        for start, end in _visible(text):
            for at, piece in _composed(text, start, end):
                kept.append(piece)
                origin.append(at)
        return cls("".join(kept), [*origin, len(text)])

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Characters ``start`` to ``end`` of the reading, in the text as it was."""
        if not self.origin:
            return start, end
        return self.origin[start], _after(self.origin, end)


def _after(origin: Sequence[int], end: int) -> int:
    """Where the last character before ``end`` ended: invisible ones after it are not its own."""
    return origin[end - 1] + 1 if end and origin[end] > origin[end - 1] + 1 else origin[end]


def _visible(text: str) -> Iterator[tuple[int, int]]:
    """The stretches of ``text`` between its stray characters."""
    at = 0
    for stray in _STRAY.finditer(text):
        end = stray.start()
        if text[end] in "-\u2010" and _COMPOUND.search(text, max(0, end - 8), end):
            end += 1
        yield at, end
        at = stray.end()
    yield at, len(text)


def _composed(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    """Each letter, one with the marks that belong to it, and where it stood."""
    at = start
    while at < end:
        stop = at + 1
        while stop < end and unicodedata.combining(text[stop]):
            stop += 1
        piece = unicodedata.normalize("NFC", text[at:stop])
        yield at, piece[0]
        yield from zip(range(stop - len(piece) + 1, stop), piece[1:], strict=True)
        at = stop


def plain(text: str) -> str:
    """``text`` in lower case and without accents."""
    lowered = text.lower()
    if lowered.isascii():
        return lowered
    letters = unicodedata.normalize("NFKD", lowered)
    return "".join(c for c in letters if not unicodedata.combining(c))
