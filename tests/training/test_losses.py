"""InfoNCE with several right answers, and its gradients from a cache."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mmedrag.training.gradient_cache import cached_backward
from mmedrag.training.losses import group_positives, info_nce, symmetric_info_nce


def unit(*rows: tuple[float, ...]) -> Tensor:
    return functional.normalize(torch.tensor(rows), dim=1)


def test_a_value_by_hand():
    asked = unit((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0))
    shown = unit((1.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    positive = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    # Scores are 2 (1, 1, 0), 2 (0, 0, 1) and 2 (-1, -1, 0).
    first = math.log(2 * math.e**2 + 1) - 2
    second = math.log(2 + math.e**2)
    third = math.log(2 * math.e**-2 + 1)
    found = info_nce(asked, shown, positive, torch.tensor(2.0))
    assert float(found) == pytest.approx((first + second + third) / 3, abs=1e-6)


def test_without_groups_it_is_plain_info_nce():
    torch.manual_seed(0)
    images, texts = (functional.normalize(torch.randn(7, 5), dim=1) for _ in range(2))
    alone = group_positives(torch.full((7, 2), -1))
    assert torch.equal(alone, torch.eye(7, dtype=torch.bool))
    scores, right = 9.0 * images @ texts.T, torch.arange(7)
    plain = functional.cross_entropy(scores, right) + functional.cross_entropy(scores.T, right)
    found = symmetric_info_nce(images, texts, alone, torch.tensor(9.0))
    assert float(found) == pytest.approx(float(plain / 2), abs=1e-6)


def test_positives_agree_in_any_column():
    groups = torch.tensor([[0, -1], [0, 3], [1, 3], [-1, -1]])
    expected = [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]
    assert group_positives(groups).int().tolist() == expected


def gradients_of_images(images: Tensor, texts: Tensor, positive: Tensor) -> Tensor:
    asked = images.clone().requires_grad_()
    symmetric_info_nce(asked, texts, positive, torch.tensor(20.0)).backward()
    return asked.grad


def test_an_image_is_drawn_to_the_other_captions_of_its_study():
    images = unit((1.0, 0.1, 0.0), (1.0, -0.1, 0.0), (0.0, 0.0, 1.0))
    texts = unit((1.0, 0.0, 0.2), (0.2, 1.0, 0.0), (0.0, 0.3, 1.0))
    study = group_positives(torch.tensor([[4], [4], [5]]))
    alone = torch.eye(3, dtype=torch.bool)
    drawn, pushed = (gradients_of_images(images, texts, p)[0] @ texts[1] for p in (study, alone))
    assert float(drawn) < float(pushed) - 0.1


def test_equal_captions_teach_the_same_with_and_without_groups():
    torch.manual_seed(3)
    images = functional.normalize(torch.randn(4, 5), dim=1)
    texts = functional.normalize(torch.randn(3, 5), dim=1)[[0, 0, 1, 2]]
    caption = group_positives(torch.tensor([[0], [0], [1], [2]]))
    found, plain = (
        gradients_of_images(images, texts, p) for p in (caption, torch.eye(4, dtype=torch.bool))
    )
    torch.testing.assert_close(found, plain, atol=1e-6, rtol=0)


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
