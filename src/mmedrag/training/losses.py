"""InfoNCE between two views of the same items, where an item may have several right answers."""

from __future__ import annotations

import torch
from torch import Tensor

SCALE, LARGEST_SCALE = 1 / 0.07, 100.0
"""The inverse temperature that learning starts from, and its bound (Radford et al. 2021)."""


def group_positives(groups: Tensor) -> Tensor:
    """Which items are right answers for each other: ``(n, n)``, each item for itself at least.

    Args:
        groups: integer codes ``(n, kinds)``, such as the study and the caption of each item. Two
            items are positives where they agree in any column; -1 agrees with nothing.
    """
    same = (groups[:, None] == groups[None]) & (groups[:, None] >= 0)
    return same.any(dim=2) | torch.eye(len(groups), dtype=torch.bool, device=groups.device)


def info_nce(queries: Tensor, shown: Tensor, positive: Tensor, scale: Tensor) -> Tensor:
    """:func:`visible_info_nce` where every query is compared with every item.

    Where every item is its only positive this is InfoNCE (van den Oord et al. 2018); otherwise each
    positive has an equal share of the target (Khosla et al. 2020, eq. 2; Yang et al. 2022), so that
    an image is not pushed away from what is said of the other images of its study.

    Args:
        queries: rows ``a`` of norm 1, ``(n, dim)``.
        shown: rows ``b`` of norm 1, ``(n, dim)``.
        positive: ``P``, bool ``(n, n)``.
        scale: ``s``, the inverse temperature.
    """
    return visible_info_nce(queries, shown, positive, torch.ones_like(positive), scale)


def visible_info_nce(
    queries: Tensor, shown: Tensor, positive: Tensor, visible: Tensor, scale: Tensor
) -> Tensor:
    """``-mean_i mean_{j in P(i)} log softmax_j(s a_i . b_j)`` over the visible ``j``.

    Args:
        queries: rows ``a``, ``(n, dim)``.
        shown: rows ``b``, ``(n, dim)``.
        positive: ``P``, bool ``(n, n)``; queries without a visible positive do not count.
        visible: which ``b_j`` each ``a_i`` is compared with.
        scale: ``s``, the inverse temperature.
    """
    targets = (positive & visible).to(queries.dtype)
    answerable = targets.sum(dim=1) > 0
    targets = targets[answerable] / targets[answerable].sum(dim=1, keepdim=True)
    logits = (scale * queries @ shown.T).masked_fill(~visible, -1e4)[answerable]
    lost = -(targets * logits.log_softmax(dim=1)).sum()
    return lost / answerable.sum().clamp(min=1)


def symmetric_info_nce(images: Tensor, texts: Tensor, positive: Tensor, scale: Tensor) -> Tensor:
    """The mean of :func:`info_nce` from images to texts and from texts to images.

    Vectors ``(n, dim)`` each, ``positive`` bool ``(n, n)``.
    """
    forth = info_nce(images, texts, positive, scale)
    return (forth + info_nce(texts, images, positive.T, scale)) / 2
