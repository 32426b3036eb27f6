"""Databases of cases, opened by a name: a folder, or the URL of a server."""

from mmedrag.stores.database import CaseDatabase
from mmedrag.stores.opening import (
    create_store,
    folder_of,
    identity_of,
    open_store,
    remove_store,
    store_exists,
)

__all__ = [
    "CaseDatabase",
    "create_store",
    "folder_of",
    "identity_of",
    "open_store",
    "remove_store",
    "store_exists",
]
