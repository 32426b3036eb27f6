"""One id, one case: what a run does with cases that share an id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path

from mmedrag.types import Case, Problem


def unique(corpus: Iterable[Case | Problem]) -> Iterator[Case | Problem]:
    """Give every case of a run, and a problem in the place of another one under a used id.

    The same case again is no problem. Memory: about 150 bytes a case, whatever it holds.
    """
    seen: dict[int, int] = {}
    for item in corpus:
        if isinstance(item, Case):
            key, content = (
                _digest(item.id),
                _digest(repr([getattr(item, f.name) for f in fields(item)])),
            )
            if seen.setdefault(key, content) != content:
                reason = f"{item.id}: another case of this run has the same id; give it its own"
                yield Problem(item.image or Path(item.id), None, reason)
                continue
        yield item


def _digest(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
