"""A generation is held against the database by sums that miss no posting."""

from __future__ import annotations

import numpy as np
import pytest

from mmedrag.casebase import Casebase
from mmedrag.casebase.comparison import differences
from mmedrag.casebase.postings import Postings
from mmedrag.testing.case_index import DIM, entries_of


@pytest.fixture(params=["whole", "in pieces"])
def casebase(tmp_path, monkeypatch, request):
    if request.param == "in pieces":
        monkeypatch.setattr("mmedrag.casebase.comparison._CHUNK", 7)
        monkeypatch.setattr("mmedrag.casebase.postings._PART", 5)
    with Casebase.create(tmp_path / "c", dim=DIM, fingerprint="f", preset="p") as made:
        made.add(entries_of(5, 60))
        made.publish()
        yield made


def found(casebase: Casebase) -> list[str]:
    database, generations = casebase._access.database, casebase._access.generations
    settings = database.settings()
    name = generations.current()
    loaded = generations.load(name, database, settings["fingerprint"], int(settings["dim"]))
    return list(differences(database, loaded))


def test_what_is_deleted_since_makes_no_difference(casebase):
    assert found(casebase) == []
    casebase.delete([entry.case.id for entry in entries_of(5, 60)[::7]])
    assert found(casebase) == []


@pytest.mark.parametrize("array", [1, 2, 3])
def test_one_number_that_differs_is_found(casebase, monkeypatch, array):
    """A position, a count or a length."""
    arrays = Postings.arrays

    def changed(self):
        result = list(arrays(self))
        result[array] = Changed(result[array])
        return tuple(result)

    monkeypatch.setattr(Postings, "arrays", changed)
    assert found(casebase) == ["the lexical index does not match the texts"]


class Changed:
    """An array of which the tenth number is another."""

    def __init__(self, stored) -> None:
        self._values = stored.span().copy()
        self._values[10] += 1

    def __len__(self) -> int:
        return len(self._values)

    def span(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        return self._values[start:stop]

    def at(self, positions: np.ndarray) -> np.ndarray:
        return self._values[positions]
