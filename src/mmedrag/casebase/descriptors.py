"""Reading the database's files beside SQLite without breaking its locks.

POSIX takes all locks of a process on a file away when the process closes any descriptor of it, so a
file that SQLite has open in this process must not be opened and closed by anybody else. Connections
are counted here; a descriptor that is needed while there are any stays open until the last is gone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, RLock

_CHUNK = 1 << 20
_guard = RLock()
_files: dict[tuple[int, int], _File] = {}
Key = tuple[int, int]
"""Device and number of a file."""


@dataclass(slots=True)
class _File:
    connections: int = 0
    descriptor: int | None = None


@contextmanager
def connecting() -> Iterator[None]:
    """Nobody else opens or closes a file of a casebase meanwhile."""
    with _guard:
        yield


def connected(file: Path) -> Key:
    """Count a new connection to ``file``; to be given to :func:`disconnected`."""
    with _guard:
        key = _key(file)
        _files.setdefault(key, _File()).connections += 1
        return key


def disconnected(key: Key) -> None:
    """A connection is closed."""
    with _guard:
        file = _files[key]
        file.connections -= 1
        if not file.connections:
            del _files[key]
            if file.descriptor is not None:
                os.close(file.descriptor)


def sha256_beside(path: Path, stop: Event | None = None) -> str:
    """SHA-256 of a file that SQLite may have open in this process, as hexadecimal.

    The caller keeps its own connection to it open meanwhile, where it has one.

    Raises:
        InterruptedError: ``stop`` was set.
    """
    with _guard:
        file = _files.get(_key(path))
        if file is None:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                return _digest(descriptor, stop)
            finally:
                os.close(descriptor)
        if file.descriptor is None:
            file.descriptor = os.open(path, os.O_RDONLY)
        descriptor = file.descriptor
    return _digest(descriptor, stop)


def _digest(descriptor: int, stop: Event | None) -> str:
    digest, offset = hashlib.sha256(), 0
    while chunk := os.pread(descriptor, _CHUNK, offset):
        if stop is not None and stop.is_set():
            raise InterruptedError
        digest.update(chunk)
        offset += len(chunk)
    return digest.hexdigest()


def _key(path: Path) -> Key:
    status = path.stat()
    return status.st_dev, status.st_ino
