"""The door to every database of cases: which engine stands behind a name.

A path is a casebase, a folder on this machine; a ``postgresql://`` URL is a database on a server
(:mod:`mmedrag.backends.postgres`). Commands and :func:`mmedrag.load` take either.
"""

from __future__ import annotations

import shutil
from collections.abc import Hashable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

from mmedrag.casebase.casebase import Casebase
from mmedrag.errors import CasebaseError, MissingExtra
from mmedrag.locations import Location, scheme_of
from mmedrag.stores.database import CaseDatabase


def open_store(location: Location, *, readonly: bool = False) -> CaseDatabase:
    """Open a database that is there.

    Raises:
        CasebaseNotFound: none there.
        CasebaseError: it cannot be opened, or no engine is known for the URL.
    """
    if _on_server(location):
        opened: CaseDatabase = _postgres().PostgresStore.open(location, readonly=readonly)
        return opened
    return Casebase.open(_path(location), readonly=readonly)


def create_store(
    location: Location,
    *,
    dim: int,
    fingerprint: str,
    preset: str,
    settings: Mapping[str, str] | None = None,
) -> CaseDatabase:
    """Make an empty database and open it; see :meth:`mmedrag.casebase.Casebase.create`.

    Raises:
        CasebaseError: something is there, or it cannot be written.
    """
    if _on_server(location):
        made: CaseDatabase = _postgres().PostgresStore.create(
            location, dim=dim, fingerprint=fingerprint, preset=preset, settings=settings
        )
        return made
    return Casebase.create(
        _path(location), dim=dim, fingerprint=fingerprint, preset=preset, settings=settings
    )


def store_exists(location: Location) -> bool:
    """Whether a database is there that can be opened.

    Raises:
        CasebaseError: nobody can tell.
    """
    if _on_server(location):
        return bool(_postgres().exists(location))
    return (_path(location) / "casebase.db").exists()


def remove_store(location: Location) -> None:
    """Remove a database with all that it holds; one that is not there is no error."""
    if _on_server(location):
        _postgres().remove(location)
        return
    shutil.rmtree(_path(location), ignore_errors=True)


def identity_of(location: Location) -> Hashable | None:
    """Changes when another database was put in the place of this one; ``None`` where none is."""
    if _on_server(location):
        token: str | None = _postgres().identity(location)
        return token
    try:
        seen = (_path(location) / "casebase.db").stat()
    except OSError:
        return None
    return seen.st_dev, seen.st_ino


def folder_of(location: Location) -> Path:
    """Where files are kept that belong to a database, see :class:`CaseDatabase`."""
    if _on_server(location):
        folder: Path = _postgres().Address.of(location).folder
        return folder
    return _path(location)


def _on_server(location: Location) -> bool:
    return scheme_of(location) in ("postgresql", "postgres")


def _postgres() -> ModuleType:
    """The engine for PostgreSQL.

    Raises:
        MissingExtra: its extra is not installed.
    """
    try:
        return import_module("mmedrag.backends.postgres")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("mmedrag"):
            raise
        raise MissingExtra(
            "A database on a server needs psycopg", "Install it: pip install 'mmedrag[postgres]'."
        ) from error


def _path(location: Location) -> Path:
    if scheme := scheme_of(location):
        raise CasebaseError(
            f"There is no engine for {scheme}:// addresses",
            "Give the path of a casebase, or a postgresql:// URL.",
        )
    return Path(location)
