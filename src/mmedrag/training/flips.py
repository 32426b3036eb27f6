"""Texts turned to say the opposite, and nothing else: hard rejected contexts (section 3.6).

A report with one finding ruled out, or with left and right exchanged, keeps nearly every word and
therefore nearly all its similarity, and is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from mmedrag.types import Assertion, Mention

# A noun phrase begins after one of these; what stands before them is not ruled out with it.
_BEFORE_PHRASE = re.compile(
    r"[.,;:()\[\]]|\b(?:is|are|was|were|be|been|has|have|had|shows?|showed|showing|demonstrates?|"
    r"demonstrating|demonstrated|reveals?|revealed|revealing|depicts?|with|of|in|on|at|for|from|to|"
    r"by|and|or|but|which|that|there|consistent|compatible|suggests?|suggesting|represents?|"
    r"representing|seen|noted|likely|as|contains?|containing|note|has|having|via|due|into)\b",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"\s*(?:(?:an?|the|some|this|these)\s+)?", re.IGNORECASE)
_RULED_OUT = re.compile(
    r"\b(?:there\s+(?:is|are)\s+)?(?:no|without)\s+(?:(?:any|definite|new|acute)\s+)?"
    r"(?:(?:evidence|signs?|suggestion)\s+(?:of|for)\s+)?$",
    re.IGNORECASE,
)


def negated(text: str, mentions: Sequence[Mention], concepts: Collection[str]) -> str | None:
    """The text with what it says of the given concepts turned round.

    "shows a large mass" becomes "shows no large mass", and "no mass" becomes "mass". Mentions that
    are neither affirmed nor negated, or of other concepts, stay.

    Args:
        text: to be turned.
        mentions: of the text, in its order (:meth:`DefinitionSource.recognise`).
        concepts: whose mentions are turned.

    Returns:
        The text, or ``None`` where nothing could be turned.
    """
    flipped = text
    for mention in sorted(mentions, key=lambda m: m.start, reverse=True):
        if mention.concept not in concepts:
            continue
        if mention.assertion is Assertion.AFFIRMED:
            flipped = _ruled_out(flipped, mention.start)
        elif mention.assertion is Assertion.NEGATED:
            flipped = _affirmed(flipped, mention.start)
    return flipped if flipped != text else None


def _ruled_out(text: str, start: int) -> str:
    """``no`` before the noun phrase that the mention at ``start`` belongs to."""
    boundaries = [match.end() for match in _BEFORE_PHRASE.finditer(text, 0, start)]
    begin = max([*boundaries, text.rfind("\n", 0, start) + 1])
    article = _ARTICLE.match(text, begin, start)
    after = article.end() if article else begin
    gap = " " if begin and not text[begin - 1].isspace() else ""
    if _opens_sentence(text, begin):
        return f"{text[:begin]}{gap}No {_lowered(text[after:])}"
    return f"{text[:begin]}{gap}no {text[after:]}"


def _affirmed(text: str, start: int) -> str:
    """Without the ``no`` right before the mention; as it was where it is ruled out elsewhere."""
    trigger = _RULED_OUT.search(text, 0, start)
    if trigger is None:
        return text
    there = re.match(r"there\s+(?:is|are)\s+", trigger[0], re.IGNORECASE)
    kept = there[0] if there else "with " if trigger[0].lower().startswith("without") else ""
    rest = text[start:]
    if not kept and _opens_sentence(text, trigger.start()):
        rest = rest[:1].upper() + rest[1:]
    return f"{text[: trigger.start()]}{kept}{rest}"


def _opens_sentence(text: str, at: int) -> bool:
    before = text[:at].rstrip()
    return not before or before[-1] in ".:\n" or "\n" in text[len(before) : at]


def _lowered(text: str) -> str:
    """Without the capital of a sentence's first word; abbreviations keep theirs."""
    return text[:1].lower() + text[1:] if not text[1:2].isupper() else text
