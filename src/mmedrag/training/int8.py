"""Weights of an ONNX file as 8-bit integers: a quarter of the size.

Only the weights of convolutions, matrix products and embeddings are quantised (symmetric, one scale
an output channel or token); activations stay float32. So the results are the same on every
processor, which int8 arithmetic's are not.
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
    """Rewrite the file with int8 weights and ``DequantizeLinear`` before their use."""
    graph_of = onnx.load(model)
    graph = graph_of.graph
    # Outputs of y = x W are the columns of W; those of convolutions and Gemm (x Wᵀ) are rows.
    right_factors = {node.input[1] for node in graph.node if node.op_type == "MatMul"}
    kept: list[TensorProto] = []
    nodes: list[NodeProto] = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim not in (2, 4) or values.size < SMALLEST or values.dtype != np.float32:
            kept.append(tensor)
            continue
        axis = int(tensor.name in right_factors)
        whole, scale = int8(np.moveaxis(values, axis, 0))
        whole = np.ascontiguousarray(np.moveaxis(whole, 0, axis))
        names = [f"{tensor.name}.{suffix}" for suffix in ("int8", "scale", "zero")]
        kept.append(numpy_helper.from_array(whole, names[0]))
        kept.append(numpy_helper.from_array(scale, names[1]))
        kept.append(numpy_helper.from_array(np.zeros(len(scale), np.int8), names[2]))
        nodes.append(helper.make_node("DequantizeLinear", names, [tensor.name], axis=axis))
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
