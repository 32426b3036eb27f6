"""Sentences of the evidence that are quoted: those that have most to do with the question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mmedrag.protocols import DefinitionSource
from mmedrag.text.quotations import quotable
from mmedrag.text.sentences import sentences
from mmedrag.types import Assertion, Evidence, Mention, Question

LONGEST = 320
FILLED = 160


def quoted(question: Question, evidence: Evidence, source: DefinitionSource | None) -> str:
    """The sentence closest to the question, and the next ones while they are short.

    A sentence that reads otherwise by itself than in its report ("- effusion" below "No evidence
    of:") is not quoted where ``source`` can tell.
    """
    located = [p for p in _located(evidence) if source is None or _stands_alone(*p, source)]
    if not located:
        return ""
    wanted = {m.concept for m in question.mentions}
    words = _words(question.query.text)
    scores = [
        3 * len(wanted & {m.concept for m in mentions})
        + len(words & _words(sentence))
        + 0.1 * len({m.concept for m in mentions if m.assertion is Assertion.AFFIRMED})
        for sentence, mentions in located
    ]
    first = scores.index(max(scores))
    quote = quotable(located[first][0])
    for sentence, _ in located[first + 1 :]:
        longer = f"{quote} {quotable(sentence)}"
        if len(longer) > FILLED:
            break
        quote = longer
    return quote if len(quote) <= LONGEST else cut(quote)


def opening(text: str, filled: int = FILLED) -> str:
    """The first sentence, and the next ones up to ``filled`` characters."""
    quote = ""
    for sentence in map(quotable, sentences(text)):
        if quote and len(quote) + len(sentence) > filled:
            break
        quote = f"{quote} {sentence}".strip()
    return quote if len(quote) <= LONGEST else cut(quote)


def cut(sentence: str) -> str:
    """A long sentence up to a word."""
    return sentence[:LONGEST].rsplit(" ", 1)[0].rstrip(" ,;:") + " …"


def _located(evidence: Evidence) -> Iterator[tuple[str, list[Mention]]]:
    """Each sentence with the mentions that it holds."""
    position = 0
    for sentence in sentences(evidence.text):
        start = evidence.text.find(sentence, position)
        position = start + len(sentence)
        yield sentence, [m for m in evidence.mentions if start <= m.start < position]


def _stands_alone(sentence: str, mentions: Sequence[Mention], source: DefinitionSource) -> bool:
    if not mentions:
        return True
    alone = source.recognise([quotable(sentence)])[0]
    in_report = [(m.concept, m.assertion) for m in mentions]
    return all((m.concept, m.assertion) in in_report for m in alone)


def _words(text: str) -> set[str]:
    return {w.rstrip("s") for w in re.findall(r"[^\W\d_]{4,}", text.lower())} - _IDLE


_IDLE = frozenset(
    re.findall(
        r"\w+",
        "with without this that there what which does have show image patient case seen from "
        "likely evidence finding please describe about could would should most they these those",
    )
)
