"""Hits of cases as they were read: what was recognised in a report waits until somebody asks."""

from __future__ import annotations

from typing import Any

from mmedrag import types
from mmedrag.casebase.construction import constructor
from mmedrag.casebase.packing import Read
from mmedrag.types import Mention, Vector

_slot: Any = types.Hit.__dict__["mentions"]


class Hit(types.Hit):
    """A hit that holds a :class:`Read` for its mentions, and gives out those."""

    __slots__ = ()

    @property
    def mentions(self) -> tuple[Mention, ...] | None:
        """See :class:`mmedrag.types.Hit`.

        Raises:
            CasebaseDamaged: they are as they were sealed, and cannot be read.
        """
        held: Read | tuple[Mention, ...] | None = _slot.__get__(self)
        return held.mentions if isinstance(held, Read) else held

    @mentions.setter
    def mentions(self, mentions: tuple[Mention, ...] | None) -> None:  # of a copy, by its __init__
        _slot.__set__(self, mentions)


_made = constructor(Hit)


def hit(read: Read, vector: Vector, similarity: float, relevance: float) -> Hit:
    """A hit of a case."""
    return _made(read.case, vector, similarity, relevance, read, read.recogniser, None)
