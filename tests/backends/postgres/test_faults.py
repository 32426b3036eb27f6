"""What goes wrong on a server is told with its remedy, and never with a password."""

from __future__ import annotations

import logging

import psycopg
import pytest

from mmedrag.backends.postgres import PostgresStore, exists, identity, remove
from mmedrag.errors import CasebaseError, CasebaseNotFound, QueryError
from mmedrag.testing.case_index import DIM
from postgres_server import PASSWORD, QUOTED, free_port

NEW = {"dim": DIM, "fingerprint": "f", "preset": "p"}


def opened(url: str) -> None:
    PostgresStore.open(url).close()


def created(url: str) -> None:
    PostgresStore.create(url, **NEW).close()


@pytest.mark.parametrize("work", [opened, created, exists])
def test_what_is_wrong_is_said_with_a_remedy(server, url, work, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    nobody = f"postgresql://postgres:{QUOTED}@127.0.0.1:{free_port()}/postgres"
    for bad, message in (
        (nobody, "refused.*Start the server"),
        (server.address("postgres", password="wr0ng"), "password authentication.*Check user"),
        (server.address("nowhere"), "does not exist.*createdb"),
        (server.address("template1"), "no pgvector.*CREATE EXTENSION"),
        (f"{server.url}?schema=a-b", "no name of a schema"),
    ):
        with pytest.raises((CasebaseError, QueryError), match=f"(?s){message}") as caught:
            work(bad)
        shown = f"{caught.value!r} {caught.value} {caplog.text}"
        assert "wr0ng" not in shown
        assert QUOTED not in shown
        assert PASSWORD not in shown


def test_what_is_not_there_is_not_found(url) -> None:
    assert not exists(url)
    assert identity(url) is None
    with pytest.raises(CasebaseNotFound, match="mmedrag index"):
        opened(url)
    created(url)
    assert exists(url)
    first = identity(url)
    with pytest.raises(CasebaseError, match="there already"):
        created(url)
    remove(url)
    remove(url)
    created(url)
    assert identity(url) not in (None, first)


def test_tables_of_a_later_version_are_refused(url, server) -> None:
    created(url)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"UPDATE {url.rpartition('=')[2]}.state SET format = 99")
    with pytest.raises(CasebaseError, match=r"format 99.*Upgrade"):
        opened(url)


def test_a_closed_store_says_so(url) -> None:
    created(url)
    store = PostgresStore.open(url)
    store.close()
    store.close()
    with pytest.raises(CasebaseError, match="closed"):
        store.count()


def test_a_user_without_rights_is_told(url, server) -> None:
    created(url)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    with pytest.raises(CasebaseError, match=r"permission denied.*own the schema"):
        opened(url.replace(f"postgres:{QUOTED}", "guest:guest"))
