"""A batch in slices has the gradients of the whole batch."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
import torch
from torch import Tensor, nn
from torch.nn import functional

from mmedrag.training.gradient_cache import cached_backward
from mmedrag.training.losses import group_positives, symmetric_info_nce


class Two(nn.Module):
    """Two small towers with dropout."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.image = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Dropout(dropout), nn.Linear(8, 4))
        self.text = nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.Dropout(dropout), nn.Linear(8, 4))
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    def gradients(self, n: int, micro: int) -> tuple[float, list[Tensor]]:
        torch.manual_seed(2)
        images, texts = torch.randn(n, 6), torch.randn(n, 5)
        positive = group_positives(torch.arange(n)[:, None] // 2)
        self.zero_grad()

        def embed(part: slice) -> tuple[Tensor, Tensor]:
            sides = self.image(images[part]), self.text(texts[part])
            return tuple(functional.normalize(side, dim=1) for side in sides)

        def loss(one: Tensor, other: Tensor) -> Tensor:
            return symmetric_info_nce(one, other, positive, self.log_scale.exp())

        return cached_backward(embed, n, micro, loss), [p.grad.clone() for p in self.parameters()]


@pytest.mark.parametrize("micro", [1, 3, 4, 12])
def test_cached_gradients_are_those_of_the_whole_batch(micro):
    model = Two(dropout=0.0)
    value, expected = model.gradients(13, 13)
    assert all(float(gradient.abs().max()) > 1e-4 for gradient in expected)
    cached, found = model.gradients(13, micro)
    assert cached == pytest.approx(value, abs=1e-6)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)


def test_dropout_repeats_itself_in_the_second_pass():
    """The gradient is that of the loss that was computed: finite differences agree."""
    model = Two(dropout=0.5).double()
    torch.set_default_dtype(torch.float64)
    try:
        _, gradients = model.gradients(12, 5)
        weight, step = model.text[3].weight, 1e-6
        losses = []
        for change in (step, -2 * step):
            with torch.no_grad():
                weight[1, 2] += change
            losses.append(model.gradients(12, 5)[0])
    finally:
        torch.set_default_dtype(torch.float32)
    place = [p is weight for p in model.parameters()].index(True)
    assert float(gradients[place][1, 2]) == pytest.approx(
        (losses[0] - losses[1]) / (2 * step), rel=1e-4
    )
