"""Names of databases: paths and URLs, and what of them is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.locations import location_of, scheme_of, shown


def test_a_path_is_a_path_and_a_url_stays_as_it_is() -> None:
    assert location_of("my.casebase") == Path("my.casebase")
    assert location_of("postgresql://db/cases") == "postgresql://db/cases"
    assert scheme_of("PostgreSQL://db") == "postgresql"
    assert scheme_of(Path("C:/cases")) == scheme_of("my.casebase") == ""


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("postgresql://ada:s3cret@db:5432/cases", "postgresql://ada:***@db:5432/cases"),
        ("postgresql://ada:a@b:c@db/cases", "postgresql://ada:***@db/cases"),
        ("postgresql://:s3cret@db/cases", "postgresql://:***@db/cases"),
        ("postgresql://ada@db/cases?password=s3cret&x=1", "postgresql://ada@db/cases?password=***&x=1"),
        ("postgresql://db/cases?sslpassword=s3cret", "postgresql://db/cases?sslpassword=***"),
        ("postgresql://ada@db,spare/cases", "postgresql://ada@db,spare/cases"),
        (Path("a:b@c"), "a:b@c"),
    ],
)  # fmt: skip
def test_passwords_are_masked(location, expected) -> None:
    assert shown(location) == expected


@given(st.text(st.characters(exclude_characters="/?#&"), min_size=1, max_size=20))
def test_no_password_is_shown(password) -> None:
    secret = f"<{password}>"
    assert secret not in shown(f"postgresql://ada:{secret}@db/cases")
    assert secret not in shown(f"postgresql://ada@db/cases?password={secret}")
