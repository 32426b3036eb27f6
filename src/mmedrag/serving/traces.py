"""Traces of answers by links: in memory, or in a folder where they outlive the service."""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from secrets import token_urlsafe
from threading import Lock

from mmedrag.durability import write_durably
from mmedrag.errors import QueryError

IN_MEMORY = 50
"""Traces without a folder; older ones are forgotten."""

DAY = 86_400.0
_ID = re.compile(r"[\w-]{16}", re.ASCII)


class Traces:
    """Self-contained pages by random ids, each of one casebase.

    A trace holds the question and a small picture of its image, so it is written to a disk only
    where whoever runs the service names a folder, readable by the service alone, and for so many
    days.

    Args:
        folder: where they are kept; ``None`` keeps the last :data:`IN_MEMORY` in memory.
        days: after which one is deleted.

    Raises:
        QueryError: the folder cannot be written.
    """

    def __init__(self, folder: Path | None = None, days: float = 30.0) -> None:
        self._folder = folder
        self._days = days
        self._kept: OrderedDict[str, bytes] = OrderedDict()  # a string takes twice as much
        self._lock = Lock()
        if folder is not None:
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise QueryError(
                    f"{folder} cannot be made ({error.strerror})", "Name another --traces folder."
                ) from None
            self._forget()

    @property
    def lasting(self) -> str:
        """How long a link works, in words."""
        if self._folder is None:
            return f"until the service ends, the last {IN_MEMORY} answers at most"
        return f"for {self._days:g} days"

    def add(self, casebase: str, html: str) -> str:
        """Keep a trace.

        Returns:
            Its id; empty where the folder cannot be written.
        """
        identity = token_urlsafe(12)
        name = _name(casebase, identity)
        if self._folder is not None:
            self._forget()
            try:
                write_durably(self._folder / name, html, mode=0o600)
            except OSError:
                return ""
            return identity
        with self._lock:
            self._kept[name] = html.encode("utf-8", "replace")
            while len(self._kept) > IN_MEMORY:
                self._kept.popitem(last=False)
        return identity

    def get(self, casebase: str, identity: str) -> str | None:
        """The page of a trace; ``None`` where it is not kept (any more)."""
        if not _ID.fullmatch(identity):
            return None
        name = _name(casebase, identity)
        if self._folder is None:
            kept = self._kept.get(name)
            return None if kept is None else kept.decode("utf-8")
        self._forget()
        with suppress(OSError):
            return (self._folder / name).read_text("utf-8")
        return None

    def _forget(self) -> None:
        """Delete what is older than it may be."""
        assert self._folder is not None
        oldest = time.time() - self._days * DAY
        for file in self._folder.glob("trace-*.html"):
            with suppress(OSError):
                if file.stat().st_mtime < oldest:
                    file.unlink()


def _name(casebase: str, identity: str) -> str:
    """A file's name; of the casebase it has a digest, for a name may hold anything."""
    return f"trace-{hashlib.sha256(casebase.encode()).hexdigest()[:16]}-{identity}.html"
