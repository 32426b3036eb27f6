"""What the numbers of a generation stand for, and that it goes with the last case."""

from __future__ import annotations

import numpy as np

from mmedrag.casebase import Casebase, Entry
from mmedrag.casebase.vocabulary import WORDS, values_of
from mmedrag.testing.case_index import DIM
from mmedrag.types import Case


def test_values_of_a_case():
    plain = [None, "CT", "", "", "2020", "", "", ""]
    found = list(values_of(plain, '["a", "b", "a", ""]', '{"n": 1, "s": {"t": "x"}, "e": ""}'))
    assert found == [
        ("modality", "CT"),
        ("date", "2020"),
        ("labels", "a"),
        ("labels", "b"),
        ("meta.n", "1"),
        ("meta.s", '{"t": "x"}'),
        ("meta.s.t", '"x"'),
    ]


def test_it_follows_deletions_and_publications(tmp_path):
    vector = np.zeros(DIM, np.float32)
    cases = [
        Case(id="a", text="rare effusion", modality="ct", labels=("x", "y")),
        Case(id="b", text="effusion effusions", modality="ct", labels=("y",)),
    ]
    with Casebase.create(tmp_path / "c", dim=DIM, fingerprint="f", preset="p") as casebase:
        casebase.add([Entry(case, vector, "", None) for case in cases])
        casebase.publish()
        vocabulary = casebase._access.database.vocabulary
        kept = vocabulary.counted(1)
        assert {stem: n for stem, (_, n) in kept[WORDS].items()} == {"rare": 1, "effus": 2}
        assert {label: n for label, (_, n) in kept["labels"].items()} == {"x": 1, "y": 2}
        number = kept[WORDS]["effus"][0]
        casebase.add([Entry(Case(id="c", text="rare", modality="mr"), vector, "", None)])
        casebase.delete(["c"])  # no generation holds it
        assert vocabulary.counted(1) == kept
        casebase.delete(["a"])
        assert vocabulary.counted(1)[WORDS] == {"effus": (number, 1)}
        assert vocabulary.number(1, WORDS, "rare") is None
        assert vocabulary.beginning(1, WORDS, "e") == ["effus"]
        assert list(vocabulary.values(1, "labels").values()) == ["y"]
        assert casebase.verify() == []
        casebase.publish()
        assert vocabulary.counted(1) == {}
        assert vocabulary.counted(2)["modality"] == {"ct": (1, 1)}
