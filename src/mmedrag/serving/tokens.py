"""Who may do what: bearer tokens with scopes by casebase, from a file or the environment.

The file is TOML, a table a person or program::

    [reading-room]
    sha256 = "…"                      # of the token, or: token = "…"
    scopes = ["read"]                 # of every casebase

    [curator]
    token = "…"
    [curator.casebases]
    chest = ["read", "write"]         # of this one alone
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from mmedrag.errors import QueryError
from mmedrag.serving.problems import Forbidden, Unauthorised

VARIABLE = "MMEDRAG_TOKENS"
"""The environment variable that may hold the text of a token file."""

SHORTEST = 16
"""Characters of a token; shorter ones can be guessed."""

_LOG = logging.getLogger(__name__)
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Scope(StrEnum):
    """What a token allows; ``admin`` includes ``write``, which includes ``read``."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def covers(self, other: Scope) -> bool:
        """Whether who has this scope has the other one too."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks. ``casebases`` are scopes by name; ``scopes`` hold for the other casebases."""

    name: str
    digest: bytes = b""
    scopes: frozenset[Scope] = frozenset()
    casebases: Mapping[str, frozenset[Scope]] = field(default_factory=dict)

    def may(self, scope: Scope, casebase: str | None = None) -> bool:
        """Whether it has the scope for a casebase, or with ``None`` for the service itself."""
        held = self.scopes if casebase is None else self.casebases.get(casebase, self.scopes)
        return any(own.covers(scope) for own in held)

    def require(self, scope: Scope, casebase: str | None = None) -> None:
        """Raises :class:`Forbidden` where it has not the scope."""
        if not self.may(scope, casebase):
            of = f" for the casebase {casebase}" if casebase is not None else ""
            raise Forbidden(
                f"The token of {self.name} has no scope {scope}{of}",
                "Ask whoever runs this service for it.",
            )


LOCAL = Client("local", scopes=frozenset({Scope.ADMIN}))
"""Everybody, where a service on the loopback address has no tokens."""


class Tokens:
    """The tokens of a file, read again when it changes, or those of a text.

    A file that can no longer be read leaves the tokens as they were, and a warning says so.
    """

    def __init__(self, source: Path | str) -> None:
        """Read them.

        Args:
            source: a path, or the text of a token file.

        Raises:
            QueryError: where it is no token file.
        """
        self._file = source if isinstance(source, Path) else None
        self._stamp = self._seen()
        self._clients = parse(_text(source) if isinstance(source, Path) else source)

    def client(self, token: str | None) -> Client:
        """Who has this token; every stored digest is compared, in constant time.

        Raises:
            Unauthorised: nobody has it.
        """
        self._refresh()
        if not token:
            raise Unauthorised(
                "The request has no token", "Send it as the header Authorization: Bearer TOKEN."
            )
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        same = [c for c in self._clients if hmac.compare_digest(c.digest, digest)]
        if not same:
            raise Unauthorised(
                "The token is not valid", "Check it; it may have been replaced by a new one."
            )
        return same[0]

    def _refresh(self) -> None:
        stamp = self._seen()
        if self._file is None or stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._clients = parse(_text(self._file))
        except QueryError as error:
            _LOG.warning("The tokens stay as they were: %s", error)

    def _seen(self) -> tuple[int, int, int] | None:
        try:
            seen = self._file.stat() if self._file is not None else None
        except OSError:
            return None
        return None if seen is None else (seen.st_mtime_ns, seen.st_size, seen.st_ino)


def parse(text: str) -> tuple[Client, ...]:
    """The clients of a token file.

    Raises:
        QueryError: where it is none; no token is repeated in the message.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise QueryError("The token file is not TOML", _REMEDY) from None
    if not tables:
        raise QueryError("The token file has no tokens", _REMEDY)
    return tuple(_client(name, table) for name, table in tables.items())


_REMEDY = "Write a table for each client: [name], token or sha256, and scopes."


def _client(name: str, table: Any) -> Client:  # noqa: ANN401 - TOML is of any type
    if not isinstance(table, dict) or table.keys() - {"token", "sha256", "scopes", "casebases"}:
        raise QueryError(f"The token file has an unknown entry under {name}", _REMEDY)
    by_casebase = table.get("casebases", {})
    if not isinstance(by_casebase, dict):
        raise QueryError(f"casebases of {name} is no table", _REMEDY)
    return Client(
        name,
        _digest(name, table),
        _scopes(name, table.get("scopes", [])),
        {casebase: _scopes(name, scopes) for casebase, scopes in by_casebase.items()},
    )


def _digest(name: str, table: Mapping[str, Any]) -> bytes:
    token, sha256 = table.get("token"), table.get("sha256")
    if isinstance(sha256, str) and token is None and _SHA256.fullmatch(sha256.lower()):
        return bytes.fromhex(sha256)
    if isinstance(token, str) and sha256 is None and len(token) >= SHORTEST:
        return hashlib.sha256(token.encode()).digest()
    raise QueryError(
        f"{name} of the token file has no usable token",
        f"Give either token, of {SHORTEST} characters or more, or its sha256 as 64 hex digits.",
    )


def _scopes(name: str, scopes: object) -> frozenset[Scope]:
    if not isinstance(scopes, list) or not set(map(str, scopes)) <= set(Scope):
        raise QueryError(f"{name} of the token file has other scopes than read, write, admin",
                         "Give them as a list, as [\"read\"].")  # fmt: skip
    return frozenset(map(Scope, scopes))


def is_open(file: Path) -> bool:
    """Whether every user of the machine may read a file."""
    return bool(file.stat().st_mode & stat.S_IROTH)


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        raise QueryError(f"{file} is no text", "Name a token file (UTF-8, TOML).") from None
    except OSError as error:
        raise QueryError(
            f"{file} cannot be read ({error.strerror})",
            "Name a token file (UTF-8, TOML) that the service's user may read.",
        ) from None
