"""One id, one case: what a run does with cases that share an id."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from mmedrag.types import Case, Problem

Item = TypeVar("Item")


def itself(item: object) -> Case | None:
    """The case that an item of a corpus is, or ``None``."""
    return item if isinstance(item, Case) else None


def unique(
    corpus: Iterable[Item], case_of: Callable[[Item], Case | None] = itself
) -> Iterator[Item | Problem]:
    """Give every case of a run, and a problem in the place of another one under a used id.

    The same case again is no problem. Memory: about 150 bytes a case, whatever it holds.

    Args:
        corpus: cases, and what is passed on as it is.
        case_of: the case of an item, for items that hold one.
    """
    seen: dict[int, int] = {}
    for item in corpus:
        case = case_of(item)
        if case is not None and not _is_first(case, seen):
            reason = f"{case.id}: another case of this run has the same id; give it its own"
            yield Problem(case.image or Path(case.id), None, reason)
        else:
            yield item


def _is_first(case: Case, seen: dict[int, int]) -> bool:
    """Whether the id is new, or was that of the same case."""
    content = _digest(repr([getattr(case, f.name) for f in fields(case)]))
    return seen.setdefault(_digest(case.id), content) == content


def _digest(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
