"""Traces of answers by links: in memory, or in a folder where they outlive the service."""

from __future__ import annotations

import hashlib
import json
import re
import time
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
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
_CASES = re.compile(rb"\A<!--cases ([\w+/=]*)-->\n", re.ASCII)
"""The first line of a kept trace: the ids of its cases."""


class Traces:
    """Self-contained pages by random ids, each of one casebase.

    A trace holds the question and a small picture of its image, so it is written to a disk only
    where whoever runs the service names a folder, readable by the service alone, and for so many
    days. It goes earlier where one of its cases is deleted, whose report it holds.

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

    def add(self, casebase: str, html: str, cases: Collection[str] = ()) -> str:
        """Keep a trace, and the ids of the cases that it shows.

        Returns:
            Its id; empty where the folder cannot be written.
        """
        identity = token_urlsafe(12)
        name = _name(casebase, identity)
        marked = _marked(html, cases)
        if self._folder is not None:
            self._forget()
            try:
                write_durably(self._folder / name, marked, mode=0o600)
            except OSError:
                return ""
            return identity
        with self._lock:
            self._kept[name] = marked
            while len(self._kept) > IN_MEMORY:
                self._kept.popitem(last=False)
        return identity

    def get(
        self, casebase: str, identity: str, is_there: Callable[[str], bool] = lambda _: True
    ) -> str | None:
        """The page of a trace; ``None`` where it is not kept (any more).

        Where one of its cases is no longer there, it is deleted: another process may have deleted
        the case.
        """
        if not _ID.fullmatch(identity):
            return None
        name = _name(casebase, identity)
        if self._folder is not None:
            self._forget()
        kept = self._read(name)
        if kept is None:
            return None
        if not all(map(is_there, _cases(kept))):
            self._delete(name)
            return None
        return _CASES.sub(b"", kept, count=1).decode("utf-8")

    def erase(self, casebase: str, case: str) -> None:
        """Delete every trace that shows a case."""
        for name in self._names(casebase):
            if case in _cases(self._read(name, whole=False) or b""):
                self._delete(name)

    def _names(self, casebase: str) -> Iterable[str]:
        """The traces of a casebase."""
        prefix = _name(casebase, "").removesuffix(".html")
        if self._folder is not None:
            return (file.name for file in self._folder.glob(f"{prefix}*.html"))
        return [name for name in list(self._kept) if name.startswith(prefix)]

    def _read(self, name: str, *, whole: bool = True) -> bytes | None:
        """A trace, or its first line."""
        if self._folder is None:
            return self._kept.get(name)
        with suppress(OSError), (self._folder / name).open("rb") as file:
            return file.read() if whole else file.readline()
        return None

    def _delete(self, name: str) -> None:
        if self._folder is None:
            self._kept.pop(name, None)
            return
        with suppress(OSError):
            (self._folder / name).unlink()

    def _forget(self) -> None:
        """Delete what is older than it may be."""
        assert self._folder is not None
        oldest = time.time() - self._days * DAY
        for file in self._folder.glob("trace-*.html"):
            with suppress(OSError):
                if file.stat().st_mtime < oldest:
                    file.unlink()


def _marked(html: str, cases: Collection[str]) -> bytes:
    """A page behind the ids of its cases, in letters that end no comment of HTML."""
    page = html.encode("utf-8", "replace")
    ids = b64encode(json.dumps(list(cases)).encode())
    return b"<!--cases " + ids + b"-->\n" + page if cases else page


def _cases(marked: bytes) -> list[str]:
    """The ids of a trace's cases; of a damaged line one that no case has."""
    first = _CASES.match(marked)
    try:
        return [] if first is None else [str(case) for case in json.loads(b64decode(first[1]))]
    except ValueError:
        return [""]


def _name(casebase: str, identity: str) -> str:
    """A file's name; of the casebase it has a digest, for a name may hold anything."""
    return f"trace-{hashlib.sha256(casebase.encode()).hexdigest()[:16]}-{identity}.html"
