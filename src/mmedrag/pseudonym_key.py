"""The key of the pseudonyms that DICOM patients get, in a file that only its owner may read.

A pseudonym is a keyed hash. Whoever has the key and a pseudonym finds a short patient number by
trying all of them, so the key is in no database, output or export. It protects cases that are
handed on without it; it does not protect against whoever may read the owner's files.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from mmedrag.casebase.faults import storage_faults
from mmedrag.durability import write_durably
from mmedrag.errors import CasebaseError
from mmedrag.stores import CaseDatabase

NAME = "pseudonym.key"
"""The file's name in the casebase's folder, where no other path was given."""

SETTING = "pseudonym_key"
"""The setting that says where else the key is kept."""

_FORMERLY = "salt"  # the setting that held the key itself, in format 1
_BYTES = 16


def key_of(casebase: CaseDatabase) -> bytes:
    """The key of a casebase that is written to; where its file is not there, a new one is made.

    Then patients who were imported before have other pseudonyms, and a notice says so. A key that
    an older release has put into the database is moved into the file.

    Raises:
        CasebaseError: the file cannot be read or written, or others may read it.
    """
    path = key_file(casebase)
    with storage_faults(path, "keep the pseudonym key in"):
        if path.exists():
            return _read(path)
        former = casebase.take_setting(_FORMERLY)
        if former is None and casebase.count():
            casebase.notices.append(
                f"There was no pseudonym key at {path}: a new one was made, and patients whose "
                "DICOM files were imported before get other pseudonyms from now on"
            )
        return _write(
            path, secrets.token_bytes(_BYTES) if former is None else bytes.fromhex(former)
        )


def key_file(casebase: CaseDatabase) -> Path:
    """Where the key is."""
    given = casebase.settings.get(SETTING)
    return Path(given) if given else casebase.folder / NAME


def copy_key(source: CaseDatabase, target: CaseDatabase) -> None:
    """Give a copy of a database the same key, so that patients keep their pseudonyms.

    The key goes from file to file; where the source's lies outside its folder, both use that file.

    Raises:
        CasebaseError: a file cannot be read or written.
    """
    file, own = key_file(source), key_file(target)
    with storage_faults(own, "keep the pseudonym key in"):
        if file != own and file.exists() and not own.exists():
            _write(own, _read(file))


def new_key(casebase: CaseDatabase, path: Path | None = None) -> Path:
    """Replace the key by a new one; pseudonyms that are stored already stay as they are.

    Args:
        casebase: is written to.
        path: where the key is kept from now on; by default where it was.

    Returns:
        The key's file.

    Raises:
        CasebaseError: a file cannot be written.
    """
    if path is not None:
        casebase.set(SETTING, str(path.resolve()))
    file = key_file(casebase)
    with storage_faults(file, "keep the pseudonym key in"):
        casebase.take_setting(_FORMERLY)
        _write(file, secrets.token_bytes(_BYTES))
    return file


def _write(path: Path, key: bytes) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(path, f"{key.hex()}\n", mode=0o600)
    return key


def take_key(casebase: CaseDatabase, key: bytes) -> bool:
    """Make a key the casebase's own, where it holds no cases yet; whether it is its own now.

    Raises:
        CasebaseError: a file cannot be read or written.
    """
    file = key_file(casebase)
    with storage_faults(file, "keep the pseudonym key in"):
        if not casebase.count():
            _write(file, key)
        return key_of(casebase) == key


def read_key(path: Path) -> bytes:
    """The key in a file.

    Raises:
        CasebaseError: it cannot be read, others may read it, or it is no key.
    """
    with storage_faults(path, "read the pseudonym key in"):
        return _read(path)


def _read(path: Path) -> bytes:
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise CasebaseError(f"Others may read the pseudonym key {path}", f"chmod 600 {path}")
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except ValueError:
        key = b""
    if len(key) < _BYTES:
        raise CasebaseError(
            f"{path} holds no pseudonym key",
            "Put the file back from a backup, or make a new key: mmedrag rekey CASEBASE.",
        )
    return key
