"""The words of SQL around the predicates of a filter; each engine translates predicates itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from mmedrag.filters.tree import Node, Not, Predicate

V = TypeVar("V")


def joined(
    node: Node, predicate: Callable[[Predicate], tuple[str, Sequence[V]]]
) -> tuple[str, list[V]]:
    """A condition that is true or false, and the values of its parameters in order.

    Args:
        node: the filter.
        predicate: translates one comparison into a condition and its values.
    """
    if isinstance(node, Predicate):
        condition, values = predicate(node)
        return condition, [*values]
    if isinstance(node, Not):
        condition, values = joined(node.child, predicate)
        return f"(NOT {condition})", [*values]
    pieces = [joined(child, predicate) for child in node.children]
    condition = f" {node.word} ".join(piece for piece, _ in pieces)
    return f"({condition})", [value for _, values in pieces for value in values]
