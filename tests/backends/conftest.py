"""One PostgreSQL for the tests of a run; each test has a schema of its own."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import pytest

from postgres_server import Server, running

_NUMBERS = count(1)

if find_spec("psycopg") is None:  # the extra postgres is not installed
    collect_ignore_glob = ["postgres/*", "qdrant/*"]


def execute(server: Server, statement: str) -> None:
    """Run a statement on the server's own database."""
    import psycopg

    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running() as started:
        execute(started, "CREATE EXTENSION vector")
        yield started


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files of databases are kept."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    """The address of a database that is not there yet."""
    schema = f"cases_{next(_NUMBERS)}"
    yield f"{server.url}?schema={schema}"
    execute(server, f"DROP SCHEMA IF EXISTS {schema} CASCADE")
