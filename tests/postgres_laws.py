"""The contracts of case stores on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import ClassVar

import psycopg
import pytest

from mmedrag.backends.postgres import PostgresStore
from mmedrag.testing.case_index import DIM, CaseStoreLaws

TABLES = (
    "cases, vectors, attributes, previews, lexicon, counts, mentions, recognised, terms, "
    "recognisers, definition_vectors"
)
_NUMBERS = count(1)


def made(url: str, dim: int = DIM, **settings: str) -> PostgresStore:
    return PostgresStore.create(url, dim=dim, fingerprint="f", preset="p", settings=settings)


class OnServer(CaseStoreLaws):
    """Stores of one dimension share their tables, which are emptied before each use."""

    scan = 20_000
    options = ""
    """Of the URL, after the schema."""
    address: ClassVar[str]
    stores: ClassVar[dict[int, tuple[str, PostgresStore]]]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls, server) -> Iterator[None]:
        cls.address, cls.stores = server.url, {}
        yield
        for _, store in cls.stores.values():
            store.close()

    @contextmanager
    def empty(self, dim: int) -> Iterator[PostgresStore]:
        if dim not in self.stores or self.stores[dim][1]._sessions.closed:
            url = f"{self.address}?schema=laws_{next(_NUMBERS)}{self.options}"
            self.stores[dim] = url, made(url, dim)
        url, store = self.stores[dim]
        schema = url.partition("schema=")[2].partition("&")[0]
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(f"SET search_path TO {schema}, public")
            connection.execute(f"TRUNCATE {TABLES}")
            connection.execute("UPDATE state SET cases = 0, words = 0, deleted = 0")
        store.scan = self.scan
        yield store

    @contextmanager
    def reopened(self, store: PostgresStore) -> Iterator[PostgresStore]:
        url = next(url for url, held in self.stores.values() if held is store)
        with PostgresStore.open(url) as again:
            yield again
