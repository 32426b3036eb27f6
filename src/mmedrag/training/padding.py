"""Padding that a network computes at every call, written into its convolutions instead.

PyTorch's exporter writes TensorFlow's "same" padding (:class:`mmedrag.networks.lite0.Lite0`) as
some seventy nodes before each convolution, which ONNX Runtime neither evaluates beforehand nor
merges, so that it cannot keep its own layout from one convolution to the next. For images of one
size all of it is four numbers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import ModelProto, NodeProto, TensorProto, helper

from mmedrag.durability import write_durably


def fold_padding(model: Path) -> None:
    """Rewrite the file with what pads an input in ``pads`` of the convolution that takes it.

    The network computes the same, to the order of its sums; its input ``image`` has one size.
    """
    network = onnx.load(model)
    pairs = _padded(network)
    if not pairs:
        return
    widths = _widths(network, [pad.input[1] for pad, _ in pairs])
    for (pad, convolution), more in zip(pairs, widths, strict=True):
        own = next(field for field in convolution.attribute if field.name == "pads")
        own.ints[:] = [int(a + b) for a, b in zip(own.ints, more, strict=True)]
        convolution.input[0] = pad.input[0]
    _drop_unused(network)
    onnx.checker.check_model(network)
    onnx.save(network, model)


def _padded(network: ModelProto) -> list[tuple[NodeProto, NodeProto]]:
    """Convolutions whose input is padded with zeros, and what pads it."""
    made_by = {name: node for node in network.graph.node for name in node.output}
    return [
        (pad, node)
        for node in network.graph.node
        if node.op_type == "Conv" and (pad := made_by.get(node.input[0])) is not None
        and pad.op_type == "Pad" and not any(pad.input[2:])
    ]  # fmt: skip


def _widths(network: ModelProto, names: Sequence[str]) -> list[list[int]]:
    """Top, left, bottom and right of each padding, as the network itself computes them."""
    probe = ModelProto()
    probe.CopyFrom(network)
    probe.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.INT64, [8]) for name in names
    )
    (image,) = network.graph.input
    sides = [side.dim_value for side in image.type.tensor_type.shape.dim]
    session = ort.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(names, {image.name: np.zeros((1, *sides[1:]), np.float32)})
    return [[*widths[2:4], *widths[6:8]] for widths in found]


def _drop_unused(network: ModelProto) -> None:
    """Leave nodes and weights out that no output depends on."""
    graph = network.graph
    used = {output.name for output in graph.output}
    nodes = []
    for node in reversed(graph.node):
        if used.intersection(node.output):
            used.update(node.input)
            nodes.append(node)
    weights = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(reversed(nodes))
    graph.initializer.extend(weights)


def main() -> None:
    """Fold the model of a card: ``python -m mmedrag.training.padding CARD``.

    Its fingerprint stays, since its features do: what was trained on them, and casebases that hold
    them, go on.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("card", type=Path, help="FILE.json beside FILE.onnx")
    card: Path = parser.parse_args().card
    settings = json.loads(card.read_text("utf-8"))
    model = card.with_suffix(".onnx")
    settings.setdefault("known_as", settings["sha256"][:16])
    fold_padding(model)
    settings["sha256"] = hashlib.sha256(model.read_bytes()).hexdigest()
    write_durably(card, json.dumps(settings, indent=2) + "\n")


if __name__ == "__main__":
    main()
