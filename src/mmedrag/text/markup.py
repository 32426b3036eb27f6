r"""Markup around marks: bold, escapes, footnotes and superscripts of Markdown, HTML and TeX.

``**[C1]**``, ``\[C1\]``, ``[^C1]``, ``<sup>[C1]</sup>`` and ``&#91;C1&#93;`` are
written plainly as ``[C1]``, and a number raised after a word (``nodule¹``, ``nodule<sup>1</sup>``)
as ``[1]``, before marks are read. Exponents (``cm²``, ``10⁹``) stay.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from mmedrag.text.reasoning import RETRACTED

_OPENING = (
    "\\[",
    "**[",
    "__[",
    "^[",
    "[^",
    "<sup>[",
    "&#91;",
    "&lsqb;",
    "&lbrack;",
    "&#x5b;",
)
_CLOSING = ("\\]", "]**", "]__", "]^", "]</sup>", "&#93;", "&rsqb;", "&rbrack;", "&#x5d;")
_PLAIN = dict.fromkeys(_OPENING, "[") | dict.fromkeys(_CLOSING, "]")
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_WORD = rf"(?<=[^\W\d_{_RAISED}]{{3}})"
_NUMBERS = r"\d{1,3}(?:[,;\s–-]{1,3}\d{1,3}){0,10}"


def _beginnings(patterns: Iterable[str]) -> str:
    """A pattern of every proper beginning of these."""
    cut = {pattern[:n] for pattern in patterns for n in range(1, len(pattern))}
    return "|".join(map(re.escape, sorted(cut, key=len, reverse=True)))


_MARKUP = re.compile(
    rf"(?P<raised>{_WORD}[{_RAISED}]+(?=[^{_RAISED}]))"
    rf"|{_WORD}<sup>\s?(?P<numbers>{_NUMBERS})\s?</sup>"
    rf"|(?P<written>{'|'.join(map(re.escape, _PLAIN))})"
    rf"|(?P<held>(?:{_WORD}[{_RAISED}]+|{_WORD}<sup>[\d,;\s–-]{{0,60}}(?:</?s?u?p?)?"
    rf"|{_beginnings(_PLAIN)})\Z)",
    re.IGNORECASE,
)
_FOOTNOTE = re.compile(
    rf"(?P<raised>{_WORD}[{_RAISED}]+)|{_WORD}<sup>\s?(?P<numbers>{_NUMBERS})\s?</sup>",
    re.IGNORECASE,
)
_LOOKS_BACK = 3  # letters, of the word that a number is raised after


def plainly(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces of a text with its marks written plainly; how it is cut makes no difference."""
    before = rest = ""
    for piece in pieces:
        if piece == RETRACTED:
            before = rest = ""
            yield piece
            continue
        text, rest = _read(before, rest + piece)
        before = (before + text)[-_LOOKS_BACK:]
        if text:
            yield text
    text, rest = _read(before, rest + "\n")
    last = (text + rest)[:-1]
    if last:
        yield last


def _read(before: str, text: str) -> tuple[str, str]:
    """What ``text`` says plainly, and the end of it that more text may make markup."""
    whole, at, done = before + text, len(before), []
    for match in _MARKUP.finditer(whole, at):
        done.append(whole[at : match.start()])
        if match["held"] is not None:
            return "".join(done), whole[match.start() :]
        done.append(_plain(match))
        at = match.end()
    return "".join([*done, whole[at:]]), ""


def _plain(match: re.Match[str]) -> str:
    if match["written"]:
        return _PLAIN[match["written"].lower()]
    return f"[{_number(match)}]"


def without_footnotes(text: str) -> str:
    """The text with the footnotes of its words in parentheses, which are no marks."""
    return _FOOTNOTE.sub(lambda match: f"({_number(match)})", text)


def _number(match: re.Match[str]) -> str:
    return match["numbers"] or unicodedata.normalize("NFKC", match["raised"])
