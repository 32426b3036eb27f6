"""Where a database of cases is: servers, database and schema, as a libpq URL says."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from mmedrag.errors import QueryError
from mmedrag.locations import Location, shown

SCHEMES = ("postgresql", "postgres")
SCHEMA = "mmedrag"
"""The schema of the tables, where the URL names no other by ``?schema=NAME``."""

_OWN = ("schema=", "qdrant=")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_PASSWORD = re.compile(r":\*\*\*(?=@)")


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """A parsed URL; it prints without its password.

    Attributes:
        conninfo: the URL as libpq takes it, which knows no schema.
        schema: of the tables.
        name: for messages.
        points: where Qdrant has the vector index; empty where PostgreSQL has it.
    """

    conninfo: str
    schema: str
    name: str
    points: str = ""

    @classmethod
    def of(cls, location: Location) -> Address:
        """Read a URL as ``postgresql://user@host,host/database?schema=NAME&qdrant=WHERE``.

        Raises:
            QueryError: the schema is no name.
        """
        base, mark, query = str(location).partition("?")
        items = [item for item in query.split("&") if item]
        own = dict(item.split("=", 1) for item in items if item.startswith(_OWN))
        schema = own.get("schema", SCHEMA)
        if not _NAME.fullmatch(schema):
            raise QueryError(
                f"{schema[:70]!r} is no name of a schema",
                "Use letters, digits and _, at most 63, as ?schema=cases.",
            )
        rest = "&".join(item for item in items if not item.startswith(_OWN))
        conninfo = f"{base}?{rest}" if mark and rest else base
        return cls(conninfo, schema, shown(location), unquote(own.get("qdrant", "")))

    @property
    def folder(self) -> Path:
        """Where files are kept that belong to the database, on this machine."""
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        server = _PASSWORD.sub("", shown(self.conninfo)).partition("?")[0]
        digest = hashlib.sha256(f"{server}\n{self.schema}".encode()).hexdigest()
        return Path(state) / "mmedrag" / digest[:16]

    def __repr__(self) -> str:
        return f"Address({self.name!r})"
