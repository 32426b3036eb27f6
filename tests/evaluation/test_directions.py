"""Ranks do not depend on where equal vectors stand, and chance is chance."""

from __future__ import annotations

import numpy as np
import pytest

from mmedrag.datasets.corpus import Relevance
from mmedrag.evaluation.directions import Direction, Side, measure
from mmedrag.measures.cosines import unit_rows
from mmedrag.types import Case


def test_equal_vectors_tie_wherever_they_stand() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=(1, 301)).astype(np.float32)
    rows = np.arange(37)
    everything = Side(rows, np.repeat(one, 37, axis=0))
    query = Side(rows[:5], rng.normal(size=(5, 301)).astype(np.float32))
    (_, scores, visible) = next(Direction("d", query, everything).scored())
    assert np.ptp(scores, axis=1).tolist() == [0.0] * 5
    assert visible.all()


def test_random_vectors_are_at_chance() -> None:
    rng = np.random.default_rng(3)
    rows = np.arange(400)
    vectors = unit_rows(rng.normal(size=(2, 400, 64)).astype(np.float32).reshape(800, 64))
    truth = Relevance.of([Case(id=str(i)) for i in rows], rows // 4)
    direction = Direction("d", Side(rows, vectors[:400]), Side(rows, vectors[400:]))
    measured = measure(direction, truth)
    assert measured is not None
    chance = 4 / 400
    assert np.mean(measured.chance) == pytest.approx(chance)
    assert abs(measured.values[:, 0].mean() - chance) < 4 * np.sqrt(chance / 400)
    assert not measured.silent
