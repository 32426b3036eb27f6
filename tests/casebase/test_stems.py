"""Words and stems: the same for reports and questions, whatever the text."""

from __future__ import annotations

import re
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedrag.casebase.stems import Stemmer, folded, prepare, separated
from proofs import examples


@pytest.fixture(scope="module")
def stemmer():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    prepare(connection)
    yield Stemmer(connection)
    connection.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Kienböck", "kienbock"), ("ﬁbrosis", "fibrosis"), ("É", "e"), ("ΑΣ", "ας"), ("İ", "i")],
)
def test_folding(text, expected):
    assert folded(text) == expected


def test_stems(stemmer):
    words = ["effusions", "effusion", "nodules", "fractured", "肺炎", "ας"]
    assert stemmer.stems(words) == ["effus", "effus", "nodul", "fractur", "肺炎", "ασ"]
    assert stemmer.stems([]) == []


@settings(deadline=None, max_examples=examples(60))
@given(st.lists(st.text(max_size=30), max_size=5))
def test_words_of_several_texts_are_those_of_each(stemmer, texts):
    together = separated(texts)
    assert together.count("\x1e") == len(texts)
    alone = [word for text in texts for word in separated([text])]
    assert together == alone
    words = [word for word in together if word != "\x1e"]
    assert stemmer.stems(words) == stemmer.stems(words)
    assert all(stemmer.stems(words))


@settings(deadline=None, max_examples=examples(200))
@given(st.lists(st.text(st.characters(max_codepoint=0x2FF), max_size=30), max_size=3))
def test_plain_texts_are_split_as_all_others_are(texts):
    words = [re.findall(r"[^\W_]+", folded(text)) for text in texts]
    assert separated(texts) == [word for own in words for word in [*own, "\x1e"]]
