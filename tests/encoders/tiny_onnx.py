"""A tiny image network in ONNX: 3 x 3 convolution and ReLU (``map``), mean (``pooled``)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE, CHANNELS, STRIDE = 28, 6, 4
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def write_onnx(path: Path, seed: int = 0) -> Path:
    """The network as a file."""
    kernel = np.random.default_rng(seed).normal(size=(CHANNELS, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node(
            "Conv", ["image", "kernel"], ["conv"], strides=[STRIDE] * 2, pads=[1, 1, 1, 1]
        ),
        helper.make_node("Relu", ["conv"], ["map"]),
        helper.make_node("GlobalAveragePool", ["map"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["pooled"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["n", CHANNELS]),
            helper.make_tensor_value_info("map", TensorProto.FLOAT, ["n", CHANNELS, 7, 7]),
        ],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def write_card(folder: Path, seed: int = 0, **changes: object) -> Path:
    """The network and its card, as :meth:`OnnxImageEncoder.from_card` reads them."""
    write_onnx(folder / "tiny.onnx", seed)
    settings = {
        "size": SIDE,
        "mean": list(MEAN),
        "std": list(STD),
        "interpolation": "bicubic",
        "features": "pooled",
        "map": "map",
        **changes,
    }
    card = folder / "tiny.json"
    card.write_text(json.dumps({k: v for k, v in settings.items() if v is not None}))
    return card
