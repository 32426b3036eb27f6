"""What a text says of a finding: affirmed, negated, uncertain, past, or of another person.

Rules in the manner of ConText (Harkema, Dowling, Thornblade, Chapman 2009): a trigger acts on the
mentions after or before it within its sentence, up to a terminator and within a window of words. A
pseudo-trigger ("no increase in") looks like a trigger and is none. The phrases are in
:mod:`mmedrag.definitions.triggers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmedrag.definitions.sentences import sentences
from mmedrag.definitions.triggers import HEAD, HEADING, TRIGGERS, Phrase, Rule, head
from mmedrag.types import Assertion

Span = tuple[int, int]

_STRENGTH = (
    Assertion.NEGATED,
    Assertion.OTHER_PERSON,
    Assertion.UNCERTAIN,
    Assertion.HISTORICAL,
)
"""Which verdict holds where several triggers reach one mention: "no history of" is a negation."""

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class _Scope:
    """Characters ``start`` to ``end`` of a sentence, and what a trigger says of them."""

    assertion: Assertion
    start: int
    end: int


def assertions(text: str, mentions: Sequence[Span]) -> list[Assertion]:
    """The assertion of each mention (start and end in ``text``), in the order given."""
    verdicts = [Assertion.AFFIRMED] * len(mentions)
    order = sorted(range(len(mentions)), key=lambda i: mentions[i])
    at = 0
    for start, end in sentences(text):
        first = at
        while at < len(order) and mentions[order[at]][0] < end:
            at += 1
        inside = order[first:at]
        if inside:
            spans = [(mentions[i][0] - start, mentions[i][1] - start) for i in inside]
            for i, verdict in zip(inside, _judge(text[start:end], spans), strict=True):
                verdicts[i] = verdict
    return verdicts


def _judge(sentence: str, mentions: list[Span]) -> list[Assertion]:
    scopes = list(_scopes(sentence, mentions))
    verdicts = []
    for start, end in mentions:
        said = {s.assertion for s in scopes if s.start <= start and end <= s.end}
        verdicts.append(next((a for a in _STRENGTH if a in said), Assertion.AFFIRMED))
    return verdicts


def _scopes(sentence: str, mentions: list[Span]) -> Iterator[_Scope]:
    """The stretch of ``sentence`` that every trigger in it acts on."""
    at = 0
    if heading := HEADING.match(sentence):
        whose = Assertion.OTHER_PERSON if heading["family"] else Assertion.HISTORICAL
        yield _Scope(whose, heading.end(), len(sentence))
        at = heading.end()
    while word := HEAD.search(sentence, at):
        at = word.end()
        if found := _trigger(sentence, word, mentions):
            phrase, at = found
            for rule in phrase.rules:
                yield _reach(rule, sentence, word.start(), at)


def _trigger(sentence: str, word: re.Match[str], mentions: list[Span]) -> tuple[Phrase, int] | None:
    """The longest phrase that begins with ``word`` and touches no mention, and where it ends."""
    for phrase in TRIGGERS.get(head(word[0]), ()):
        match = phrase.match(sentence, word.start())
        if match and all(match.end() <= start or end <= match.start() for start, end in mentions):
            return phrase, match.end()
    return None


def _reach(rule: Rule, sentence: str, start: int, end: int) -> _Scope:
    if rule.forward:
        stop = rule.limit.search(sentence, end)
        words = _WORD.finditer(sentence, end, stop.start() if stop else len(sentence))
        last = max((w.end() for _, w in zip(range(rule.window), words, strict=False)), default=end)
        return _Scope(rule.assertion, end, last)
    # A verb right before the trigger belongs to it: "are | not seen".
    stops = [m.end() for m in rule.limit.finditer(sentence, 0, start)]
    since = max((stop for stop in stops if sentence[stop:start].strip()), default=0)
    starts = [w.start() for w in _WORD.finditer(sentence, since, start)][-rule.window :]
    return _Scope(rule.assertion, min(starts, default=start), start)
