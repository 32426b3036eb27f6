"""InfoNCE between two views of the same items, where an item may have several right answers."""

from __future__ import annotations

import torch
from torch import Tensor


def group_positives(groups: Tensor) -> Tensor:
    """Which items are right answers for each other: ``(n, n)``, each item for itself at least.

    Args:
        groups: integer codes ``(n, kinds)``, such as the study and the caption of each item. Two
            items are positives where they agree in any column; -1 agrees with nothing.
    """
    same = (groups[:, None] == groups[None]) & (groups[:, None] >= 0)
    return same.any(dim=2) | torch.eye(len(groups), dtype=torch.bool, device=groups.device)


def info_nce(asked: Tensor, shown: Tensor, positive: Tensor, scale: Tensor) -> Tensor:
    """``-mean_i mean_{j in P(i)} log softmax_j(s a_i . b_j)``.

    Where every item is its only positive this is InfoNCE (van den Oord et al. 2018); otherwise each
    positive has an equal share of the target (Khosla et al. 2020, eq. 2; Yang et al. 2022), so that
    an image is not pushed away from what is said of the other images of its study.

    Args:
        asked: rows ``a`` of norm 1, ``(n, dim)``.
        shown: rows ``b`` of norm 1, ``(n, dim)``.
        positive: ``P``, bool ``(n, n)``, at least one in each row.
        scale: ``s``, the inverse temperature.
    """
    targets = positive.to(asked.dtype)
    targets = targets / targets.sum(dim=1, keepdim=True)
    return -(targets * (scale * asked @ shown.T).log_softmax(dim=1)).sum(dim=1).mean()


def symmetric_info_nce(images: Tensor, texts: Tensor, positive: Tensor, scale: Tensor) -> Tensor:
    """The mean of :func:`info_nce` from images to texts and from texts to images."""
    forth = info_nce(images, texts, positive, scale)
    return (forth + info_nce(texts, images, positive.T, scale)) / 2
