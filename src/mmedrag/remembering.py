"""What is read of texts is remembered, and forgotten together once a case is deleted."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    from functools import _lru_cache_wrapper

Read = TypeVar("Read")


class Cache(Protocol):
    """What can be emptied."""

    def cache_clear(self) -> None:
        """Forget everything."""


_caches: WeakSet[Cache] = WeakSet()


def remembered(most: int) -> Callable[[Callable[..., Read]], _lru_cache_wrapper[Read]]:
    """``functools.lru_cache`` for what is read of reports: :func:`forget` empties it.

    Args:
        most: results that are kept.
    """

    def remember(read: Callable[..., Read]) -> _lru_cache_wrapper[Read]:
        cached = lru_cache(most)(read)
        forgettable(cached)
        return cached

    return remember


def forgettable(cache: Cache) -> None:
    """Have :func:`forget` empty a cache, as long as it is used."""
    _caches.add(cache)


def forget() -> None:
    """Forget what this process has read of texts, for some of them are gone."""
    for cache in list(_caches):
        cache.cache_clear()
