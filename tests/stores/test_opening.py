"""Databases opened by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedrag.casebase import Casebase
from mmedrag.errors import CasebaseError, CasebaseNotFound
from mmedrag.stores import (
    CaseDatabase,
    create_store,
    folder_of,
    identity_of,
    open_store,
    remove_store,
    store_exists,
)


def test_a_path_is_a_casebase(tmp_path: Path) -> None:
    path = tmp_path / "cases"
    assert not store_exists(path)
    assert identity_of(path) is None
    with create_store(path, dim=4, fingerprint="f", preset="p") as made:
        assert isinstance(made, Casebase)
        assert isinstance(made, CaseDatabase)
        assert made.folder == folder_of(path) == path
    first = identity_of(path)
    with open_store(str(path), readonly=True) as opened:
        assert opened.name == str(path)
    path.rename(tmp_path / "former")
    with pytest.raises(CasebaseNotFound):
        open_store(path)
    create_store(path, dim=4, fingerprint="f", preset="p").close()
    assert identity_of(path) not in (None, first)
    remove_store(path)
    remove_store(path)
    assert not path.exists()


def test_an_address_without_an_engine_is_an_error() -> None:
    for work in (open_store, store_exists, folder_of, identity_of):
        with pytest.raises(CasebaseError, match="no engine for oracle"):
            work("oracle://db/cases")
