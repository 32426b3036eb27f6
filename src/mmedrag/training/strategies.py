"""The formulas of :mod:`mmedrag.encoders.strategies` in torch, for training (section 4.5, Table C).

Names, shapes and results are the same, to rounding; ``tests/training/test_fusion_training.py``
compares them. What is served is the numpy one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from mmedrag.encoders.strategies import HEADS

Weights: TypeAlias = Mapping[str, Tensor]
"""Tensors by name, as in a checkpoint of kind ``fusion``."""


@dataclass(frozen=True, slots=True, eq=False)
class Projected:
    """``n`` items after the first linear layer, which every way of seeing them shares.

    ``images`` and ``texts`` ``(n, dim)``: ``P`` and ``Q``, or for ``mlp`` what each adds to the
    hidden layer; ``has_image`` and ``has_text`` ``(n,)`` say who has which.
    """

    images: Tensor
    texts: Tensor
    has_image: Tensor
    has_text: Tensor

    def seen(self, *, image: bool, text: bool) -> Projected:
        """The same items without their images or without their texts."""
        return replace(self, has_image=self.has_image & image, has_text=self.has_text & text)


def project(
    w: Weights, images: Tensor, texts: Tensor, has_image: Tensor, has_text: Tensor
) -> Projected:
    """The first layer over features ``(n, image_dim)`` and ``(n, text_dim)``."""
    if "hidden.weight" in w:
        of_image, of_text = w["hidden.weight"].split([images.shape[1], texts.shape[1]], dim=1)  # type: ignore[no-untyped-call]
        return Projected(images @ of_image.T, texts @ of_text.T, has_image, has_text)
    return Projected(_linear(w, "image", images), _linear(w, "text", texts), has_image, has_text)


def fuse(strategy: str, w: Weights, items: Projected) -> Tensor:
    """Fused rows ``(n, dim)``, of norm at most 1, with the output head where there is one."""
    fused = FORMULAS[strategy](w, items)
    return _unit(_linear(w, "output", fused)) if "output.weight" in w else fused


def contrastive(w: Weights, items: Projected) -> Tensor:
    """``^(^P + ^Q)``."""
    image, text = _unit_sides(items)
    return _unit(image + text)


def mlp(w: Weights, items: Projected) -> Tensor:
    """``^(W_2 relu(W_1 [x ; y] + b_1) + b_2)``."""
    widths = [len(w["missing.image"]), len(w["missing.text"])]
    of_image, of_text = w["hidden.weight"].split(widths, dim=1)  # type: ignore[no-untyped-call]
    x = torch.where(items.has_image[:, None], items.images, of_image @ w["missing.image"])
    y = torch.where(items.has_text[:, None], items.texts, of_text @ w["missing.text"])
    return _unit(_linear(w, "top", (x + y + w["hidden.bias"]).relu()))


def weighted(w: Weights, items: Projected) -> Tensor:
    """``^(a ^P + (1 - a) ^Q)``, ``a = sigmoid(balance)``."""
    a = w["balance"].sigmoid()
    image, text = _unit_sides(items)
    return _unit(a * image + (1 - a) * text)


def gated(w: Weights, items: Projected) -> Tensor:
    """``^(g p + (1 - g) q)``, ``g = sigmoid(W_g [p ; q] + b_g)``."""
    tokens, _ = _tokens(w, items)
    p, q = tokens.tanh().unbind(dim=1)
    g = _linear(w, "gate", torch.cat([p, q], dim=1)).sigmoid()
    return _unit(g * p + (1 - g) * q)


def late(w: Weights, items: Projected) -> Tensor:
    """``[^P ; ^Q] / sqrt(2)``."""
    return torch.cat(_unit_sides(items), dim=1) / 2**0.5


def attention_pooling(w: Weights, items: Projected) -> Tensor:
    """``^(sum_m a_m h_m)``, ``a = softmax_m(v . tanh(U h_m + c))`` over what is present."""
    tokens, present = _tokens(w, items)
    scores = _linear(w, "attention", tokens).tanh() @ w["score"]
    return _unit((_softmax(scores, present)[..., None] * tokens).sum(dim=1))


def deepset(w: Weights, items: Projected) -> Tensor:
    """``^rho(mean_m phi(h_m))`` over what is present."""
    tokens, present = _tokens(w, items)
    phi = _linear(w, "phi", tokens).relu() * present[..., None]
    return _unit(_linear(w, "rho", phi.sum(dim=1) / present.sum(dim=1, keepdim=True).clamp(min=1)))


def cross_attention(w: Weights, items: Projected) -> Tensor:
    """``^LayerNorm(P + W_o MHA(P; {Q, m_t}) + b_o)``."""
    tokens, _ = _tokens(w, items)
    n, _, dim = tokens.shape
    keys = torch.stack([tokens[:, 1], w["missing.text"].expand(n, dim)], dim=1)
    present = torch.stack([items.has_text, torch.ones_like(items.has_text)], dim=1)
    query = _split_heads(_linear(w, "query", tokens[:, :1]))
    scores = (query @ _split_heads(_linear(w, "key", keys)).transpose(2, 3))[:, :, 0]
    shares = _softmax(scores / query.shape[-1] ** 0.5, present[:, None].expand_as(scores))
    mixed = (shares[:, :, None] @ _split_heads(_linear(w, "value", keys)))[:, :, 0]
    attended = tokens[:, 0] + _linear(w, "mix", mixed.reshape(n, dim))
    return _unit(functional.layer_norm(attended, (dim,), w["norm.gain"], w["norm.bias"], 1e-5))


FORMULAS: dict[str, Callable[[Weights, Projected], Tensor]] = {
    "contrastive": contrastive,
    "mlp": mlp,
    "weighted": weighted,
    "gated": gated,
    "late": late,
    "attention": attention_pooling,
    "deepset": deepset,
    "cross-attention": cross_attention,
}
"""By the names of :data:`mmedrag.encoders.strategies.STRATEGIES`."""


def _unit_sides(items: Projected) -> tuple[Tensor, Tensor]:
    """``^P`` and ``^Q``, zeros where absent."""
    return (
        _unit(items.images) * items.has_image[:, None],
        _unit(items.texts) * items.has_text[:, None],
    )


def _tokens(w: Weights, items: Projected) -> tuple[Tensor, Tensor]:
    """``(n, 2, dim)`` with learned tokens (if any) for what is absent, and who is present."""
    projected = torch.stack([items.images, items.texts], dim=1)
    present = torch.stack([items.has_image, items.has_text], dim=1)
    if "missing.image" in w:
        missing = torch.stack([w["missing.image"], w["missing.text"]])
        projected = torch.where(present[..., None], projected, missing)
    return projected, present


def _linear(w: Weights, name: str, x: Tensor) -> Tensor:
    return functional.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])


def _unit(rows: Tensor) -> Tensor:
    return functional.normalize(rows, dim=-1)


def _softmax(scores: Tensor, present: Tensor) -> Tensor:
    """Softmax over the last axis among the present, at least one."""
    return scores.masked_fill(~present, float("-inf")).softmax(dim=-1)


def _split_heads(x: Tensor) -> Tensor:
    """``(n, m, dim)`` to ``(n, HEADS, m, dim / HEADS)``."""
    n, m, dim = x.shape
    return x.reshape(n, m, HEADS, dim // HEADS).transpose(1, 2)
