"""Weights as int8: how far they may be off, and that the file still runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
import onnx
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mmedrag.encoders.onnx import OnnxModel
from mmedrag.networks.lite0 import Lite0, export_onnx
from mmedrag.training.int8 import SMALLEST, int8, quantise_weights


@given(
    arrays(
        np.float32,
        array_shapes(min_dims=4, max_dims=4, max_side=5),
        elements=st.floats(-1e3, 1e3, width=32),
    )
)
def test_no_weight_is_off_by_more_than_half_a_step(values: np.ndarray) -> None:
    whole, scale = int8(values)
    assert np.abs(whole).max() <= 127
    steps = scale[:, None, None, None]
    assert np.all(np.abs(whole * steps - values) <= 0.5001 * steps + 1e-30)


def test_a_quantised_network_says_nearly_the_same_and_is_a_quarter_as_large(tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain, small = tmp_path / "plain.onnx", tmp_path / "small.onnx"
    export_onnx(Lite0().eval(), plain, 64)
    small.write_bytes(plain.read_bytes())
    quantise_weights(small)
    assert small.stat().st_size < 0.35 * plain.stat().st_size
    image = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    before, after = (OnnxModel(p).run(["pooled"], {"image": image})[0] for p in (plain, small))
    cosines = (before * after).sum(axis=1) / np.linalg.norm(before, axis=1)
    assert np.all(cosines / np.linalg.norm(after, axis=1) > 0.99)
    assert not np.array_equal(before, after)
    kept = [t for t in onnx.load(small).graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    assert all(len(t.dims) != 4 or np.prod(t.dims) < SMALLEST for t in kept)
