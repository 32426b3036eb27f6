"""Large contrastive batches in little memory (GradCache: Gao et al. 2021, arXiv 2101.06983).

Every item of a batch is a negative of every other, so the batch cannot be cut into pieces whose
gradients are summed. But the loss needs the embeddings only: they are made without a graph, the
loss gives the gradient of each, and a second pass carries these into the weights piece by piece.
The gradients are those of the whole batch; the price is a second forward pass.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Embed = Callable[[slice], tuple[Tensor, Tensor]]
"""Image and text embeddings of a part of the batch, ``(m, dim)`` each, with their graph."""


def cached_backward(
    embed: Embed, n: int, micro: int, loss: Callable[[Tensor, Tensor], Tensor]
) -> float:
    """Add the gradients of ``loss`` over a batch to all weights; return the loss.

    Args:
        embed: called twice for each part, with the same random state (dropout repeats itself).
            Layers must not depend on the rest of a part: batch normalisation has to be frozen.
        n: items in the batch.
        micro: items embedded with a graph at a time; with ``n`` or more there is one plain pass.
        loss: of all image and text embeddings, ``(n, dim)`` each.
    """
    if micro >= n:
        value = loss(*embed(slice(0, n)))
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())
    slices = [slice(start, min(start + micro, n)) for start in range(0, n, micro)]
    made, states = [], []
    with torch.no_grad():
        for rows in slices:
            states.append(_random_state())
            made.append(embed(rows))
    images, texts = (torch.cat(side).requires_grad_() for side in zip(*made, strict=True))
    value = loss(images, texts)
    value.backward()  # type: ignore[no-untyped-call]
    for rows, state in zip(slices, states, strict=True):
        _set_random_state(state)
        gradients = [side.grad[rows] for side in (images, texts) if side.grad is not None]
        torch.autograd.backward(embed(rows), gradients)
    return float(value.detach())


def _random_state() -> tuple[Tensor, list[Tensor]]:
    on_gpu = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return torch.get_rng_state(), on_gpu


def _set_random_state(state: tuple[Tensor, list[Tensor]]) -> None:
    torch.set_rng_state(state[0])
    if state[1]:
        torch.cuda.set_rng_state_all(state[1])
