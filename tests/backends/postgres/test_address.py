"""URLs of databases: server, schema, and the folder that belongs to them."""

from __future__ import annotations

import pytest

from mmedrag.backends.postgres import Address
from mmedrag.errors import QueryError

URL = "postgresql://ada:s3cret@db:5432,spare/cases?sslmode=require"


def test_the_schema_is_ours_and_the_rest_is_libpqs() -> None:
    address = Address.of(f"{URL}&schema=chest")
    assert address.schema == "chest"
    assert address.conninfo == URL
    assert address.name == f"{URL.replace('s3cret', '***')}&schema=chest"
    assert Address.of(URL).schema == "mmedrag"
    assert Address.of("postgresql://db/cases?schema=a").conninfo == "postgresql://db/cases"
    assert "s3cret" not in repr(address)


def test_a_folder_for_each_database_whatever_the_password() -> None:
    folder = Address.of(URL).folder
    assert folder == Address.of(URL.replace("s3cret", "other")).folder
    assert folder == Address.of(URL.replace(":s3cret", "")).folder
    assert folder != Address.of(f"{URL}&schema=chest").folder
    assert folder != Address.of(URL.replace("/cases", "/others")).folder


@pytest.mark.parametrize("name", ["", "a-b", "1a", "a;drop", "a" * 64, 'a"b'])
def test_a_bad_schema_is_an_error(name) -> None:
    with pytest.raises(QueryError, match="schema"):
        Address.of(f"postgresql://db/cases?schema={name}")
