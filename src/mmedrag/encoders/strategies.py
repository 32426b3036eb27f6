"""The formulas of Table C's learned fusion strategies (section 4.5), in numpy.

Notation: ``x`` are image features ``(n, image_dim)``, ``y`` text features ``(n, text_dim)``;
``P = W_v x + b_v`` and ``Q = W_t y + b_t`` their projections to the fused width (512 in Table C);
``m_v`` and ``m_t`` learned tokens that stand for an absent modality; ``^`` is L2 normalisation.
The paper names the strategies without formulas; these are the usual ones of the literature.

A strategy is a function of its tensors and the features, and a layout: the names and shapes of its
tensors, which are also the names of a PyTorch trainer's state dict. What it returns,
``(n, width)``, is normalised; rows where both modalities are absent mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmedrag.checkpoint import Layout, Tensors
from mmedrag.encoders.projection import Projection
from mmedrag.measures.cosines import unit_rows
from mmedrag.types import Matrix

Mask: TypeAlias = NDArray[np.bool_]
"""Which rows have a modality, shape ``(n,)``."""

HEADS = 8
"""Attention heads of cross-attention."""


@dataclass(frozen=True, slots=True, eq=False)
class Projected:
    """The features of ``n`` items; rows of absent modalities are zero."""

    images: Matrix
    texts: Matrix
    has_image: Mask
    has_text: Mask


def contrastive(w: Tensors, features: Projected) -> Matrix:
    """``f = ^(^P + ^Q)`` over what is present: the heads of section 3.3, trained by InfoNCE.

    The space is shared, so one modality alone is its own projection.
    """
    image, text = _projected(w, features)
    return unit_rows(image + text)


def mlp(w: Tensors, features: Projected) -> Matrix:
    """``f = ^(W_2 relu(W_1 [x ; y] + b_1) + b_2)``, with ``m_v``, ``m_t`` for absent features."""
    x = np.where(features.has_image[:, None], features.images, w["missing.image"])
    y = np.where(features.has_text[:, None], features.texts, w["missing.text"])
    hidden = np.maximum(linear(w, "hidden", np.concatenate([x, y], axis=1)), 0)
    return unit_rows(linear(w, "top", hidden))


def weighted(w: Tensors, features: Projected) -> Matrix:
    """``f = ^(a ^P + (1 - a) ^Q)`` with one learned ``a = sigmoid(balance)``.

    Where one modality is absent its share goes to the other.
    """
    a = _sigmoid(w["balance"])
    image, text = _projected(w, features)
    return unit_rows(a * image + (1 - a) * text)


def gated(w: Tensors, features: Projected) -> Matrix:
    """``f = ^(g p + (1 - g) q)`` with a gate ``g = sigmoid(W_g [p ; q] + b_g)`` for each dimension.

    ``p = tanh P``, ``q = tanh Q``: the gated multimodal unit (Arevalo et al. 2017).
    The tokens ``m_v`` and ``m_t`` stand for an absent ``P`` or ``Q``.
    """
    projected, _ = _tokens(w, features)
    p, q = np.tanh(projected[:, 0]), np.tanh(projected[:, 1])
    g = _sigmoid(linear(w, "gate", np.concatenate([p, q], axis=1)))
    return unit_rows(g * p + (1 - g) * q)


def late(w: Tensors, features: Projected) -> Matrix:
    """``f = [^P ; ^Q] / sqrt(2)`` with heads of half the width: similarities are averaged.

    The dot product of two fused vectors is ``(cos(P, P') + cos(Q, Q')) / 2``. An absent part is 0
    and the other is not scaled up.
    """
    return np.concatenate(_projected(w, features), axis=1) / np.float32(np.sqrt(2))


def attention_pooling(w: Tensors, features: Projected) -> Matrix:
    """``f = ^(sum_m a_m h_m)``, ``a = softmax_m(v . tanh(U h_m + c))``, ``h`` from {P, Q}.

    Only what is present is attended to: attention pooling of a set (Ilse et al. 2018).
    """
    tokens, present = _tokens(w, features)
    scores = np.tanh(linear(w, "attention", tokens)) @ w["score"]
    shares = _masked_softmax(scores, present)
    return unit_rows((shares[..., None] * tokens).sum(axis=1))


def deepset(w: Tensors, features: Projected) -> Matrix:
    """``f = ^rho(mean_m phi(h_m))`` over ``h`` = present of {P, Q} (Zaheer et al. 2017).

    ``phi`` is a linear layer and relu, ``rho`` a linear layer.
    """
    tokens, present = _tokens(w, features)
    return unit_rows(linear(w, "rho", pool_set(w, tokens, present)))


def pool_set(w: Tensors, tokens: NDArray[np.float32], present: Mask) -> Matrix:
    """``mean_m phi(h_m)`` over the present of ``tokens`` ``(n, m, dim)``; symmetric in ``m``."""
    phi = np.maximum(linear(w, "phi", tokens), 0) * present[..., None]
    return np.asarray(phi.sum(axis=1) / np.maximum(present.sum(axis=1), 1)[:, None], np.float32)


def cross_attention(w: Tensors, features: Projected) -> Matrix:
    """``f = ^LayerNorm(P + W_o MHA(P; {Q, m_t}) + b_o)`` (Vaswani et al. 2017).

    Image-side queries attend to text-side keys (section 4.7) with 8 heads. With one text vector
    the softmax would be over a single key and the image could not weigh it, so the token ``m_t`` is
    always a second key; alone where the text is absent. ``m_v`` asks where the image is absent.
    """
    tokens, _ = _tokens(w, features)
    keys = np.stack([tokens[:, 1], np.broadcast_to(w["missing.text"], tokens[:, 1].shape)], axis=1)
    present = np.stack([features.has_text, np.ones_like(features.has_text)], axis=1)
    query = _split_heads(linear(w, "query", tokens[:, :1]))
    scores = query @ _split_heads(linear(w, "key", keys)).swapaxes(2, 3)
    shares = _masked_softmax(scores[:, :, 0] / np.sqrt(query.shape[-1]), present[:, None])
    mixed = (shares[:, :, None] @ _split_heads(linear(w, "value", keys)))[:, :, 0]
    attended = tokens[:, 0] + linear(w, "mix", mixed.reshape(len(mixed), tokens.shape[2]))
    return unit_rows(_layer_norm(w, attended))


@dataclass(frozen=True, slots=True)
class Strategy:
    """A learned row of Table C: its formula, and the shapes of its tensors for given widths."""

    formula: Callable[[Tensors, Projected], Matrix]
    layout: Callable[[int, int, int], Layout]


def dense(name: str, width: int, dim: int) -> Layout:
    """The layout of a linear layer."""
    return {f"{name}.weight": (dim, width), f"{name}.bias": (dim,)}


def _heads(v: int, t: int, d: int) -> Layout:
    return {**dense("image", v, d), **dense("text", t, d)}


def _with_missing(v: int, t: int, d: int) -> Layout:
    return {**_heads(v, t, d), "missing.image": (d,), "missing.text": (d,)}


def _mlp_layout(v: int, t: int, d: int) -> Layout:
    missing: Layout = {"missing.image": (v,), "missing.text": (t,)}
    return {**dense("hidden", v + t, d), **dense("top", d, d), **missing}


def _cross_layout(v: int, t: int, d: int) -> Layout:
    square = [dense(name, d, d) for name in ("query", "key", "value", "mix")]
    merged = {name: shape for layout in square for name, shape in layout.items()}
    return {**_with_missing(v, t, d), **merged, "norm.gain": (d,), "norm.bias": (d,)}


STRATEGIES: dict[str, Strategy] = {
    "contrastive": Strategy(contrastive, _heads),
    "mlp": Strategy(mlp, _mlp_layout),
    "weighted": Strategy(weighted, lambda v, t, d: {**_heads(v, t, d), "balance": (1,)}),
    "gated": Strategy(gated, lambda v, t, d: {**_with_missing(v, t, d), **dense("gate", 2 * d, d)}),
    "late": Strategy(late, lambda v, t, d: _heads(v, t, d // 2)),
    "attention": Strategy(
        attention_pooling,
        lambda v, t, d: {**_heads(v, t, d), **dense("attention", d, d), "score": (d,)},
    ),
    "deepset": Strategy(
        deepset, lambda v, t, d: {**_heads(v, t, d), **dense("phi", d, d), **dense("rho", d, d)}
    ),
    "cross-attention": Strategy(cross_attention, _cross_layout),
}
"""The learned rows of Table C; ``early`` and concat learn nothing."""


def _projected(w: Tensors, features: Projected) -> tuple[Matrix, Matrix]:
    """``^P`` and ``^Q``, zeros where absent."""
    image_head = Projection(w["image.weight"], w["image.bias"])
    text_head = Projection(w["text.weight"], w["text.bias"])
    return (
        image_head(features.images) * features.has_image[:, None],
        text_head(features.texts) * features.has_text[:, None],
    )


def _tokens(w: Tensors, features: Projected) -> tuple[NDArray[np.float32], Mask]:
    """``(n, 2, dim)`` projections with learned tokens (if any) for absent ones; who is present."""
    projected = np.stack(
        [linear(w, "image", features.images), linear(w, "text", features.texts)], 1
    )
    present = np.stack([features.has_image, features.has_text], axis=1)
    if "missing.image" in w:
        missing = np.stack([w["missing.image"], w["missing.text"]])
        projected = np.where(present[..., None], projected, missing)
    return projected, present


def linear(w: Tensors, name: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """``W x + b`` along the last axis."""
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def _sigmoid(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), dtype=np.float32)  # never overflows


def _masked_softmax(scores: NDArray[np.float32], present: Mask) -> NDArray[np.float32]:
    """Softmax over the last axis among the present; zeros where nothing is."""
    lowered = np.where(present, scores, -np.inf)
    peak = np.max(lowered, axis=-1, keepdims=True)
    powers = np.exp(lowered - np.where(np.isfinite(peak), peak, 0))
    total = powers.sum(axis=-1, keepdims=True)
    return np.asarray(powers / np.where(total > 0, total, 1), dtype=np.float32)


def _split_heads(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(n, m, dim)`` to ``(n, HEADS, m, dim / HEADS)``."""
    return x.reshape(*x.shape[:2], HEADS, x.shape[2] // HEADS).swapaxes(1, 2)


def _layer_norm(w: Tensors, x: Matrix) -> Matrix:
    centred = x - x.mean(axis=1, keepdims=True)
    scale = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    return np.asarray(centred / scale * w["norm.gain"] + w["norm.bias"], dtype=np.float32)
