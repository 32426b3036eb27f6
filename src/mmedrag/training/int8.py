"""Weights of an ONNX file as 8-bit integers: a quarter of the size.

Only the weights are quantised (symmetric, one scale an output channel); activations stay float32.
So the results are the same on every processor, which int8 arithmetic's are not.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

SMALLEST = 4096
"""Tensors with fewer numbers stay as they are."""


def quantise_weights(model: Path) -> None:
    """Rewrite the file with int8 weights and ``DequantizeLinear`` before their use.

    Kernels of convolutions, matrices that are multiplied by, and tables that rows are taken of.
    """
    graph_of = onnx.load(model)
    graph = graph_of.graph
    axes = _channel_axes(graph.node)
    kept: list[TensorProto] = []
    nodes: list[NodeProto] = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        axis = axes.get(tensor.name)
        if axis is None or values.dtype != np.float32 or values.size < SMALLEST or values.ndim < 2:
            kept.append(tensor)
            continue
        whole, scale = int8(values, axis)
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


def int8(
    values: NDArray[np.floating], axis: int = 0
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Whole numbers of the shape of ``values``, and a scale ``(values.shape[axis],)``.

    The numbers are int8, the scales float32.
    """
    others = tuple(i for i in range(values.ndim) if i != axis)
    scale = np.maximum(np.abs(values).max(axis=others), np.finfo(np.float32).tiny) / 127
    whole = np.rint(values / np.expand_dims(scale, others)).astype(np.int8)
    return whole, scale.astype(np.float32)


def _channel_axes(nodes: Iterable[NodeProto]) -> dict[str, int]:
    """The axis of the output channels, by the name of a weight."""
    axes: dict[str, int] = {}
    for node in nodes:
        if node.op_type == "Gather":
            axes[node.input[0]] = 0
        elif node.op_type == "Conv":
            axes[node.input[1]] = 0
        elif node.op_type == "MatMul":
            axes[node.input[1]] = 1
    return axes
