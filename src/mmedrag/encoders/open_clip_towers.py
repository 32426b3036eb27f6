"""The networks of OpenCLIP checkpoints as torch modules, without ``open_clip`` or ``timm``.

Parameter names are those of the published files, so that weights load as they are and a tensor that
is absent or unexpected is noticed. Two layouts of each tower: ``timm`` vision transformers and
BERT-type text models with a projection (BiomedCLIP; Zhang et al. 2025, doi:10.1056/AIoa2400640),
and CLIP's own transformers (Radford et al. 2021).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

State = Mapping[str, Tensor]
HEAD_WIDTH = 64  # of the attention heads of every published model of these layouts


class OpenClip(nn.Module):
    """Both towers of one space, with the surface of a ``transformers`` both-tower model.

    Args:
        state: the tensors of a checkpoint by their published names.
        settings: ``model_cfg`` of its ``open_clip_config.json``.

    Raises:
        KeyError: where a tensor or setting is absent.
        RuntimeError: where tensors do not fit each other.
        ValueError: for a layout that is neither of the two.
    """

    def __init__(self, state: State, settings: Mapping[str, Any]) -> None:
        super().__init__()
        vision, text = settings["vision_cfg"], settings["text_cfg"]
        quick = bool(settings.get("quick_gelu"))
        state = {k: v.float() for k, v in state.items() if not k.startswith("logit_")}
        of_vision = below(state, "visual.")
        of_text = below(state, "text.") or {
            k: v for k, v in state.items() if not k.startswith("visual.")
        }
        self.visual: nn.Module = (
            TimmVision(of_vision, vision)
            if any(name.startswith("trunk.") for name in of_vision)
            else ClipVision(of_vision, vision, quick)
        )
        self.text: nn.Module = (
            BertText(of_text, text)
            if any(name.startswith("transformer.embeddings.") for name in of_text)
            else ClipText(of_text, text, quick)
        )
        self.visual.load_state_dict(of_vision)
        self.text.load_state_dict(of_text)
        length = int(text.get("context_length", 77))
        self.config = SimpleNamespace(model_type="open-clip", max_position_embeddings=length)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    def get_image_features(self, pixel_values: Tensor) -> Tensor:
        """Normalised pixels ``(n, 3, s, s)`` to features ``(n, dim)``."""
        features: Tensor = self.visual(pixel_values)
        return features

    def get_text_features(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Token ids and mask ``(n, length)`` to features ``(n, dim)``."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        features: Tensor = self.text(input_ids, mask)
        return features


def below(state: State, prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix``, without it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


class _TimmAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(1, width // HEAD_WIDTH)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        split = self.qkv(x).reshape(n, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(n, length, width))
        return out


class _TimmBlock(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.attn = _TimmAttention(width)
        self.mlp = nn.Sequential(
            OrderedDict(fc1=nn.Linear(width, hidden), act=nn.GELU(), fc2=nn.Linear(hidden, width))
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        mixed: Tensor = x + self.mlp(self.norm2(x))
        return mixed


class _Patches(nn.Module):
    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, side, side)

    def forward(self, pixels: Tensor) -> Tensor:
        patches: Tensor = self.proj(pixels)
        return patches.flatten(2).transpose(1, 2)


class _TimmTrunk(nn.Module):
    """A vision transformer that gives its normalised [CLS] token."""

    def __init__(self, state: State) -> None:
        super().__init__()
        width, _, side, _ = state["patch_embed.proj.weight"].shape
        self.patch_embed = _Patches(width, side)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros_like(state["pos_embed"]))
        hidden = state["blocks.0.mlp.fc1.weight"].shape[0]
        depth = _depth(state, "blocks")
        self.blocks = nn.Sequential(*(_TimmBlock(width, hidden) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embed(pixels)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        states: Tensor = self.norm(self.blocks(tokens + self.pos_embed))
        return states[:, 0]


class TimmVision(nn.Module):
    """A ``timm`` vision transformer with a linear, two-layer or no projection.

    Raises:
        ValueError: for a pooling other than the [CLS] token.
    """

    def __init__(self, state: State, settings: Mapping[str, Any]) -> None:
        super().__init__()
        if (pooling := settings.get("timm_pool") or "token") != "token":
            raise ValueError(f"vision pooling {pooling} where [CLS] (token) is expected")
        self.trunk = _TimmTrunk(below(state, "trunk."))
        self.head = _projection(below(state, "head."))

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels ``(n, 3, s, s)`` to ``(n, dim)``."""
        features: Tensor = self.head(self.trunk(pixels))
        return features


def _projection(state: State) -> nn.Sequential:
    if "mlp.fc1.weight" in state:
        layers = OrderedDict(
            fc1=_linear(state, "mlp.fc1"), act=nn.GELU(), fc2=_linear(state, "mlp.fc2")
        )
        return nn.Sequential(OrderedDict(mlp=nn.Sequential(layers)))
    if "proj.weight" in state:
        return nn.Sequential(OrderedDict(proj=_linear(state, "proj")))
    return nn.Sequential()


def _linear(state: State, name: str) -> nn.Linear:
    outputs, inputs = state[f"{name}.weight"].shape
    return nn.Linear(inputs, outputs, bias=f"{name}.bias" in state)


class BertText(nn.Module):
    """A BERT of ``transformers``, pooled, and projected by one layer, two or none.

    Raises:
        ValueError: for a pooling that is not known.
    """

    def __init__(self, state: dict[str, Tensor], settings: Mapping[str, Any]) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel

        self.pooling = settings.get("hf_pooler_type") or "mean_pooler"
        if self.pooling not in ("cls_last_hidden_state_pooler", "mean_pooler"):
            raise ValueError(f"text pooling {self.pooling}")
        # Older versions of transformers saved this counter of positions as if it were a weight.
        state.pop("transformer.embeddings.position_ids", None)
        bert = below(state, "transformer.")
        vocabulary, width = bert["embeddings.word_embeddings.weight"].shape
        config = BertConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            num_hidden_layers=_depth(bert, "encoder.layer"),
            num_attention_heads=max(1, width // HEAD_WIDTH),
            intermediate_size=bert["encoder.layer.0.intermediate.dense.weight"].shape[0],
            max_position_embeddings=bert["embeddings.position_embeddings.weight"].shape[0],
            type_vocab_size=bert["embeddings.token_type_embeddings.weight"].shape[0],
        )
        self.transformer = BertModel(config, add_pooling_layer=False)
        layers = [name for name in ("proj.0", "proj.2") if f"{name}.weight" in state]
        self.proj: nn.Module = nn.Identity()
        if layers:
            first, *second = (_linear(state, name) for name in layers)
            self.proj = nn.Sequential(first, nn.GELU(), *second)
        elif "proj.weight" in state:
            self.proj = _linear(state, "proj")

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids and mask ``(n, length)`` to ``(n, dim)``."""
        states = self.transformer(input_ids=ids, attention_mask=mask).last_hidden_state
        if self.pooling == "mean_pooler":
            weights = mask.to(states)[:, :, None]
            pooled = (states * weights).sum(1) / weights.sum(1)
        else:
            pooled = states[:, 0]
        features: Tensor = self.proj(pooled)
        return features


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
        depth = _depth(state, "resblocks")
        blocks = (_ClipBlock(width, heads, hidden, quick) for _ in range(depth))
        self.resblocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self.resblocks:
            x = block(x, mask)
        return x


class ClipVision(nn.Module):
    """CLIP's vision transformer."""

    def __init__(self, state: State, settings: Mapping[str, Any], quick: bool) -> None:
        super().__init__()
        width, _, side, _ = state["conv1.weight"].shape
        self.conv1 = nn.Conv2d(3, width, side, side, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros_like(state["positional_embedding"]))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        heads = max(1, width // int(settings.get("head_width", HEAD_WIDTH)))
        self.transformer = _ClipTransformer(below(state, "transformer."), heads, quick)
        self.proj = nn.Parameter(torch.zeros_like(state["proj"]))

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels ``(n, 3, s, s)`` to ``(n, dim)``."""
        patches = self.conv1(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(patches), 1, -1)
        tokens = torch.cat([first, patches], dim=1) + self.positional_embedding
        states = self.transformer(self.ln_pre(tokens))
        features: Tensor = self.ln_post(states[:, 0]) @ self.proj
        return features


class ClipText(nn.Module):
    """CLIP's causal text transformer; the token with the highest id (the end) speaks for all."""

    def __init__(self, state: dict[str, Tensor], settings: Mapping[str, Any], quick: bool) -> None:
        super().__init__()
        state.pop("attn_mask", None)  # a buffer in some files
        vocabulary, width = state["token_embedding.weight"].shape
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.zeros_like(state["positional_embedding"]))
        heads = int(settings.get("heads", max(1, width // HEAD_WIDTH)))
        self.transformer = _ClipTransformer(below(state, "transformer."), heads, quick)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.zeros_like(state["text_projection"]))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids ``(n, length)`` to ``(n, dim)``; what follows the end is not looked at."""
        length = ids.shape[1]
        future = torch.full((length, length), float("-inf"), device=ids.device).triu(1)
        tokens = self.token_embedding(ids) + self.positional_embedding[:length]
        states = self.ln_final(self.transformer(tokens, future))
        ends = ids.argmax(dim=1)
        features: Tensor = states[torch.arange(len(ids), device=ids.device), ends]
        return features @ self.text_projection


def _depth(state: State, prefix: str) -> int:
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
