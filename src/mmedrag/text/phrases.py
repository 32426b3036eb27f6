"""Phrases as a tree of words, matched in time linear in the text.

In a phrase ``...`` stands for up to three words, ``[a|b c]`` for any of the listed, ``<name>`` for
any of a named list, ``^`` at the beginning for the beginning of the sentence, ``$`` at the end for
the end of the clause. Phrases are separated by semicolons.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

MENTION = "\0mention"
"""Stands for a mentioned finding among the words of a sentence."""

_END, _CLAUSE_END, _GAP = "\0end", "\0clause", "\0gap"
_LONGEST_GAP = 3
_STOPS = frozenset(".,;:)?!")
_PIECE = re.compile(r"\[([^]]*)\]|<(\w+)>|(\.\.\.|[^\s\[\]<>]+)")

Lists = Mapping[str, str]


def expanded(phrases: str, lists: Lists) -> Iterator[tuple[str, ...]]:
    """The word sequences that ``phrases`` stand for; ``lists`` are the named ones."""
    for phrase in phrases.split(";"):
        choices = [_choices(piece, lists) for piece in _PIECE.finditer(phrase)]
        if choices:
            for chosen in product(*choices):
                yield tuple(word for alternative in chosen for word in alternative)


def _choices(piece: re.Match[str], lists: Lists) -> list[tuple[str, ...]]:
    if piece[3]:
        return [(piece[3],)]
    listed = piece[1] if piece[1] is not None else lists[piece[2]]
    return [tuple(choice.split()) for choice in listed.split("|")]


def ends_clause(words: Sequence[str], at: int) -> bool:
    """Whether a clause ends before word ``at``."""
    return at >= len(words) or words[at] in _STOPS


@dataclass(slots=True)
class PhraseTree:
    """Values by phrase. The phrase with the most words wins, then the one that reaches further."""

    _root: dict[str, Any] = field(default_factory=dict)

    def add(self, phrases: Iterable[tuple[str, ...]], value: object) -> None:
        """Give each phrase ``value``, beside those that it has."""
        for phrase in phrases:
            node = self._root
            last = phrase[-1] == "$"
            for word in phrase[:-1] if last else phrase:
                node = node.setdefault(_GAP if word == "..." else word, {})
            node.setdefault(_CLAUSE_END if last else _END, []).append(value)

    def match(self, words: Sequence[str], at: int) -> tuple[int, list[Any]] | None:
        """Where the best phrase that begins at ``words[at]`` ends, and its values."""
        best: tuple[int, int, list[Any]] | None = None
        node = self._root.get(words[at])
        stack = [(node, at + 1, 1)] if node is not None else []
        if at == 0 and (opening := self._root.get("^")) is not None:
            stack.append((opening, 0, 1))
        while stack:
            node, i, size = stack.pop()
            values = node.get(_CLAUSE_END) if ends_clause(words, i) else None
            values = values or node.get(_END)
            if values is not None:
                if best is None or (size, i) > best[:2]:
                    best = (size, i, values)
                elif (size, i) == best[:2] and values is not best[2]:
                    best = (size, i, [*best[2], *values])
            if i < len(words) and (following := node.get(words[i])) is not None:
                stack.append((following, i + 1, size + 1))
            if (gap := node.get(_GAP)) is not None:
                stack.extend((gap, j, size) for j in _after_gap(words, i))
        return None if best is None else (best[1], best[2])


def _after_gap(words: Sequence[str], at: int) -> Iterator[int]:
    yield at
    for j in range(at, min(at + _LONGEST_GAP, len(words))):
        if not words[j][0].isalnum():
            return
        yield j + 1
