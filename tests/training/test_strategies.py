"""The strategies in torch are those that are served in numpy."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedrag.encoders.fusion import (
    LearnedFusion,
    random_fusion,
)
from mmedrag.encoders.strategies import STRATEGIES
from mmedrag.training.strategies import FORMULAS, fuse, project

IMAGE_DIM, TEXT_DIM, DIM = 12, 7, 16


def features(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images, texts, and who has them; every item has one at least."""
    random = np.random.default_rng(seed)
    images = random.normal(size=(n, IMAGE_DIM)).astype(np.float32)
    texts = random.normal(size=(n, TEXT_DIM)).astype(np.float32)
    has_image = random.random(n) < 0.6
    return images, texts, has_image, ~has_image | (random.random(n) < 0.5)


few = settings(max_examples=10)


@pytest.mark.parametrize("strategy", STRATEGIES)
@few
@given(output_dim=st.sampled_from([None, 5]), seed=st.integers(0, 2**31), n=st.integers(1, 9))
def test_torch_agrees_with_numpy(strategy: str, output_dim: int | None, seed: int, n: int) -> None:
    served = random_fusion(strategy, IMAGE_DIM, TEXT_DIM, seed, dim=DIM, output_dim=output_dim)
    assert isinstance(served, LearnedFusion)
    told = features(seed, n)
    w = {name: torch.tensor(tensor) for name, tensor in served.tensors.items()}
    fused = fuse(strategy, w, project(w, *(torch.tensor(part) for part in told)))
    np.testing.assert_allclose(fused.numpy(), served.fuse(*told), atol=1e-5)


def test_every_learned_strategy_has_a_torch_formula() -> None:
    assert list(FORMULAS) == list(STRATEGIES)
