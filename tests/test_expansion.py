"""The walk over stored neighbours: eq. 4, from the best candidates on."""

from __future__ import annotations

import numpy as np
import pytest

from mmedrag.errors import QueryError
from mmedrag.expansion import ALPHA, OverNeighbours, walk

START = np.arange(3)
RELEVANCE = np.array([0.9, 0.5, 0.1])


def lists(*rows):
    near = np.zeros((len(rows), 20), np.int64)
    nearness = np.zeros((len(rows), 20))
    for row, neighbours in enumerate(rows):
        for column, (node, value) in enumerate(neighbours.items()):
            near[row, column], nearness[row, column] = node, value
    return near, nearness


def test_it_stands_still_where_equation_4_does():
    near, nearness = lists({1: 0.8, 3: 0.9}, {0: 0.8, 4: 0.5}, {1: 0.3})
    found = walk(START, RELEVANCE, near, nearness, 5)
    P = np.zeros((5, 5))
    for node, (targets, values) in enumerate(zip(near, nearness, strict=True)):
        np.add.at(P[:, node], targets, values**8 / (values**8).sum())
    q = np.exp((RELEVANCE - 0.9) / (0.7 * RELEVANCE.std()))
    q = np.append(q / q.sum(), [0, 0])
    exact = np.linalg.solve(np.eye(5) - ALPHA * P, (1 - ALPHA) * q)
    np.testing.assert_allclose(found, exact / exact.max(), atol=1e-3)


def test_what_no_candidate_is_near_is_not_reached():
    near, nearness = lists({3: 0.9}, {3: -0.2}, {})
    found = walk(START, RELEVANCE, near, nearness, 5)
    assert found[3] > 0
    assert found[4] == 0
    assert found.max() == 1
    nothing = walk(START[:0], RELEVANCE[:0], near[:0], nearness[:0], 0)
    assert nothing.shape == (0,)


def test_candidates_without_neighbours_keep_their_order():
    near, nearness = lists({}, {}, {})
    found = walk(START, RELEVANCE, near, nearness, 3)
    assert found.argsort().tolist() == [2, 1, 0]


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_is_from_0_to_1(share):
    with pytest.raises(QueryError, match="share of the walk"):
        OverNeighbours(share)
