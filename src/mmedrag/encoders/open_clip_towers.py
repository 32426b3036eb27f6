"""The networks of OpenCLIP checkpoints as torch modules, without ``open_clip`` or ``timm``.

Parameter names are those of the published files, so that weights load as they are and a tensor that
is absent or unexpected is noticed. Towers of three families: ``timm`` vision transformers and
BERT-type text models with a projection (BiomedCLIP; Zhang et al. 2025, doi:10.1056/AIoa2400640),
and CLIP's and CoCa's own (:mod:`mmedrag.encoders.clip_networks`), of which CONCH joins its text
tower to a ``timm`` one (Lu et al. 2024, doi:10.1038/s41591-024-02856-4).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmedrag.encoders.clip_networks import (
    HEAD_WIDTH,
    AttentionPool,
    ClipText,
    ClipVision,
    CocaText,
    State,
    below,
    depth,
)

CAPTIONING = ("text_decoder.", "visual.attn_pool_caption.", "visual.ln_caption.")
"""The parts of a CoCa that only write captions: read past, since no feature depends on them."""


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
        state = below(state, "module.") or state  # as a network in parallel is saved
        unused = ("logit_", *CAPTIONING)
        state = {k: v.float() for k, v in state.items() if not k.startswith(unused)}
        of_vision = below(state, "visual.")
        of_text = below(state, "text.") or {
            k: v for k, v in state.items() if not k.startswith("visual.")
        }
        self.visual = _vision(of_vision, vision, quick)
        self.text = _text(of_text, text, quick)
        self.visual.load_state_dict(of_vision)
        self.text.load_state_dict(of_text)
        length = int(text.get("context_length", 77))
        if isinstance(self.text, CocaText):
            length = self.text.length
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


def _vision(state: dict[str, Tensor], settings: Mapping[str, Any], quick: bool) -> nn.Module:
    if "attn_pool_contrast.query" in state:
        return ConchVision(state, settings)
    if any(name.startswith("trunk.") for name in state):
        return TimmVision(state, settings)
    return ClipVision(state, settings, quick)


def _text(state: dict[str, Tensor], settings: Mapping[str, Any], quick: bool) -> nn.Module:
    if any(name.startswith("transformer.embeddings.") for name in state):
        return BertText(state, settings)
    return (CocaText if "cls_emb" in state else ClipText)(state, settings, quick)


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
    """A vision transformer that gives its normalised tokens, [CLS] first."""

    def __init__(self, state: State) -> None:
        super().__init__()
        width, _, side, _ = state["patch_embed.proj.weight"].shape
        self.patch_embed = _Patches(width, side)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros_like(state["pos_embed"]))
        hidden = state["blocks.0.mlp.fc1.weight"].shape[0]
        blocks = (_TimmBlock(width, hidden) for _ in range(depth(state, "blocks")))
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embed(pixels)
        tokens = torch.cat([self.cls_token.expand(patches.shape[0], -1, -1), patches], dim=1)
        states: Tensor = self.norm(self.blocks(tokens + self.pos_embed))
        return states


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
        features: Tensor = self.head(self.trunk(pixels)[:, 0])
        return features


class ConchVision(nn.Module):
    """CONCH's: a ``timm`` trunk, pooled by a query that attends to all tokens, and projected.

    Position embeddings of another grid than the configuration's are scaled as CONCH's loader does.
    """

    def __init__(self, state: dict[str, Tensor], settings: Mapping[str, Any]) -> None:
        super().__init__()
        side = state["trunk.patch_embed.proj.weight"].shape[-1]
        grid = int(settings.get("image_size", 224)) // side
        state["trunk.pos_embed"] = _on_grid(state["trunk.pos_embed"], grid)
        self.trunk = _TimmTrunk(below(state, "trunk."))
        self.attn_pool_contrast = AttentionPool(below(state, "attn_pool_contrast."), settings)
        self.proj_contrast = nn.Parameter(torch.zeros_like(state["proj_contrast"]))
        self.ln_contrast = nn.LayerNorm(len(self.proj_contrast))

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels ``(n, 3, s, s)`` to ``(n, dim)``."""
        pooled = self.attn_pool_contrast(self.trunk(pixels))
        features: Tensor = self.ln_contrast(pooled) @ self.proj_contrast
        return features


def _on_grid(positions: Tensor, grid: int) -> Tensor:
    """Position embeddings ``(1, 1 + g * g, width)``, [CLS] first, for a grid of another side."""
    cls, places = positions[:, :1], positions[:, 1:]
    side = round(places.shape[1] ** 0.5)
    if side == grid:
        return positions
    square = places.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    scaled = functional.interpolate(square, size=(grid, grid), mode="bilinear")
    return torch.cat([cls, scaled.flatten(2).transpose(1, 2)], dim=1)


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
        if "roberta" in str(settings.get("hf_model_name")).lower():
            raise ValueError(
                "a RoBERTa text tower where BERT is expected"
            )  # it counts places from 2
        # Older versions of transformers saved this counter of positions as if it were a weight.
        state.pop("transformer.embeddings.position_ids", None)
        bert = below(state, "transformer.")
        vocabulary, width = bert["embeddings.word_embeddings.weight"].shape
        config = BertConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            num_hidden_layers=depth(bert, "encoder.layer"),
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
