"""InfoNCE with several right answers, and its gradients from a cache."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
import torch
from torch import Tensor
from torch.nn import functional

from mmedrag.training.losses import group_positives, info_nce, symmetric_info_nce, visible_info_nce


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


def test_loss_by_hand() -> None:
    rows = torch.eye(3)
    positive = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    visible = ~torch.eye(3, dtype=torch.bool)
    # rows 0 and 1 see each other and row 2, all at similarity 0: ln 2; row 2 has no answer
    loss = visible_info_nce(rows, rows, positive, visible, torch.tensor(10.0))
    assert float(loss) == pytest.approx(math.log(2), abs=1e-6)


def test_loss_without_an_answer_is_zero_and_learns_nothing() -> None:
    rows = torch.eye(2).requires_grad_()
    nothing = torch.zeros(2, 2, dtype=torch.bool)
    loss = visible_info_nce(rows, rows, nothing, ~nothing, torch.tensor(1.0))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not rows.grad.any()
