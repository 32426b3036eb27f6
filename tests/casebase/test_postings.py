"""The words of a generation and those of cases since are the same lists."""

from __future__ import annotations

import sqlite3
from tempfile import TemporaryFile

import numpy as np
import pytest

from mmedrag.casebase.postings import FreshPostings, Postings, PostingsWriter, words_of
from mmedrag.casebase.stems import Stemmer, prepare

TEXTS = [
    "Effusions on the left, no effusion on the right.",
    "",
    "nodule " * 300 + "Nódulo naïve",
    "The and of",
    "T2-weighted 3rd effusion_left",
    "x" * 65 + " masses",
]


@pytest.fixture
def stemmer():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    prepare(connection)
    yield Stemmer(connection)
    connection.close()


@pytest.mark.parametrize("cut", [0, 1, 3, 6])
@pytest.mark.parametrize("part", [1, 3, 1000])
def test_both_kinds_of_postings_say_the_same(tmp_path, stemmer, monkeypatch, cut, part):
    monkeypatch.setattr("mmedrag.casebase.postings._PART", part)
    fresh = FreshPostings(stemmer.stems, 10)
    with TemporaryFile(dir=tmp_path) as spool:
        writer = PostingsWriter(stemmer.stems, spool)
        for texts in (TEXTS[:cut], TEXTS[cut:]):
            writer.add(texts)
            fresh.add(texts)
        entry, counted = writer.write(tmp_path)
    stored = Postings(tmp_path, entry)
    everything = np.arange(len(TEXTS))
    np.testing.assert_array_equal(stored.lengths(everything), fresh.lengths(everything + 10))
    assert stored.words == stored.lengths(everything).sum()
    stems = {stem for text in TEXTS for stem in stemmer.stems(words_of(text))}
    assert {stem for stem, _ in counted} == stems
    for number, (stem, cases) in enumerate(counted, 1):
        positions, counts = stored.of(number)
        others, again = fresh.of(stem)
        assert positions.tolist() == (others - 10).tolist() == sorted(positions.tolist())
        assert counts.tolist() == again.tolist()
        assert stored.frequency(number) == fresh.frequency(stem) == cases == len(positions)
    assert fresh.of("unheard")[0].tolist() == []


def test_words_are_counted_folded_and_stemmed(stemmer):
    fresh = FreshPostings(stemmer.stems, 0)
    assert fresh.add(TEXTS) == 9 + 0 + 302 + 3 + 5 + 2
    assert fresh.of("effus")[0].tolist() == [0, 4]
    assert fresh.of("effus")[1].tolist() == [2, 1]
    assert fresh.of("nodul")[1].tolist() == [300]
    assert fresh.of("nodulo")[0].tolist() == [2]
    assert fresh.of("x" * 65)[0].tolist() == []
    assert fresh.stems("n") == {"nodul", "nodulo", "naiv"}
