"""Padding folded into convolutions: nothing is left of it, and features stay."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mmedrag.encoders.image import OnnxImageEncoder
from mmedrag.encoders.onnx import OnnxModel
from mmedrag.training import padding
from mmedrag.training.padding import fold_padding

SIDE = 13


def padded_network(path: Path) -> Path:
    """Two convolutions whose uneven padding is computed of the image's height at every call."""
    random = np.random.default_rng(0)
    weights = {
        "first": random.normal(size=(4, 3, 3, 3)), "second": random.normal(size=(4, 1, 5, 5)),
    }  # fmt: skip
    whole = {"no": [0] * 4, "two": [2], "one": [1], "axis": [2]}
    nodes = [
        helper.make_node("Shape", ["image"], ["shape"]),
        helper.make_node("Gather", ["shape", "axis"], ["height"]),
        helper.make_node("Mod", ["height", "two"], ["odd"]),  # 1: SIDE is odd
        helper.make_node("Add", ["odd", "one"], ["more"]),
        helper.make_node("Concat", ["no", "no_more", "odd", "more"], ["uneven"], axis=0),
        helper.make_node("Concat", ["no2", "two", "odd", "no2", "odd", "two"], ["wide"], axis=0),
        helper.make_node("Pad", ["image", "uneven"], ["before"]),
        helper.make_node("Conv", ["before", "first"], ["sums"], strides=[2, 2], pads=[0] * 4),
        helper.make_node("Relu", ["sums"], ["maps"]),
        helper.make_node("Pad", ["maps", "wide", ""], ["between"]),
        helper.make_node("Conv", ["between", "second"], ["map"], group=4, pads=[0, 1, 0, 0]),
        helper.make_node("GlobalAveragePool", ["map"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["pooled"]),
    ]
    tensors = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()]
    tensors += [
        numpy_helper.from_array(np.array(v, np.int64), k)
        for k, v in {**whole, "no_more": [0, 0], "no2": [0, 0]}.items()
    ]
    graph = helper.make_graph(
        nodes, "padded",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["n", 4])],
        tensors,
    )  # fmt: skip
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    return path


def pooled(path: Path, images: np.ndarray) -> np.ndarray:
    return OnnxModel(path, threads=1).run(["pooled"], {"image": images})[0]


def test_the_folded_network_computes_the_same_and_no_padding(tmp_path: Path) -> None:
    path = padded_network(tmp_path / "padded.onnx")
    images = np.random.default_rng(1).normal(size=(3, 3, SIDE, SIDE)).astype(np.float32)
    before = pooled(path, images)
    fold_padding(path)
    np.testing.assert_allclose(pooled(path, images), before, rtol=1e-5, atol=1e-5)
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds == ["Conv", "Relu", "Conv", "GlobalAveragePool", "Flatten"]


def test_what_is_padded_with_another_number_stays(tmp_path: Path) -> None:
    path = padded_network(tmp_path / "padded.onnx")
    network = onnx.load(path)
    first = next(node for node in network.graph.node if node.op_type == "Pad")
    first.input.append("border")
    network.graph.initializer.append(numpy_helper.from_array(np.float32(0.5), "border"))
    onnx.save(network, path)
    images = np.zeros((1, 3, SIDE, SIDE), np.float32)
    before = pooled(path, images)
    fold_padding(path)
    np.testing.assert_allclose(pooled(path, images), before, rtol=1e-5)
    assert [node.op_type for node in onnx.load(path).graph.node].count("Pad") == 1


def test_a_folded_model_keeps_its_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tmp_path / "padded.json"
    settings = {"size": SIDE, "mean": [0.5] * 3, "std": [0.5] * 3, "features": "pooled"}
    digest = OnnxModel(padded_network(card.with_suffix(".onnx"))).sha256
    card.write_text(json.dumps(settings | {"sha256": digest}))
    before = OnnxImageEncoder.from_card(card)
    monkeypatch.setattr(sys, "argv", ["padding", str(card)])
    padding.main()
    padding.main()  # what is folded already stays as it is
    after = OnnxImageEncoder.from_card(card)
    assert after.fingerprint == before.fingerprint
    assert json.loads(card.read_text())["sha256"] != digest
