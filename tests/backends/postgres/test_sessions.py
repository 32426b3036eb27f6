"""Servers that go away: kill -9 in the middle of writes, a standby promoted, nothing lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psycopg
import pytest

from mmedrag.backends.postgres import PostgresStore
from mmedrag.errors import CasebaseError
from mmedrag.testing.case_index import DIM, entry, unit
from mmedrag.testing.questions import question_of
from mmedrag.types import Query
from postgres_server import Server, folder, running


@pytest.fixture
def primary_and_standby() -> Iterator[tuple[Server, Server]]:
    """A primary whose writes wait for its standby."""
    with running() as primary, folder() as path:
        with psycopg.connect(primary.url, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
        standby = Server(path)
        standby.copy_of(primary, "spare")
        standby.start()
        with psycopg.connect(primary.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'spare'")
            connection.execute("SELECT pg_reload_conf()")
        try:
            yield primary, standby
        finally:
            standby.stop()


def test_nothing_acknowledged_is_lost_with_the_primary(primary_and_standby) -> None:
    primary, standby = primary_and_standby
    url = primary.address("postgres", standby)
    rng = np.random.default_rng(0)
    acknowledged: list[str] = []
    under_way = threading.Event()

    def fall() -> None:
        under_way.wait()
        primary.kill()
        standby.control("promote")

    falling = threading.Thread(target=fall)
    falling.start()
    with PostgresStore.create(url, dim=DIM, fingerprint="f", preset="p") as store:
        for number in range(40):
            pair = [entry(rng, f"{number}-{part}") for part in range(2)]
            store.add(pair)
            acknowledged += [e.case.id for e in pair]
            if number % 10 == 9:
                assert store.delete([acknowledged.pop(0)]) == 1
            if number == 5:
                under_way.set()
        falling.join()
        assert store.notices == []
        assert set(store.ids()) == set(acknowledged)
        assert store.verify() == []
        hits = store.search(question_of(Query(), unit(rng)), 100)
        assert {hit.case.id for hit in hits} == set(acknowledged)
    with psycopg.connect(standby.url) as connection:
        connection.execute("SET search_path TO mmedrag")
        text = "SELECT doing, sum(cases)::int FROM writes GROUP BY 1"
        assert dict(connection.execute(text).fetchall()) == {
            "add cases to": 80,
            "delete cases from": 4,
        }


def test_whoever_only_reads_is_served_by_the_standby(primary_and_standby) -> None:
    primary, standby = primary_and_standby
    url = primary.address("postgres", standby)
    with psycopg.connect(primary.url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_commit = 'remote_apply'")
        connection.execute("SELECT pg_reload_conf()")
    with PostgresStore.create(url, dim=DIM, fingerprint="f", preset="p") as store:
        store.add([entry(np.random.default_rng(0), "a")])
        assert store.info()["role"] == "primary"
        with PostgresStore.open(url, readonly=True) as reader:
            assert reader.info()["role"] == "standby"
            assert reader.count() == 1
            primary.kill()
            assert reader.count() == 1
            with pytest.raises(CasebaseError, match="reading only"):
                reader.delete(["a"])


def test_many_threads_write_and_read_at_once(url) -> None:
    rng = np.random.default_rng(0)
    entries = [[entry(rng, f"{thread}-{i}") for i in range(10)] for thread in range(4)]
    with PostgresStore.create(url, dim=DIM, fingerprint="f", preset="p") as store:

        def work(mine) -> None:
            for one in mine:
                store.add([one])
                hits = store.search(question_of(Query(), one.vector), 50)
                assert one.case.id in {hit.case.id for hit in hits}

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(work, entries))
        assert store.count() == 40
        assert store.verify() == []
