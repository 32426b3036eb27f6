"""The study of terms and negation: scores by hand, and sources that get it wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from mmedrag.definitions import glossary
from mmedrag.evaluation.definitions import FIRST_RUN, SETS, Score, evaluate_definitions, sentences
from mmedrag.types import Assertion, Definition, Mention


class Changed:
    """The glossary, with every mention moved or judged alike."""

    def __init__(self, assertion: Assertion | None = None, shift: int = 0) -> None:
        self.source, self.assertion, self.shift = glossary(), assertion, shift

    def recognise(self, texts: Sequence[str]) -> list[tuple[Mention, ...]]:
        return [
            tuple(
                replace(m, end=m.end + self.shift, assertion=self.assertion or m.assertion)
                for m in said
            )
            for said in self.source.recognise(texts)
        ]

    def define(self, mentions: Sequence[Sequence[Mention]], limit: int) -> list[Definition]:
        return self.source.define(mentions, limit)


def test_scores_by_hand() -> None:
    score = Score(predicted=4, gold=6, both=3)
    assert (score.precision, score.recall) == (0.75, 0.5)
    assert score.f1 == pytest.approx(0.6)
    assert Score(0, 0, 0).f1 == 1.0
    assert Score(0, 5, 0).recall == 0.0


def test_the_sentences_ship_and_cover_domains_and_assertions() -> None:
    rows = [row for name in SETS for row in sentences(name)]
    assert len(rows) == len({row.text for row in rows}) >= 500
    assert min(Counter(row.domain for row in rows).values()) >= 100
    assert {said for row in rows for said in row.mentions.values()} == set(Assertion)
    for row in rows:
        places = sorted(row.mentions)
        assert all(a[1] <= b[0] for a, b in pairwise(places))
        assert all(row.text[start:end].strip() for start, end in places)


def test_every_set_meets_the_bars_after_correction() -> None:
    data = evaluate_definitions().data
    for name in SETS:
        of = data[name]["all"]
        assert of["mentions"]["f1"] >= 0.80
        assert of["assertions"]["negated"]["f1"] >= 0.95
        assert of["assertions"]["uncertain"]["f1"] >= 0.95
    assert data["first_run"].keys() == FIRST_RUN.keys()


def test_rules_that_see_no_negation_score_nothing_for_it() -> None:
    of = evaluate_definitions(Changed(Assertion.AFFIRMED)).data["third"]["all"]
    assert of["mentions"]["f1"] > 0.9
    assert of["assertions"]["negated"]["f1"] == 0.0
    assert 0 < of["right"] < 0.6


def test_spans_that_are_off_by_one_are_no_mentions() -> None:
    of = evaluate_definitions(Changed(shift=1)).data["third"]["all"]
    assert of["mentions"]["f1"] == 0.0
    assert of["assertions"]["negated"]["with_spans"] == 0.0


def test_kinds_are_shown_where_the_set_has_them() -> None:
    section = evaluate_definitions()
    assert {"pseudo", "family"} <= section.data["second"]["by_kind"].keys()
    assert not section.data["development"]["by_kind"]
    assert any("pseudo" in cell for table in section.tables for row in table.rows for cell in row)
