"""The tables: partitions by domain, and tables of an older format."""

from __future__ import annotations

import psycopg
import pytest

from mmedrag.backends.postgres import PostgresStore, schema
from mmedrag.testing.case_index import DIM, entries_of


def test_each_domain_has_a_partition(url, server) -> None:
    with PostgresStore.create(url, dim=DIM, fingerprint="f", preset="p") as store:
        store.add(entries_of(1, 40))
        names = {*map(str, store.domains()), schema.UNASSIGNED}
    with psycopg.connect(server.url) as connection:
        connection.execute(f"SET search_path TO {url.rpartition('=')[2]}, public")
        for name in names:
            table = schema.partition_of(name)
            text = f"SELECT count(*), min(domain), max(domain) FROM {table}"
            count, first, last = connection.execute(text).fetchone()
            assert count > 0
            assert first == last == name


def test_older_tables_are_brought_to_the_newest_format(url, monkeypatch) -> None:
    with PostgresStore.create(url, dim=DIM, fingerprint="f", preset="p") as store:
        store.add(entries_of(1, 3))
    later = "ALTER TABLE cases ADD COLUMN reader text"
    monkeypatch.setattr(schema, "_MIGRATIONS", (*schema._MIGRATIONS, later))
    monkeypatch.setattr(schema, "FORMAT", 2)
    with PostgresStore.open(url, readonly=True) as store:
        assert store.notices == []
    with PostgresStore.open(url) as store:
        assert len(store.notices) == 1
        assert "brought to format" in store.notices[0]
        assert store.count() == 3
    with PostgresStore.open(url) as store:
        assert store.info()["format"] == "2"
        assert store.notices == []


@pytest.mark.parametrize("name", ["a" * 40, "x-1", "x_1"])
def test_a_partition_has_a_name_that_postgresql_takes(name) -> None:
    assert len(schema.partition_of(name)) <= 63
    assert schema.partition_of(name) != schema.partition_of(f"{name}2")
