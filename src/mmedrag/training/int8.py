"""Convolution weights of an ONNX file as 8-bit integers: a quarter of the size.

Only the weights are quantised (symmetric, one scale an output channel); activations stay float32.
So the results are the same on every processor, which int8 arithmetic's are not.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

SMALLEST = 4096
"""Tensors with fewer numbers stay as they are."""


def quantise_weights(model: Path) -> None:
    """Rewrite the file with int8 convolution weights and ``DequantizeLinear`` before their use."""
    graph_of = onnx.load(model)
    graph = graph_of.graph
    kept: list[TensorProto] = []
    nodes: list[NodeProto] = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim != 4 or values.size < SMALLEST:
            kept.append(tensor)
            continue
        whole, scale = int8(values)
        names = [f"{tensor.name}.{suffix}" for suffix in ("int8", "scale", "zero")]
        kept.append(numpy_helper.from_array(whole, names[0]))
        kept.append(numpy_helper.from_array(scale, names[1]))
        kept.append(numpy_helper.from_array(np.zeros(len(scale), np.int8), names[2]))
        nodes.append(helper.make_node("DequantizeLinear", names, [tensor.name], axis=0))
    nodes += graph.node
    for field, new in ((graph.initializer, kept), (graph.node, nodes)):
        del field[:]
        field.extend(new)
    onnx.checker.check_model(graph_of)
    onnx.save(graph_of, model)


def int8(values: NDArray[np.floating]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Whole numbers of the shape of ``values``, and a scale ``(values.shape[0],)``.

    The numbers are int8, the scales float32.
    """
    rows = values.reshape(len(values), -1)
    scale = np.maximum(np.abs(rows).max(axis=1), np.finfo(np.float32).tiny) / 127
    whole = np.rint(rows / scale[:, None]).astype(np.int8).reshape(values.shape)
    return whole, scale.astype(np.float32)
