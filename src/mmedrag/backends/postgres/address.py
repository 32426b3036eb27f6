"""Where a database of cases is: servers, database and schema, as a libpq URL says."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from mmedrag.errors import QueryError
from mmedrag.locations import Location, shown

SCHEMES = ("postgresql", "postgres")
SCHEMA = "mmedrag"
"""The schema of the tables, where the URL names no other by ``?schema=NAME``."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_PASSWORD = re.compile(r":\*\*\*(?=@)")


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """A parsed URL; it prints without its password.

    Attributes:
        conninfo: the URL as libpq takes it, which knows no schema.
        schema: of the tables.
        name: for messages.
    """

    conninfo: str
    schema: str
    name: str

    @classmethod
    def of(cls, location: Location) -> Address:
        """Read a URL as ``postgresql://user@host,host/database?schema=NAME``.

        Raises:
            QueryError: the schema is no name.
        """
        base, mark, query = str(location).partition("?")
        items = [item for item in query.split("&") if item]
        schemas = [item.partition("=")[2] for item in items if item.startswith("schema=")]
        schema = schemas[-1] if schemas else SCHEMA
        if not _NAME.fullmatch(schema):
            raise QueryError(
                f"{schema[:70]!r} is no name of a schema",
                "Use letters, digits and _, at most 63, as ?schema=cases.",
            )
        rest = "&".join(item for item in items if not item.startswith("schema="))
        return cls(f"{base}?{rest}" if mark and rest else base, schema, shown(location))

    @property
    def folder(self) -> Path:
        """Where files are kept that belong to the database, on this machine."""
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        server = _PASSWORD.sub("", shown(self.conninfo)).partition("?")[0]
        digest = hashlib.sha256(f"{server}\n{self.schema}".encode()).hexdigest()
        return Path(state) / "mmedrag" / digest[:16]

    def __repr__(self) -> str:
        return f"Address({self.name!r})"
