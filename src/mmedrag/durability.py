"""Files that survive a crash: written whole under another name, made durable, then renamed.

No reader ever sees half a file, and what was there before stays until the new one is whole. The
generations of a casebase, which are folders, are renamed whole by
:mod:`mmedrag.casebase.generations`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_durably(path: Path, content: bytes | str, *, mode: int | None = None) -> None:
    """Replace a file in one step: whole old content or whole new content, after any crash.

    What is no regular file (a pipe, ``/dev/stdout``) is written to as it is.

    Args:
        path: the file; its folder exists. A link stays, and the file that it names is replaced.
        content: text is written as UTF-8.
        mode: permissions such as ``0o600``, which the file has from its first byte on; by default
            those that the process gives to new files.

    Raises:
        OSError: the disk fails; the former content stays.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    with durable_file(path, mode=mode) as temporary, temporary.open("wb") as file:
        file.write(data)


@contextmanager
def durable_file(path: Path, *, mode: int | None = None) -> Iterator[Path]:
    """A name to write to, for contents that come in pieces or from a library.

    When the block ends, what was written is made durable and takes the place of ``path``; on an
    exception it is removed.

    Raises:
        OSError: the disk fails; the former content stays.
    """
    path = path.resolve()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if mode is not None:
            temporary.unlink(missing_ok=True)
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        yield temporary
        sync_file(temporary)
        os.replace(temporary, path)  # noqa: PTH105  one place to inject faults
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Make a file's contents durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Make new, renamed and removed names in a folder durable (POSIX; elsewhere nothing)."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
