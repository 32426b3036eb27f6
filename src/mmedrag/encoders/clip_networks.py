"""CLIP's own transformers and what CoCa adds to them, as torch modules.

CLIP: Radford et al. 2021. CoCa (Yu et al. 2022, arXiv:2205.01917) pools images by a query that
attends to all tokens, and texts by a [CLS] token that stands last; the layout of both is that of
OpenCLIP's published checkpoints, which :mod:`mmedrag.encoders.open_clip_towers` reads. The size of
a batch is always ``x.shape[0]``: the exporter to ONNX takes ``len(x)`` for a constant.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

State = Mapping[str, Tensor]
HEAD_WIDTH = 64  # of the attention heads of every published model of these layouts
POOLER_HEADS = 8  # of CoCa's attentional poolers, where the configuration does not say


def below(state: State, prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix``, without it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def require_usual(settings: Mapping[str, Any], usual: Mapping[str, Any]) -> None:
    """Check that settings which change a network without changing its tensors are as usual.

    Raises:
        ValueError: where one is not.
    """
    for name, value in usual.items():
        if settings.get(name, value) != value:
            raise ValueError(f"{name} {settings[name]} where {value} is expected")


def depth(state: State, prefix: str) -> int:
    """How many blocks there are below ``prefix``.

    Raises:
        KeyError: where there is none.
    """
    numbers = {
        int(match[1])
        for name in state
        if (match := re.match(rf"{re.escape(prefix)}\.(\d+)\.", name))
    }
    if not numbers:
        raise KeyError(f"{prefix}.0")
    return max(numbers) + 1


class QuickGelu(nn.Module):
    """The approximation that CLIP's first models were trained with."""

    def forward(self, x: Tensor) -> Tensor:
        """``x * sigmoid(1.702 x)``, elementwise, for any shape."""
        return x * torch.sigmoid(1.702 * x)


class _ClipBlock(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, quick: bool) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        gelu = QuickGelu() if quick else nn.GELU()
        self.mlp = nn.Sequential(
            OrderedDict(c_fc=nn.Linear(width, hidden), gelu=gelu, c_proj=nn.Linear(hidden, width))
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        normal = self.ln_1(x)
        x = x + self.attn(normal, normal, normal, need_weights=False, attn_mask=mask)[0]
        mixed: Tensor = x + self.mlp(self.ln_2(x))
        return mixed


class _ClipTransformer(nn.Module):
    def __init__(self, state: State, heads: int, quick: bool) -> None:
        super().__init__()
        hidden, width = state["resblocks.0.mlp.c_fc.weight"].shape
        count = depth(state, "resblocks")
        blocks = (_ClipBlock(width, heads, hidden, quick) for _ in range(count))
        self.resblocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self.resblocks:
            x = block(x, mask)
        return x


class AttentionPool(nn.Module):
    """CoCa's attentional pooler, of which the first query gives the feature.

    The other queries, where there are any, only serve the captions: no query sees another.
    """

    def __init__(self, state: State, settings: Mapping[str, Any]) -> None:
        super().__init__()
        (width,), (tokens,) = state["ln_q.weight"].shape, state["ln_k.weight"].shape
        heads = int(settings.get("attn_pooler_heads", POOLER_HEADS))
        self.query = nn.Parameter(torch.zeros_like(state["query"]))
        self.attn = nn.MultiheadAttention(width, heads, kdim=tokens, vdim=tokens, batch_first=True)
        self.ln_q, self.ln_k = nn.LayerNorm(width), nn.LayerNorm(tokens)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens ``(n, length, width)`` to ``(n, dim)``."""
        query = self.ln_q(self.query[:1]).expand(tokens.shape[0], -1, -1)
        keys = self.ln_k(tokens)
        pooled: Tensor = self.attn(query, keys, keys, need_weights=False)[0]
        return pooled[:, 0]


class ClipVision(nn.Module):
    """CLIP's vision transformer, or CoCa's, which pools by attention in place of the [CLS] token.

    Raises:
        ValueError: for another pooling.
    """

    def __init__(self, state: State, settings: Mapping[str, Any], quick: bool) -> None:
        super().__init__()
        pool = below(state, "attn_pool.")
        usual = {"global_average_pool": False, "pool_type": "tok", "attentional_pool": bool(pool)}
        require_usual(settings, usual)
        width, _, side, _ = state["conv1.weight"].shape
        self.conv1 = nn.Conv2d(3, width, side, side, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros_like(state["positional_embedding"]))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(len(state["proj"]))
        self.attn_pool = AttentionPool(pool, settings) if pool else None
        heads = max(1, width // int(settings.get("head_width", HEAD_WIDTH)))
        self.transformer = _ClipTransformer(below(state, "transformer."), heads, quick)
        self.proj = nn.Parameter(torch.zeros_like(state["proj"]))

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels ``(n, 3, s, s)`` to ``(n, dim)``."""
        patches = self.conv1(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(patches.shape[0], 1, -1)
        tokens = torch.cat([first, patches], dim=1) + self.positional_embedding
        states = self.transformer(self.ln_pre(tokens))
        pooled = states[:, 0] if self.attn_pool is None else self.attn_pool(states)
        features: Tensor = self.ln_post(pooled) @ self.proj
        return features


class ClipText(nn.Module):
    """CLIP's causal text transformer; the token with the highest id (the end) speaks for all."""

    def __init__(self, state: dict[str, Tensor], settings: Mapping[str, Any], quick: bool) -> None:
        super().__init__()
        require_usual(settings, {"pool_type": "argmax", "no_causal_mask": False})
        state.pop("attn_mask", None)  # a buffer in some files
        vocabulary, width = state["token_embedding.weight"].shape
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.zeros_like(state["positional_embedding"]))
        self.heads = int(settings.get("heads", max(1, width // HEAD_WIDTH)))
        self.transformer = _ClipTransformer(below(state, "transformer."), self.heads, quick)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.zeros_like(state["text_projection"]))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids ``(n, length)`` to ``(n, dim)``; what follows the end is not looked at."""
        length = ids.shape[1]
        future = torch.full((length, length), float("-inf"), device=ids.device).triu(1)
        tokens = self.token_embedding(ids) + self.positional_embedding[:length]
        states = self.ln_final(self.transformer(tokens, future))
        ends = ids.argmax(dim=1)
        features: Tensor = states[torch.arange(ids.shape[0], device=ids.device), ends]
        return features @ self.text_projection


class CocaText(ClipText):
    """CoCa's: a [CLS] token at the end, which looks at the text and not at what fills it up.

    Texts are filled up to the whole width, because [CLS] has the last position embedding. As
    published, its mask is shifted by one place: it also looks at the first token of padding, and
    only at itself where there is none.
    """

    def __init__(self, state: dict[str, Tensor], settings: Mapping[str, Any], quick: bool) -> None:
        super().__init__(state, settings, quick)
        require_usual(settings, {"correct_cls_mask": False})
        self.cls_emb = nn.Parameter(torch.zeros_like(state["cls_emb"]))
        self.padding = int(settings.get("pad_id", 0))
        self.length = len(self.positional_embedding) - 1

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids and mask ``(n, length)`` to ``(n, dim)``."""
        filled = ids.masked_fill(mask == 0, self.padding)
        rest = torch.full_like(ids[:, :1], self.padding).expand(-1, self.length)
        filled = torch.cat([filled, rest], dim=1)[:, : self.length]
        last = self.cls_emb.expand(ids.shape[0], 1, -1)
        tokens = torch.cat([self.token_embedding(filled), last], dim=1)
        states = self.transformer(tokens + self.positional_embedding, self._seen(filled))
        features: Tensor = self.ln_final(states[:, -1]) @ self.text_projection
        return features

    def _seen(self, ids: Tensor) -> Tensor:
        """0, or minus infinity for what is not seen: ``(n * heads, length + 1, length + 1)``."""
        side = self.length + 1
        hidden = torch.ones(side, side, dtype=torch.bool, device=ids.device).triu(1)
        of_last = functional.pad(ids == self.padding, (1, 0), value=False)
        rows = hidden.expand(ids.shape[0], -1, -1)
        rows = torch.cat([rows[:, :-1], of_last[:, None]], dim=1)
        blocked = torch.zeros_like(rows, dtype=self.cls_emb.dtype)
        return blocked.masked_fill(rows, float("-inf")).repeat_interleave(self.heads, dim=0)
