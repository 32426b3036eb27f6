"""Heads by domain: the formula, the contract of a fusion, and refusals that say why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmedrag.checkpoint import Checkpoint, random_tensors, write_checkpoint
from mmedrag.encoders.fusion import Fusion, SharedAndOwn
from mmedrag.encoders.mixture import DomainMixture, mixture_layout
from mmedrag.encoders.projection import Reduction
from mmedrag.errors import CheckpointError
from mmedrag.measures.cosines import unit_rows
from mmedrag.testing.fusion import IMAGE_DIM, TEXT_DIM, FusionContract
from mmedrag.types import Domain

DIM = 4


def checkpoint(seed: int = 5) -> Checkpoint:
    tensors = random_tensors(mixture_layout(IMAGE_DIM, TEXT_DIM, DIM), seed)
    return Checkpoint(kind="mixture", tensors=tensors, encoders={"image": "i", "text": "t"})


def mixture() -> DomainMixture:
    return DomainMixture.from_checkpoint(checkpoint())


def shared_and_own() -> SharedAndOwn:
    random = np.random.default_rng(0)
    weight = random.normal(size=(5, IMAGE_DIM)).astype(np.float32)
    reduction = Reduction(np.zeros(IMAGE_DIM, np.float32), weight, "r")
    return SharedAndOwn(mixture(), reduction, TEXT_DIM, (0.3, 0.35, 0.35))


class TestMixture(FusionContract):
    def make(self) -> Fusion:
        return mixture()


class TestSharedAndOwn(FusionContract):
    def make(self) -> Fusion:
        return shared_and_own()


def slow_part(w: dict[str, np.ndarray], modality: str, x: np.ndarray) -> np.ndarray:
    unit = x / np.linalg.norm(x)
    logits = w[f"gate.{modality}.weight"] @ unit + w[f"gate.{modality}.bias"]
    gates = np.exp(logits) / np.exp(logits).sum()
    blocks = []
    for gate, domain in zip(gates, Domain, strict=True):
        p = w[f"{domain}.{modality}.weight"] @ x + w[f"{domain}.{modality}.bias"]
        blocks.append(np.sqrt(gate) * p / np.linalg.norm(p))
    return np.concatenate(blocks)


def test_the_mixture_is_its_formula() -> None:
    made, w = mixture(), checkpoint().tensors
    random = np.random.default_rng(2)
    x, y = (random.normal(size=(1, n)).astype(np.float32) for n in (IMAGE_DIM, TEXT_DIM))
    yes, no = np.array([True]), np.array([False])
    p, q = slow_part(w, "image", x[0]), slow_part(w, "text", y[0])
    np.testing.assert_allclose(made.fuse(x, None, yes, no)[0], p, atol=1e-5)
    both = (p + q) / np.linalg.norm(p + q)
    np.testing.assert_allclose(made.fuse(x, y, yes, yes)[0], both, atol=1e-5)


def test_similarity_of_image_and_text_is_weighted_by_both_gates() -> None:
    made, w = mixture(), dict(checkpoint().tensors)
    w["gate.image.bias"] = np.array([50, 0, 0], np.float32)  # certainly the first domain
    w["gate.text.bias"] = np.array([0, 50, 0], np.float32)  # certainly the second
    apart = DomainMixture(w, "apart")
    random = np.random.default_rng(2)
    x, y = (random.normal(size=(1, n)).astype(np.float32) for n in (IMAGE_DIM, TEXT_DIM))
    yes, no = np.array([True]), np.array([False])
    image, text = (f.fuse(x, None, yes, no) for f in (apart, made))
    assert not np.allclose(image, text)
    assert float((image @ apart.fuse(None, y, no, yes).T)[0, 0]) == pytest.approx(0, abs=1e-6)


def test_shares_weigh_the_three_similarities() -> None:
    made = shared_and_own()
    random = np.random.default_rng(4)
    x = random.normal(size=(2, IMAGE_DIM)).astype(np.float32)
    y = random.normal(size=(2, TEXT_DIM)).astype(np.float32)
    yes = np.array([True, True])
    fused = made.fuse(x, y, yes, yes)
    z = made.shared.fuse(x, y, yes, yes)
    own, said = made.image_reduction(x), unit_rows(y)
    expected = 0.3 * z[0] @ z[1] + 0.35 * own[0] @ own[1] + 0.35 * said[0] @ said[1]
    assert float(fused[0] @ fused[1]) == pytest.approx(float(expected), abs=1e-5)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "m", checkpoint())
    assert DomainMixture.load(tmp_path / "m", image_encoder="i", text_encoder="t").dim == 3 * DIM
    with pytest.raises(CheckpointError, match="text encoder"):
        DomainMixture.load(tmp_path / "m", image_encoder="i", text_encoder="other")
    wide = np.ones((1, IMAGE_DIM + 1), np.float32)
    with pytest.raises(CheckpointError, match="image features"):
        mixture().fuse(wide, None, np.array([True]), np.array([False]))
    broken = dict(checkpoint().tensors)
    del broken["pathology.text.bias"]
    with pytest.raises(CheckpointError, match=r"pathology\.text\.bias"):
        DomainMixture.from_checkpoint(Checkpoint(kind="mixture", tensors=broken))
    with pytest.raises(CheckpointError, match="lacks a head"):
        DomainMixture.from_checkpoint(Checkpoint(kind="mixture", tensors={}))
