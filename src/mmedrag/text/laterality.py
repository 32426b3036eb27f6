"""Sides of the body: which ones a text names, and which one it gives to each finding.

Answers say where a case has a finding on the other side, the reward model sees it as a conflict,
and training turns sides round; all three read sides here.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from mmedrag.text import sentences
from mmedrag.types import Assertion, Mention

LEFT, RIGHT = "left", "right"

Sides = frozenset[str]
NEITHER: Sides = frozenset()

_WORD = (
    r"(?P<left>left(?!\s+(?:over|behind|alone|untreated|against|the\s+(?:hospital|clinic)))"
    r"|izquierd[oa]s?|esquerd[oa]s?)"
    r"|(?P<right>right(?!\s+(?:now|away|angles?|after|before))|derech[oa]s?|direit[oa]s?)"
    r"|(?P<both>bilateral(?:ly|mente|es)?|bilaterais"
    # "both drusen and atrophy" are two findings
    r"|(?:both|amb[oa]s)(?!\s+(?!(?:of\s+)?(?:the\s+|os\s+|as\s+|los\s+|las\s+)?"
    r"(?:eyes|lungs|sides|kidneys|breasts|hands|feet|knees|hips|ears|legs|arms|lobes|bases|ojos"
    r"|olhos|pulm\w+|lados|ri[ñn]ones|rins|mamas)\b)(?:[\w-]+\s+){1,4}(?:and|y|e)\b))"
)
_SIGN = (
    r"(?P<os>OS|OI|OE|LUL|LLL|LUQ|LLQ|Lt|(?<!&)lt)|(?P<od>OD|RUL|RML|RLL|RUQ|RLQ|Rt|rt)"
    r"|(?P<ou>OU|AO)"
)
_SIDE = re.compile(rf"(?<![^\W_])(?:(?i:{_WORD})|{_SIGN})(?![^\W_])")
_OF_GROUP = {
    "left": {LEFT}, "os": {LEFT}, "right": {RIGHT}, "od": {RIGHT},
    "both": {LEFT, RIGHT}, "ou": {LEFT, RIGHT},
}  # fmt: skip

_CLAUSE_END = re.compile(r"[.,;:()\n]")
# "effusion on the right and left" names both; in "on the right and left hernia" the left is hers.
_NEXT = re.compile(
    r"\b(?:and|with|but|without|or|plus|y|e|con|com|pero|mas)\b"
    r"(?!\s+(?:the\s+)?(?:left|right)\s*(?:$|[.,;]|sides?\b|lungs?\b|eyes?\b))",
    re.IGNORECASE,
)
_APART = re.compile(r"\b(?:without|but|except|sin|sem|pero|por[eé]m)\b", re.IGNORECASE)
_HEADING = re.compile(r"\s*[-*•]?\s*(?P<heading>[^\n:.;,]{1,40}):")
_BESIDE = 60
"""Characters before and after a finding in which its side is looked for."""
_SIDED = frozenset({Assertion.AFFIRMED, Assertion.INTERROGATIVE})

_EXCHANGED = re.compile(
    r"\b(?:(?P<word>left|right)(?=(?:ward|wards|ly)?\b)|(?P<sign>OD|OS|RUL|LUL|RLL|LLL)\b"
    r"|(?-i:(?P<short>(?<!&)\b[LlRr]t)\b))",
    re.IGNORECASE,
)
_OTHER = {
    "left": "right", "right": "left", "OD": "OS", "OS": "OD",
    "RUL": "LUL", "LUL": "RUL", "RLL": "LLL", "LLL": "RLL",
}  # fmt: skip


_SHORT = str.maketrans("LlRr", "RrLl")


def sides(text: str) -> Sides:
    """The sides that ``text`` names, in words (English, Spanish, Portuguese) or as OD, OS, RUL."""
    named: set[str] = set()
    for match in _SIDE.finditer(text):
        named |= _OF_GROUP[match.lastgroup or ""]
    return frozenset(named)


def sides_of_findings(text: str, mentions: Sequence[Mention]) -> dict[str, Sides]:
    """The sides of each concept that the text affirms or asks for, by concept; none, no entry.

    See :func:`surroundings` for where a side is looked for.

    Args:
        text: that was read.
        mentions: of the text, in its order (:meth:`DefinitionSource.recognise`).
    """
    by_concept: dict[str, Sides] = {}
    if not any(m.assertion in _SIDED for m in mentions):
        return by_concept
    for mention, near in zip(mentions, surroundings(text, mentions), strict=True):
        if mention.assertion in _SIDED and (named := sides(near)):
            by_concept[mention.concept] = by_concept.get(mention.concept, NEITHER) | named
    return by_concept


def surroundings(text: str, mentions: Sequence[Mention]) -> list[str]:
    """The words that may say where each mention is: its own, those beside it, its heading.

    Words beside it are those of its clause, nearer to it than to another finding. The heading of
    its sentence counts where they name no side ("OD: drusen").

    Args:
        text: that was read.
        mentions: of the text, in its order.
    """
    findings = [m for m in mentions if m.kind.is_finding]
    headings = _headings(text) if mentions else []
    starts = [start for start, _ in headings]
    texts = []
    for mention in mentions:
        before = bisect_left(findings, mention.start, key=lambda m: m.start) - 1
        after = bisect_right(findings, mention.start, key=lambda m: m.start)
        last = findings[before].end if before >= 0 else 0
        following = findings[after].start if after < len(findings) else len(text)
        near = _beside(text, mention, last, following)
        heading = headings[bisect_right(starts, mention.start) - 1][1] if headings else ""
        texts.append(near if sides(near) else f"{heading} {near}")
    return texts


def _beside(text: str, mention: Mention, last: int, following: int) -> str:
    """The clause of ``mention``, between the finding before it and the one after it."""
    before = _CLAUSE_END.split(text[max(last, mention.start - _BESIDE) : mention.start])[-1]
    if last:  # in "effusion on the left without cardiomegaly" the left is the effusion's
        before = _APART.split(before)[-1]
    # The next finding's first letter shows that its clause goes on.
    after = _CLAUSE_END.split(text[mention.end : min(following + 1, mention.end + _BESIDE)])[0]
    after = _NEXT.split(after, maxsplit=1)[0]
    return f"{before} {mention.text} {after}"


def _headings(text: str) -> list[tuple[int, str]]:
    """Where each sentence begins, and its heading; empty where it has none."""
    headings = []
    for start, end in sentences.spans(text):
        heading = _HEADING.match(text, start, end)
        headings.append((start, heading["heading"] if heading else ""))
    return headings


def mirrored(text: str) -> str | None:
    """The text with left and right exchanged, also as OD, OS and lobes; ``None`` without a side.

    Exchanging twice gives the text back.
    """
    flipped = _EXCHANGED.sub(_other_side, text)
    return flipped if flipped != text else None


def _other_side(match: re.Match[str]) -> str:
    if match["sign"]:
        return _OTHER[match["sign"]] if match["sign"].isupper() else match["sign"]
    if match["short"]:
        return match["short"].translate(_SHORT)
    word = match["word"]
    other = _OTHER[word.lower()]
    return other.upper() if word.isupper() else other.title() if word[0].isupper() else other
