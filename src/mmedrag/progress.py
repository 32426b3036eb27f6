"""How long work reports its progress: the callbacks that indexing, training and studies take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias


class Progress(Protocol):
    """Called with the number of further units (cases, records, epochs, …) that are finished."""

    def __call__(self, finished: int, /) -> object: ...


Log: TypeAlias = Callable[[str], object]
"""Called with a line for the user each time something noteworthy is finished."""


def silent(finished: int, /) -> None:
    """The :class:`Progress` that shows nothing."""
