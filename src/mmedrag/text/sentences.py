"""Sentences of clinical text: wrapped lines, headings, bullets, abbreviations with full stops."""

from __future__ import annotations

import re
from itertools import pairwise

_ABBREVIATION = re.compile(
    r"(?:\b(?:drs?|mr|mrs|ms|prof|st|figs?|no|nos|vs|approx|ca|cf|e\.g|i\.e|eg|ie|etc|incl|resp"
    r"|dept|pt|hx|dx|tx|rx|sx|inf|sup|ant|post|lat|temp|resid|a\.[mp]|p\.[am]|h|s|var|sp|spp|al|max"
    r"|min|neg|pos|poss|prob|susp|bilat|fam|dra?|sra?|ej|aprox|dcha|izda|esq|dir)"
    r"|(?:^|[\s(])[A-Za-z])\.$",
    re.IGNORECASE,
)
# Possessive, and never begun within a run of stops: linear in whatever it is given.
_FULL_STOP = re.compile(
    r"(?<![.!?])[.!?]++[\"'”’)\]]*+(?=\s|$)"  # followed by space
    r"|(?<=[a-z)])[.!?](?=[A-Z][a-z])"  # or a missing space: "effusion.The heart"
)
_ANSWER = re.compile(
    r" ?(?:no|none|yes|negative|absent|nil|not (?:seen|identified|present|visible))"
    r"(?=[ \t]*(?:[.;,\n]|$))",
    re.IGNORECASE,
)
"""A word that answers the question before it: "Effusion? No." is one statement."""
_BLANK_OR_BULLET = re.compile(r"\n(?=[ \t]*+(?:\n|[-*•·>]|\(?\d{1,2}[.)]\s|$))")
_LINE = re.compile(r"\n(?=[ \t]*+[A-Z0-9À-Þ])")
_WRAPPED = 50
"""A line at least this long that ends without a full stop is taken to run on in the next one."""


def spans(text: str) -> list[tuple[int, int]]:
    """Start and end of every sentence; together they cover ``text`` without gap or overlap."""
    cuts = {0, len(text)}
    cuts.update(m.end() for m in _FULL_STOP.finditer(text) if _ends_sentence(text, m))
    cuts.update(m.end() for m in _BLANK_OR_BULLET.finditer(text))
    cuts.update(m.end() for m in _LINE.finditer(text) if not _runs_on(text, m.start()))
    return list(pairwise(sorted(cuts)))


def sentences(text: str) -> list[str]:
    """The sentences that hold a letter or a digit, without the white space around them."""
    stripped = [text[start:end].strip() for start, end in spans(text)]
    return [sentence for sentence in stripped if any(c.isalnum() for c in sentence)]


def _ends_sentence(text: str, stop: re.Match[str]) -> bool:
    before, after = (
        text[max(0, stop.start() - 8) : stop.start() + 1],
        text[stop.end() : stop.end() + 2],
    )
    if stop[0].startswith("?"):
        hedges = stop.start() == 0 or text[stop.start() - 1].isspace()  # "? pneumonia"
        return not hedges and not _ANSWER.match(text, stop.end())
    if before[-2:-1].isspace() and stop[0] == ".":
        return True
    if _ABBREVIATION.search(before):
        return before.lower().endswith((" no.", "\nno.")) and not after.strip()[:1].isdigit()
    return True


def _runs_on(text: str, newline: int) -> bool:
    line = text[text.rfind("\n", 0, newline) + 1 : newline].rstrip()
    return len(line) >= _WRAPPED and not line.endswith((".", ":", ";", "!", "?"))
