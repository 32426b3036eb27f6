"""Sizes beside a finding: what a report measures now, and what it says was measured before.

"A 12 mm nodule (previously 8 mm)". The largest diameter counts. Where a report gives a finding
several sizes of now, as of two nodules, none is read; a distance ("3 cm from the carina") is no
size. English, Spanish and Portuguese.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mmedrag.text.sentences import spans
from mmedrag.types import Mention

_NUMBER = r"\d{1,4}(?:[.,]\d{1,2})?"
_MEASURE = re.compile(
    rf"(?<![\w.,])(?P<numbers>{_NUMBER}(?:\s*(?:mm|cm)?\s*(?:x|×|by|por)\s*{_NUMBER}){{0,2}})"
    r"(?:\s*-?\s*(?P<unit>mm|cm)\b|(?=\s*(?:to|a|para)\s+\d[\d.,x× ]*\s*(?P<shared>mm|cm)\b))"
    r"(?!\s*(?:from|above|below|away|deep|proximal|distal|desde|da|do|del)\b(?!\s*\d))"
    r"(?!\s*-?(?:thick\s+)?(?:slices?|sections?|cuts?|collimation|cortes?|tube|catheter|stent)\b)",
    re.IGNORECASE,
)
_EARLIER = (
    r"(?P<told>was|were|era|estaba)|previous(?:ly)?|prior|former(?:ly)?|before|earlier|from"
    r"|compared (?:to|with)|antes|previ[oa]|previamente|anterior(?:mente)?|desde"
)
_BEFORE = re.compile(
    rf"\b(?:{_EARLIER})\b(?:\W+(?!now|currently|to\b)\w+){{0,3}}\W*$", re.IGNORECASE
)
_BEHIND = re.compile(
    r"\W{0,2}(?:previously|before|on the (?:prior|previous)|antes|previamente)\b"
    r"(?!\s+(?:measur\w+\s+)?\d)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Size:
    """The largest diameter of a finding in millimetres, now and before, as far as it is given."""

    now: float | None = None
    before: float | None = None


def sizes_of_findings(text: str, mentions: Sequence[Mention]) -> dict[str, Size]:
    """The size of each concept that has one; see the head of this module.

    Args:
        text: that was read.
        mentions: of the text, in its order (:meth:`DefinitionSource.recognise`).
    """
    read: dict[str, list[Size | None]] = {}
    for first, last in spans(text):
        own = [m for m in mentions if m.kind.is_finding and first <= m.start < last]
        measured: dict[int, list[tuple[float, str]]] = {}
        for match, time in _measures(text, first, last) if own else ():
            nearest = min(range(len(own)), key=lambda i: _apart(own[i], match))
            measured.setdefault(nearest, []).append((_millimetres(match), time))
        for i, measures in measured.items():
            read.setdefault(own[i].concept, []).append(_size(measures))
    return {c: s[0] for c, s in read.items() if len(set(s)) == 1 and s[0] is not None}


def _measures(text: str, first: int, last: int) -> Iterator[tuple[re.Match[str], str]]:
    """The measures of a sentence, each with its time: now, before, or told in the past tense."""
    for match in _MEASURE.finditer(text, first, last):
        words = _BEFORE.search(text, first, match.start())
        if _BEHIND.match(text, match.end()) or (words and not words["told"]):
            yield match, "before"
        else:
            yield match, "told" if words else "now"
        first = match.end()


def _apart(mention: Mention, match: re.Match[str]) -> int:
    """Characters between a finding and a measure."""
    return max(mention.start - match.end(), match.start() - mention.end)


def _size(measures: Sequence[tuple[float, str]]) -> Size | None:
    """The sizes of now and before; ``None`` where there are several of one time.

    "The nodule was 8 mm" is of before where another size is of now, else a report's way to tell.
    """
    told = "before" if any(time == "now" for _, time in measures) else "now"
    timed = [(value, told if time == "told" else time) for value, time in measures]
    now = {value for value, time in timed if time == "now"}
    before = {value for value, time in timed if time == "before"}
    return None if len(now) > 1 or len(before) > 1 else Size(_only(now), _only(before))


def _millimetres(match: re.Match[str]) -> float:
    numbers = [float(n.replace(",", ".")) for n in re.findall(_NUMBER, match["numbers"])]
    unit = (match["unit"] or match["shared"]).lower()
    return max(numbers) * (10.0 if unit == "cm" else 1.0)


def _only(values: Iterable[float]) -> float | None:
    return next(iter(values), None)
