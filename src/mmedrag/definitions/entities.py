"""Entity recognition for section 3.4: longest dictionary match over the tokens of a text.

A trie of token sequences would be slow to load for a large dictionary, so a :class:`Lexicon` keeps
the trie as one sorted array: the 64-bit hash of every prefix of every name. A text is matched by
looking up all its positions at once, one token further at each step.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedrag.definitions.predicates import Span, predicates
from mmedrag.text.wording import code, spans

_FACTOR = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1

Codes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Match:
    """A name found: tokens ``start`` to ``end`` of the matched sequence, and the name's key."""

    start: int
    end: int
    key: int


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """Hashes of all prefixes of all names, sorted; ``ends`` tells which of them are whole names."""

    prefixes: Codes
    ends: NDArray[np.bool_]

    @classmethod
    def of(cls, names: Iterable[Sequence[int]]) -> Lexicon:
        """Build from names given as token codes (:func:`mmedrag.text.wording.codes`)."""
        prefixes, whole = array("Q"), array("Q")
        for name in names:
            hashes = prefix_hashes(name)
            prefixes.extend(hashes)
            whole.append(hashes[-1])
        return cls.from_hashes(prefixes, whole)

    @classmethod
    def from_hashes(cls, prefixes: array[int], whole: array[int]) -> Lexicon:
        """Build from the hashes of all prefixes and of the whole names (:func:`prefix_hashes`)."""
        unique = np.unique(np.frombuffer(prefixes, dtype=np.uint64))
        ends = np.zeros(len(unique), dtype=np.bool_)
        ends[np.searchsorted(unique, np.frombuffer(whole, dtype=np.uint64))] = True
        return cls(unique, ends)

    def __contains__(self, key: int) -> bool:
        """Whether ``key`` is that of a whole name."""
        at = int(np.searchsorted(self.prefixes, np.uint64(key)))
        return at < len(self.prefixes) and int(self.prefixes[at]) == key and bool(self.ends[at])

    def matches(self, codes: Codes) -> Iterator[Match]:
        """Every occurrence of every name in a sequence of token codes, overlaps included."""
        if not len(self.prefixes):
            return
        at = np.arange(len(codes))
        hashes = np.zeros(len(codes), dtype=np.uint64)
        length = 0
        while len(at):
            inside = at + length < len(codes)
            at, hashes = at[inside], hashes[inside]
            hashes = hashes * np.uint64(_FACTOR) + codes[at + length]
            rows = np.searchsorted(self.prefixes, hashes)
            rows[rows == len(self.prefixes)] = 0
            is_prefix = self.prefixes[rows] == hashes
            at, hashes, rows = at[is_prefix], hashes[is_prefix], rows[is_prefix]
            length += 1
            whole = self.ends[rows]
            for start, key in zip(at[whole].tolist(), hashes[whole].tolist(), strict=True):
                yield Match(start, start + length, key)


def prefix_hashes(codes: Sequence[int]) -> list[int]:
    """The hashes of the first 1, 2, … tokens; the last is the key of the whole name."""
    hashes, value = [], 0
    for item in codes:
        value = (value * _FACTOR + item) & _MASK
        hashes.append(value)
    return hashes


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Several texts as one sequence of token codes.

    ``owner[i]`` is the text that token ``i`` belongs to and ``spans[i]`` its characters there. A
    token of code 0 stands after each text, so that no name runs from one text into the next.

    After each text stand the names that its sentences are equivalent to
    (:mod:`mmedrag.definitions.predicates`). Their tokens have spans such that the whole name covers
    the sentence's words and a part of it covers nothing. ``anchors`` gives, text by text, the
    predicate for what such a name covers.
    """

    codes: Codes
    owner: list[int]
    spans: list[tuple[int, int]]
    anchors: list[dict[Span, Span]]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Tokens:
        """Split ``texts``."""
        values = array("Q")
        owner: list[int] = []
        token_spans: list[Span] = []
        anchors: list[dict[Span, Span]] = [{} for _ in texts]
        for number, text in enumerate(texts):
            in_text = spans(text)
            values.extend([code(text[start:end]) for start, end in in_text])
            values.append(0)
            token_spans.extend([*in_text, (len(text), len(text))])
            for predicate in predicates(text, in_text):
                anchors[number][predicate.span] = predicate.anchor
                for name in predicate.names:
                    values.extend([*map(code, name), 0])
                    token_spans.extend([*_covering(predicate.span, len(name)), (0, 0)])
            owner.extend([number] * (len(token_spans) - len(owner)))
        return cls(np.frombuffer(values, dtype=np.uint64), owner, token_spans, anchors)


def _covering(span: tuple[int, int], length: int) -> list[tuple[int, int]]:
    """Spans of the tokens of a name that as a whole covers ``span``, and in part nothing."""
    first, last = span
    return [(first if i == 0 else last, last if i == length - 1 else first) for i in range(length)]
