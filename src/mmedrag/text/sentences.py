"""Sentences of clinical text: wrapped lines, headings, bullets, abbreviations with full stops."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
_SENTENCE_CASE = re.compile(r"[ \t]*+[A-ZÀ-Þ][a-zß-ÿ]+(?:[ \t]+[a-zß-ÿ(\d]|\s*$)")
_WRAPPED = 50
"""A line at least this long that ends without a full stop is taken to run on in the next one, if
there are full stops in its paragraph at all: a paragraph without any is a list of lines."""

_NARROWEST = 40
"""Nobody wraps lines of prose at fewer letters than that."""

_LAST_WORD = 60
"""Letters of a line in which its last word is looked for."""

_FILLED = 4
"""So many lines that are all filled to one width are no list."""

_PARAGRAPH = re.compile(r"(?:[ \t\r]*+\S[^\n]*+(?:\n|\Z))++")
_STOPPED = re.compile(r"[^\s.!?][.!?;][\"'”’)\]]*+\s*+$", re.MULTILINE)
_INNER_STOP = re.compile(r"\w\w\w[.!?;] ")
_OPEN_END = re.compile(
    r"(?:[,:/(\-–]"
    r"|\b(?:the|an?|this|that|these|those|its?|any|some|no|not|without|with|and|or|nor|but|of|in|on|at"
    r"|to|for|from|by|into|as|than|is|are|was|were|be|been|has|have|had|may|could|can|cannot|likely"
    r"|possibly|probably|very|more|less|most|new|old|large|small|tiny|mild|moderate|severe|subtle"
    r"|gross|acute|chronic|left|right|upper|lower|middle|both|soft|free|lung|chest|bone|airspace|air"
    r"|el|la|los|las|un[ao]?s?|del?|al|en|con|sin|y|e|o|u|ni|por|para|que|es|son|no|se|su|hay|os|as"
    r"|um|uma|d[aeo]s?|n[ao]s?|em|com|sem|ou|nem|são|há)"
    r"|enhancing|increasing|decreasing|worsening|remaining|underlying|overlying|surrounding"
    r"|\b(?!(?:ab)?normal\b|hospital\b|removal\b|interval\b|canal\b|scar\b|stent\b|negative\b"
    r"|positive\b)\w{2,}(?:al|ar|ary|ic|ous|ive|ed|ant|(?<!m)ent))\Z",
    re.IGNORECASE,
)
"""A line that ends so has more to come: a comma, a word that needs another, an adjective."""

_CONTINUES = re.compile(
    r"[ \t]*+(?:[(,;:)]|(?:and|or|nor|but|with|without|of|in|on|at|to|for|from|by|into|as|than|then"
    r"|is|are|was|were|be|been|being|has|have|had|may|might|could|can|which|that|who|where|when|while"
    r"|due|seen|noted|identified|present|visible|visuali[sz]ed|demonstrated|suggest\w*|consistent"
    r"|compatible|indicat\w+|measuring|involving|extending|predominantly|bilaterally|again|also|not"
    r"|y|e|o|u|ni|de|del|en|con|sin|por|para|que|es|son|ou|nem|d[aeo]s?|n[ao]s?|em|com|sem|são)\b)",
    re.IGNORECASE,
)
"""A line that begins so continues the one before."""


def spans(text: str) -> list[tuple[int, int]]:
    """Start and end of every sentence; together they cover ``text`` without gap or overlap."""
    cuts = {0, len(text)}
    cuts.update(m.end() for m in _FULL_STOP.finditer(text) if _ends_sentence(text, m))
    cuts.update(m.end() for m in _BLANK_OR_BULLET.finditer(text))
    cuts.update(m.end() for m in _LINE.finditer(text) if not _runs_on(text, m.start()))
    if "\n" in text:
        cuts.update(_listed(text))
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


def _listed(text: str) -> Iterator[int]:
    """Where lines begin that no mark sets apart, but that the line before would have had room for.

    In a paragraph without full stops, where a list is likelier than prose, lines of one width are
    apart too, unless the first wants more or the second goes on with it.
    """
    for paragraph in _PARAGRAPH.finditer(text):
        lines = paragraph[0].removesuffix("\n").split("\n")
        width = max(len(line.rstrip()) for line in lines)
        prose = _is_prose(paragraph[0], lines, width)
        room = width if prose else max(width, _NARROWEST)
        at = paragraph.start()
        for line, following in pairwise(lines):
            at += len(line) + 1
            if _OPEN_END.search(line.rstrip()[-_LAST_WORD:]) or _CONTINUES.match(following):
                continue
            if _fits(line, following, room) or (not prose and _SENTENCE_CASE.match(following)):
                yield at


def _is_prose(paragraph: str, lines: Sequence[str], width: int) -> bool:
    """Whether a paragraph has full stops, or lines that are all filled."""
    if _STOPPED.search(paragraph) or _INNER_STOP.search(paragraph):
        return True
    filled = not any(_fits(line, following, width) for line, following in pairwise(lines))
    return filled and len(lines) >= _FILLED


def _fits(line: str, following: str, width: int) -> bool:
    """Whether the first word of a line would have had room on the line before."""
    return len(line.rstrip()) + 1 + len(following.split(maxsplit=1)[0]) <= width
