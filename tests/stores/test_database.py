"""What a casebase gives out as entries: all that it was given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmedrag.casebase import Casebase
from mmedrag.errors import CasebaseDamaged
from mmedrag.testing.case_index import DIM, JPEG, entries_of
from mmedrag.types import Assertion, Entry, Kind, Mention


def drawn() -> list[Entry]:
    """Entries with and without previews and mentions."""
    entries = entries_of(3, 12)
    entries[1] = replace(entries[1], thumbnail=JPEG)
    text = "left effusion"
    mention = Mention(
        "effusion", 5, 13, "C1", "effusion", Assertion.NEGATED, Kind.FINDING, ("left",)
    )
    case = replace(entries[2].case, text=text)
    entries[2] = replace(entries[2], case=case, mentions=(mention,), recogniser="r")
    entries[3] = replace(entries[3], mentions=(), recogniser="r")
    return entries


def same(some: Entry, other: Entry) -> bool:
    fields = ("case", "content", "thumbnail", "mentions", "recogniser")
    return all(getattr(some, f) == getattr(other, f) for f in fields) and np.array_equal(
        some.vector, other.vector
    )


@pytest.fixture
def casebase(tmp_path: Path):
    with Casebase.create(tmp_path / "cases", dim=DIM, fingerprint="f", preset="p") as made:
        made.add(drawn())
        yield made


def test_entries_are_what_was_added(casebase: Casebase) -> None:
    entries = drawn()
    found = list(casebase.entries())
    assert all(map(same, found, entries))
    assert len(found) == len(entries)


def test_some_entries_by_their_ids(casebase: Casebase) -> None:
    entries = drawn()
    wanted = [entries[5].case.id, "nobody", entries[2].case.id]
    assert [e.case.id for e in casebase.entries(wanted)] == [wanted[2], wanted[0]]
    assert list(casebase.entries([])) == []


def test_a_damaged_preview_is_no_entry(casebase: Casebase) -> None:
    for file in (casebase.path / "thumbnails").glob("*/*.jpg"):
        file.write_bytes(b"damaged")
    with pytest.raises(CasebaseDamaged, match="case-1"):
        list(casebase.entries())
