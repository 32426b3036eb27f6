"""How much may be decoded at a time: memory is bounded by pixels in flight, not by pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

MEMORY = 512 * 2**20
"""Bytes that decoders may need together; one that needs more decodes alone."""


class Budget:
    """Lets threads decode side by side as long as what they need stays within a limit."""

    def __init__(self, limit: int = MEMORY) -> None:
        self._limit = limit
        self._used = 0
        self._changed = Condition()

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Wait until ``size`` bytes are free, or until nobody else decodes."""
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + size <= self._limit)
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()


DECODING = Budget()
"""The budget that all decoders of this process share."""
