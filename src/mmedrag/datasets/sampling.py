"""A few of many, spread over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def evenly_spaced(items: Sequence[Item], most: int) -> list[Item]:
    """Every so many-th of the items, from the first on; at most ``most``, which is at least 1."""
    return list(items[:: max(1, -(-len(items) // most))])
