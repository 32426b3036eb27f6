"""A linear order of lists, fitted to grades: what ``--reranker learned`` sorts by.

ListNet (Cao et al. 2007): the softmax of a list's scores shall be the share that each item has of
the list's grades, by cross-entropy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from mmedrag.types import Matrix

RIDGE = 0.1
"""On the weights of standardised columns; chosen on sets left out in turn."""

_STEPS, _RATE = 300, 0.05
_NOWHERE = -1e9  # the score of a place of the padded list where nothing stands


def fit_order(
    lists: Sequence[Matrix],
    grades: Sequence[NDArray[np.integer]],
    shares: NDArray[np.float64],
    monotone: NDArray[np.integer],
    ridge: float = RIDGE,
) -> NDArray[np.float32]:
    """Weights of the columns by which lists are sorted, ``(m,)``.

    Args:
        lists: features of the items of each list, ``(n_i, m)``.
        grades: how good each item is, from 0, ``(n_i,)``.
        shares: how much each list counts, ``(lists,)``.
        monotone: 1 where more of a column may not lower the score, -1 where it may not raise it,
            0 where it may do either, ``(m,)``; so that the habits of a set of questions are not
            learned against what the columns mean.
        ridge: penalty on the squared weights.

    Returns:
        For columns as they come; a column that is the same all over a list has no say in it. A list
        whose items are all equally good teaches nothing.
    """
    scale = np.concatenate(lists).std(axis=0) + 1e-6
    used = [i for i, some in enumerate(grades) if len(some) and some.min() < some.max()]
    longest = max((len(grades[i]) for i in used), default=0)
    columns = np.zeros((len(used), longest, len(scale)), np.float32)
    targets = np.zeros((len(used), longest), np.float32)
    there = np.zeros((len(used), longest), np.bool_)
    for row, i in enumerate(used):
        n = len(grades[i])
        columns[row, :n] = (lists[i] - lists[i].mean(axis=0)) / scale
        targets[row, :n] = grades[i] / grades[i].sum() * shares[i]
        there[row, :n] = True
    weights = _least(
        torch.from_numpy(columns),
        torch.from_numpy(targets),
        torch.from_numpy(there),
        torch.from_numpy(np.asarray(monotone)),
        ridge,
    )
    return np.asarray(weights / scale, np.float32)


def _least(
    columns: torch.Tensor,
    targets: torch.Tensor,
    there: torch.Tensor,
    monotone: torch.Tensor,
    ridge: float,
) -> NDArray[np.float64]:
    """The allowed weights of the least loss, float64 ``(m,)``, by projected gradients.

    The loss is convex, and so is what is allowed.
    """
    weights = torch.zeros(columns.shape[2], requires_grad=True)
    optimiser = torch.optim.Adam([weights], lr=_RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, _STEPS)
    for _ in range(_STEPS):
        optimiser.zero_grad()
        scores = (columns @ weights).masked_fill(~there, _NOWHERE)
        entropy = -(targets * functional.log_softmax(scores, dim=1)).sum()
        loss = entropy / max(1, len(targets)) + ridge * weights.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            weights[monotone * weights < 0] = 0.0
    return weights.detach().numpy().astype(np.float64)
