"""Writes of others at the worst moment are not taken for lost ones, and lost ones are noticed."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import numpy as np
import psycopg
import pytest

from mmedrag.backends.postgres import PostgresStore, sessions
from mmedrag.backends.postgres.acknowledged import Acknowledged
from mmedrag.backends.postgres.address import Address
from mmedrag.backends.postgres.sessions import connect
from mmedrag.casebase.ledger import Ledger
from mmedrag.errors import CasebaseDamaged
from mmedrag.testing.case_index import DIM, entry
from postgres_server import Server, folder, running


def made(url: str) -> PostgresStore:
    return PostgresStore.create(url, dim=DIM, fingerprint="f", preset="p")


def one(name: str) -> list:
    return [entry(np.random.default_rng(0), name)]


@pytest.fixture
def after_epoch(monkeypatch) -> Callable[[Callable[[], None]], None]:
    """Do something once, as soon as any session has read at which write the server stands."""
    pending: list[Callable[[], None]] = []
    execute = psycopg.Connection.execute

    def interrupted(self, query, *values, **options):
        cursor = execute(self, query, *values, **options)
        if str(query).startswith("SELECT epoch FROM state") and pending:
            pending.pop()()
        return cursor

    monkeypatch.setattr(psycopg.Connection, "execute", interrupted)
    return pending.append


def test_a_write_that_returns_while_others_read_is_not_lost(url, after_epoch) -> None:
    with made(url) as store:
        after_epoch(lambda: store.add(one("a")))
        assert store.count() == 0  # of the state before the write
        assert store.notices == []
        store.add(one("b"))
        assert store.count() == 2


def test_a_write_that_returns_while_others_open_is_not_lost(url, after_epoch) -> None:
    with made(url) as writer:
        after_epoch(lambda: writer.add(one("a")))
        with PostgresStore.open(url) as store:
            assert store.notices == []
            store.add(one("b"))
            assert store.count() == 2


def test_what_was_accepted_while_others_read_stays_accepted(url, server, after_epoch) -> None:
    with made(url) as store:
        store.add(one("a"))
        store.add(one("b"))
        restore(url, server, 1)
        assert store.count() == 2
        assert "1 acknowledged writes are lost" in store.notices[0]

        def accept() -> None:
            store.accept()
            store.add(one("c"))
            store.add(one("d"))

        after_epoch(accept)
        store.count()
        store.add(one("e"))
        assert len(store.notices) == 1


def test_lost_writes_are_noticed_by_whoever_writes_next(url, server) -> None:
    with made(url) as store:
        store.add(one("a"))
        store.add(one("b"))
        restore(url, server, 1)
        with pytest.raises(CasebaseDamaged, match="1 acknowledged writes"):
            store.add(one("c"))
        assert store.count() == 2
        assert len(store.notices) == 1


def noted(folder: Path, epochs: range) -> None:
    acknowledged = Acknowledged(Ledger(folder))
    for epoch in epochs:
        acknowledged.note(epoch)


def test_a_late_note_hides_no_later_write(tmp_path) -> None:
    earlier, later = (Acknowledged(Ledger(tmp_path)) for _ in range(2))
    later.note(2)
    earlier.note(1)
    assert Ledger(tmp_path).acknowledged() == 2


def test_threads_and_processes_note_the_last_write(tmp_path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [
        spawn.Process(target=noted, args=(tmp_path, range(first, 61, 3))) for first in (1, 2)
    ]
    for process in processes:
        process.start()
    acknowledged = Acknowledged(Ledger(tmp_path))
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(acknowledged.note, range(60, 0, -1)))
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert acknowledged.epoch == Ledger(tmp_path).acknowledged() == 60


def test_an_attempt_that_still_commits_is_waited_for(url, server) -> None:
    made(url).close()
    token = uuid4()
    waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with (
        psycopg.connect(server.url) as former,
        psycopg.connect(server.url, autocommit=True) as observer,
        connect(Address.of(url), readonly=False) as again,
        ThreadPoolExecutor(1) as threads,
    ):
        former.execute(f"SET search_path TO {url.rpartition('=')[2]}, public")
        former.execute("UPDATE state SET epoch = 1")
        text = "INSERT INTO writes (epoch, token, doing, cases) VALUES (1, %s, 'add', 7)"
        former.execute(text, [token])
        answer = threads.submit(sessions._written, again, token)
        while not answer.done() and observer.execute(waits).fetchone() == (False,):
            pass
        former.commit()
        assert answer.result() == (1, 7)


def test_a_standby_that_follows_later_has_lost_nothing() -> None:
    with running() as primary, folder() as path:
        with psycopg.connect(primary.url, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
        standby = Server(path)
        url = standby.address("postgres", primary)
        made(primary.url).close()
        standby.copy_of(primary, "spare")
        standby.start()
        try:
            with psycopg.connect(standby.url, autocommit=True) as connection:
                connection.execute("SELECT pg_wal_replay_pause()")
            with PostgresStore.open(url) as writer:
                writer.add(one("a"))
            with PostgresStore.open(f"{url}?target_session_attrs=any") as late:
                assert late.info()["role"] == "standby"
                assert late.count() == 0
                assert late.notices == []
        finally:
            standby.stop()


def restore(url: str, server, epoch: int) -> None:
    """Let the server stand at an older state."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"SET search_path TO {url.rpartition('=')[2]}, public")
        connection.execute("DELETE FROM writes WHERE epoch > %s", [epoch])
        connection.execute("UPDATE state SET epoch = %s", [epoch])
