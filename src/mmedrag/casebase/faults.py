"""Storage faults told as one line with a remedy."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mmedrag.errors import CasebaseDamaged, CasebaseError, CasebaseLocked

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_LOG = {"SQLITE_READONLY_DIRECTORY", "SQLITE_READONLY_CANTINIT", "SQLITE_READONLY_RECOVERY"}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def storage_faults(path: Path, doing: str) -> Iterator[None]:
    """Turn what SQLite and the file system raise into a :class:`CasebaseError`.

    Args:
        path: the casebase, for the message.
        doing: what was under way, such as ``"add cases to"``.
    """
    try:
        yield
    except sqlite3.Error as fault:
        raise _from_sqlite(fault, path, doing) from fault
    except OSError as fault:
        raise _from_system(fault, path, doing) from fault


@contextmanager
def damage_typed(path: Path, problems: Callable[[], Iterator[str]]) -> Iterator[None]:
    """Turn what damaged contents make Python raise into :class:`CasebaseDamaged`.

    Only where ``problems`` finds that they are damaged: other errors are nobody's to hide.
    """
    try:
        yield
    except (ValueError, TypeError, LookupError, ArithmeticError, MemoryError) as fault:
        if (problem := _first(problems)) is None:
            raise
        raise CasebaseDamaged(
            f"{path}: {problem}", "Restore casebase.db from a backup; 'mmedrag verify' says more."
        ) from fault


def _first(problems: Callable[[], Iterator[str]]) -> str | None:
    try:
        return next(problems(), None)
    except (sqlite3.Error, ValueError, TypeError, LookupError, ArithmeticError) as fault:
        return f"casebase.db: {fault}"


def _from_sqlite(fault: sqlite3.Error, path: Path, doing: str) -> CasebaseError:
    name = getattr(fault, "sqlite_errorname", "") or ""
    what = f"Could not {doing} {path}: {fault}"
    if name.startswith("SQLITE_FULL"):
        return CasebaseError(what, "Free some disk space and try again; nothing stored is lost.")
    if not name or name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):  # none: found by us
        return CasebaseDamaged(
            what, "Run 'mmedrag verify' on it; restore casebase.db from a backup if it is damaged."
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return CasebaseLocked(what, "Another program holds the database; try again when it ends.")
    if name in _NO_LOG:
        return CasebaseError(
            f"{what} (the files of its write-ahead log are not there and may not be made)",
            "Let somebody who may write to the folder run 'mmedrag rebuild' on it once: without "
            "the log no reader would learn what is deleted.",
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_CANTOPEN", "SQLITE_AUTH")):
        return CasebaseError(what, "Check that you may read and write the folder and its files.")
    if name.startswith("SQLITE_IOERR"):
        return CasebaseError(
            what, "Check the disk (space, quota, health) and try again; nothing stored is lost."
        )
    return CasebaseError(what, "Run 'mmedrag verify' on it and report this if it finds nothing.")


def _from_system(fault: OSError, path: Path, doing: str) -> CasebaseError:
    what = f"Could not {doing} {path}: {fault.strerror or fault}"
    if fault.errno in _FULL:
        return CasebaseError(what, "Free some disk space and try again; nothing stored is lost.")
    if fault.errno in _REFUSED:
        return CasebaseError(what, "Check that you may read and write the folder and its files.")
    return CasebaseError(
        what, "Check the disk (space, quota, health) and try again; nothing stored is lost."
    )
