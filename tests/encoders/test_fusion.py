"""Section 4.5: each strategy against its formula in plain Python, and what a checkpoint must be."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.checkpoint import Checkpoint, write_checkpoint
from mmedrag.encoders.fusion import (
    Concat,
    Early,
    Fusion,
    LearnedFusion,
    SharedSpace,
    fusion_layout,
    load_fusion,
    random_fusion,
)
from mmedrag.encoders.projection import Reduction
from mmedrag.encoders.strategies import STRATEGIES, pool_set
from mmedrag.errors import CheckpointError, UntrainedError
from mmedrag.testing.fusion import IMAGE_DIM, TEXT_DIM, FusionContract

DIM = 16


def learned(strategy: str, seed: int = 3, output_dim: int | None = None) -> LearnedFusion:
    fusion = random_fusion(strategy, IMAGE_DIM, TEXT_DIM, seed, dim=DIM, output_dim=output_dim)
    assert isinstance(fusion, LearnedFusion)
    return fusion


def reduction(width: int, dim: int, seed: int = 0) -> Reduction:
    random = np.random.default_rng(seed)
    return Reduction(
        random.normal(size=width).astype(np.float32) * 0.1,
        random.normal(size=(dim, width)).astype(np.float32),
        "reduction:test",
    )


class TestContrastive(FusionContract):
    def make(self) -> Fusion:
        return learned("contrastive")


class TestMlp(FusionContract):
    def make(self) -> Fusion:
        return learned("mlp")


class TestWeighted(FusionContract):
    def make(self) -> Fusion:
        return learned("weighted")


class TestGated(FusionContract):
    def make(self) -> Fusion:
        return learned("gated")


class TestLate(FusionContract):
    def make(self) -> Fusion:
        return learned("late")


class TestAttention(FusionContract):
    def make(self) -> Fusion:
        return learned("attention")


class TestDeepset(FusionContract):
    def make(self) -> Fusion:
        return learned("deepset")


class TestCrossAttention(FusionContract):
    def make(self) -> Fusion:
        return learned("cross-attention")


class TestOutputHead(FusionContract):
    def make(self) -> Fusion:
        return learned("gated", output_dim=6)


class TestEarly(FusionContract):
    def make(self) -> Fusion:
        return Early(IMAGE_DIM, TEXT_DIM)


class TestConcat(FusionContract):
    def make(self) -> Fusion:
        return Concat(IMAGE_DIM, TEXT_DIM, 0.3)


class TestReducedConcat(FusionContract):
    def make(self) -> Fusion:
        return Concat(
            IMAGE_DIM, TEXT_DIM, 0.6, reduction(IMAGE_DIM, 5), reduction(TEXT_DIM, TEXT_DIM)
        )


class TestSharedSpace(FusionContract):
    widths = (9, 9)

    def make(self) -> Fusion:
        return SharedSpace(9)


# Plain Python, one item at a time. ``w`` are the tensors, ``x`` and ``y`` lists or None.

List = list[float]


def dense(w: dict, name: str, x: List) -> List:
    return [
        sum(a * b for a, b in zip(row, x, strict=True)) + bias
        for row, bias in zip(w[f"{name}.weight"].tolist(), w[f"{name}.bias"].tolist(), strict=True)
    ]


def unit(x: List) -> List:
    norm = math.sqrt(sum(v * v for v in x))
    return [v / norm for v in x] if norm else x


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def mix(shares: List, rows: list[List]) -> List:
    return [
        sum(s * row[i] for s, row in zip(shares, rows, strict=True)) for i in range(len(rows[0]))
    ]


def softmax(scores: List) -> List:
    powers = [math.exp(s) for s in scores]
    return [p / sum(powers) for p in powers]


def present(w: dict, x: List | None, y: List | None) -> list[List]:
    parts = (("image", x), ("text", y))
    return [dense(w, name, part) for name, part in parts if part is not None]


def token(w: dict, name: str, part: List | None) -> List:
    return w[f"missing.{name}"].tolist() if part is None else dense(w, name, part)


def slow_contrastive(w: dict, x: List | None, y: List | None) -> List:
    rows = [unit(h) for h in present(w, x, y)]
    return unit(mix([1.0] * len(rows), rows))


def slow_mlp(w: dict, x: List | None, y: List | None) -> List:
    joined = (x or w["missing.image"].tolist()) + (y or w["missing.text"].tolist())
    return unit(dense(w, "top", [max(v, 0) for v in dense(w, "hidden", joined)]))


def slow_weighted(w: dict, x: List | None, y: List | None) -> List:
    a = sigmoid(float(w["balance"][0]))
    shares = [s for s, part in ((a, x), (1 - a, y)) if part is not None]
    return unit(mix(shares, [unit(h) for h in present(w, x, y)]))


def slow_gated(w: dict, x: List | None, y: List | None) -> List:
    p = [math.tanh(v) for v in token(w, "image", x)]
    q = [math.tanh(v) for v in token(w, "text", y)]
    gate = [sigmoid(v) for v in dense(w, "gate", p + q)]
    return unit([g * a + (1 - g) * b for g, a, b in zip(gate, p, q, strict=True)])


def slow_late(w: dict, x: List | None, y: List | None) -> List:
    half = [0.0] * (DIM // 2)
    p = half if x is None else unit(dense(w, "image", x))
    q = half if y is None else unit(dense(w, "text", y))
    return [v / math.sqrt(2) for v in p + q]


def slow_attention(w: dict, x: List | None, y: List | None) -> List:
    rows = present(w, x, y)
    scores = [
        sum(
            s * math.tanh(v)
            for s, v in zip(w["score"].tolist(), dense(w, "attention", h), strict=True)
        )
        for h in rows
    ]
    return unit(mix(softmax(scores), rows))


def slow_deepset(w: dict, x: List | None, y: List | None) -> List:
    phi = [[max(v, 0) for v in dense(w, "phi", h)] for h in present(w, x, y)]
    return unit(dense(w, "rho", mix([1 / len(phi)] * len(phi), phi)))


def slow_cross_attention(w: dict, x: List | None, y: List | None) -> List:
    image = token(w, "image", x)
    keys = [w["missing.text"].tolist()] + ([] if y is None else [dense(w, "text", y)])
    query = dense(w, "query", image)
    k, v = [dense(w, "key", h) for h in keys], [dense(w, "value", h) for h in keys]
    width, mixed = DIM // 8, []
    for i in range(0, DIM, width):
        scores = [mix(query[i : i + width], [[u] for u in row[i : i + width]])[0] for row in k]
        shares = softmax([s / math.sqrt(width) for s in scores])
        mixed += mix(shares, [row[i : i + width] for row in v])
    h = [a + b for a, b in zip(image, dense(w, "mix", mixed), strict=True)]
    mean = sum(h) / DIM
    deviation = math.sqrt(sum((u - mean) ** 2 for u in h) / DIM + 1e-5)
    gain, bias = w["norm.gain"].tolist(), w["norm.bias"].tolist()
    return unit([(u - mean) / deviation * g + b for u, g, b in zip(h, gain, bias, strict=True)])


SLOW = {
    "contrastive": slow_contrastive,
    "mlp": slow_mlp,
    "weighted": slow_weighted,
    "gated": slow_gated,
    "late": slow_late,
    "attention": slow_attention,
    "deepset": slow_deepset,
    "cross-attention": slow_cross_attention,
}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("has", [(True, True), (True, False), (False, True)])
def test_strategy_is_its_formula(strategy: str, has: tuple[bool, bool]) -> None:
    fusion = learned(strategy)
    random = np.random.default_rng(1)
    # Biases of zero and gains of one would hide a mistake in them.
    w = {
        n: t + 0.3 * random.normal(size=t.shape).astype(np.float32)
        for n, t in fusion.tensors.items()
    }
    fusion = LearnedFusion(strategy, IMAGE_DIM, TEXT_DIM, DIM, w, "test")
    x, y = random.normal(size=IMAGE_DIM).tolist(), random.normal(size=TEXT_DIM).tolist()
    fused = fusion.fuse(np.float32([x]), np.float32([y]), np.array([has[0]]), np.array([has[1]]))
    expected = SLOW[strategy](w, x if has[0] else None, y if has[1] else None)
    np.testing.assert_allclose(fused[0], expected, atol=1e-5)


def test_table_c_has_nine_strategies() -> None:
    assert len({*STRATEGIES, "early"}) == 9


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_paper_dimensions(strategy: str) -> None:
    assert random_fusion(strategy, 2048, 768, 0).dim == 512
    assert random_fusion(strategy, 2048, 768, 0, output_dim=256).dim == 256


def test_early_fusion_has_2816_dimensions() -> None:
    early = random_fusion("early", 2048, 768, 0)
    assert early.dim == 2816
    yes = np.array([True])
    fused = early.fuse(
        np.full((1, 2048), 3, np.float32), np.full((1, 768), 4, np.float32), yes, yes
    )
    norm = math.sqrt(9 * 2048 + 16 * 768)
    np.testing.assert_allclose(fused[0, [0, 2047, 2048]], [3 / norm, 3 / norm, 4 / norm], rtol=1e-5)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_deepset_is_symmetric_in_its_set(seed: int, size: int) -> None:
    random = np.random.default_rng(seed)
    tokens = random.normal(size=(3, size, DIM)).astype(np.float32)
    there = random.random((3, size)) < 0.7
    order = random.permutation(size)
    w = learned("deepset").tensors
    np.testing.assert_allclose(
        pool_set(w, tokens[:, order], there[:, order]), pool_set(w, tokens, there), atol=1e-5
    )


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_concat_similarity_is_a_weighted_mean(seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(2, IMAGE_DIM)).astype(np.float32)
    y = random.normal(size=(2, TEXT_DIM)).astype(np.float32)
    yes = np.ones(2, dtype=np.bool_)
    one, other = Concat(IMAGE_DIM, TEXT_DIM, share).fuse(x, y, yes, yes)

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    expected = share * cosine(*x) + (1 - share) * cosine(*y)
    assert float(one @ other) == pytest.approx(expected, abs=1e-5)


def test_concat_does_not_scale_up_what_is_left() -> None:
    concat = Concat(2, 2, 0.64)
    x = np.float32([[3, 4]])
    fused = concat.fuse(x, None, np.array([True]), np.array([False]))
    np.testing.assert_allclose(fused, [[0.48, 0.64, 0, 0]], atol=1e-6)


def test_reduction_by_hand() -> None:
    centre = Reduction(np.float32([0.6, 0.0]), np.float32([[2, 0], [0, 1], [0, 0]]), "r")
    # [3, 4] -> [0.6, 0.8] -> [0, 0.8] -> [0, 0.8, 0] -> [0, 1, 0]
    np.testing.assert_allclose(centre(np.float32([[3, 4]])), [[0, 1, 0]], atol=1e-6)
    assert Concat(2, 2, 0.5, centre).dim == 5


def test_late_similarity_is_the_mean_of_both() -> None:
    fusion = learned("late")
    random = np.random.default_rng(0)
    x = random.normal(size=(2, IMAGE_DIM)).astype(np.float32)
    y = random.normal(size=(2, TEXT_DIM)).astype(np.float32)
    yes, no = np.ones(2, dtype=np.bool_), np.zeros(2, dtype=np.bool_)
    both, image, text = (
        fusion.fuse(x, y, yes, yes),
        fusion.fuse(x, y, yes, no),
        fusion.fuse(x, y, no, yes),
    )
    assert float(both[0] @ both[1]) == pytest.approx(
        float(image[0] @ image[1] + text[0] @ text[1]), abs=1e-5
    )


def test_random_fusion_says_untrained() -> None:
    for strategy in STRATEGIES:
        assert "untrained" in learned(strategy).fingerprint
    assert learned("mlp", 0).fingerprint != learned("mlp", 1).fingerprint
    assert learned("mlp", 0).fingerprint == learned("mlp", 0).fingerprint


def checkpoint(strategy: str = "gated", **changes: object) -> Checkpoint:
    fusion = learned(strategy)
    values: dict = {
        "kind": "fusion",
        "tensors": fusion.tensors,
        "encoders": {"image": "image-encoder", "text": "text-encoder"},
        "training_data": ("phantoms",),
        "settings": {
            "strategy": strategy,
            "image_dim": IMAGE_DIM,
            "text_dim": TEXT_DIM,
            "dim": DIM,
        },
    }
    return Checkpoint(**{**values, **changes})


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_checkpoint_gives_the_same_fusion(strategy: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "fusion", checkpoint(strategy))
    loaded = load_fusion(tmp_path / "fusion", image_encoder="image-encoder")
    assert "untrained" not in loaded.fingerprint
    x, y = np.ones((2, IMAGE_DIM), np.float32), np.ones((2, TEXT_DIM), np.float32)
    has = np.array([True, False]), np.array([True, True])
    np.testing.assert_array_equal(loaded.fuse(x, y, *has), learned(strategy).fuse(x, y, *has))


def test_absent_fusion_is_untrained(tmp_path: Path) -> None:
    with pytest.raises(UntrainedError, match="no trained fusion"):
        load_fusion(tmp_path / "none")


def test_untrained_weights_are_not_served(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "fusion", checkpoint(trained=False))
    with pytest.raises(UntrainedError, match="marked as untrained"):
        load_fusion(tmp_path / "fusion")


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "fusion", checkpoint())
    with pytest.raises(CheckpointError, match="text encoder text-encoder, not another"):
        load_fusion(tmp_path / "fusion", text_encoder="another")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"strategy": "gated", "image_dim": "x", "text_dim": TEXT_DIM, "dim": DIM},
        {"strategy": "gated", "image_dim": IMAGE_DIM, "text_dim": TEXT_DIM, "dim": 8},
        {"strategy": "gated", "image_dim": IMAGE_DIM, "text_dim": TEXT_DIM, "dim": 12},
        {"strategy": "stacked", "image_dim": IMAGE_DIM, "text_dim": TEXT_DIM, "dim": DIM},
    ],
)
def test_wrong_settings_are_checkpoint_errors(settings: dict, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "fusion", checkpoint(settings=settings))
    with pytest.raises(CheckpointError):
        load_fusion(tmp_path / "fusion")


def test_layout_names_every_tensor() -> None:
    assert fusion_layout("weighted", 4, 3, 8, 2) == {
        "image.weight": (8, 4),
        "image.bias": (8,),
        "text.weight": (8, 3),
        "text.bias": (8,),
        "balance": (1,),
        "output.weight": (2, 8),
        "output.bias": (2,),
    }
