"""Tiny random models of each architecture, laid out on disk as their owners publish them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
import transformers as hf
from tokenizers import Tokenizer, models, pre_tokenizers, processors

torch.set_num_threads(1)  # tiny models gain nothing from more

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "left", "right", "effusion", "no", "lung"]
SIDE = 32


def _resnet() -> hf.PreTrainedModel:
    config = hf.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"
    )
    return hf.ResNetModel(config)


def _efficientnet() -> hf.PreTrainedModel:
    config = hf.EfficientNetConfig(
        image_size=SIDE,
        in_channels=[8, 8],
        out_channels=[8, 16],
        kernel_sizes=[3, 3],
        strides=[1, 2],
        num_block_repeats=[1, 1],
        expand_ratios=[1, 2],
        depthwise_padding=[],
        width_coefficient=0.25,
        depth_coefficient=1.0,
        hidden_dim=320,  # 1280 at the width of B0, of which this is a quarter
    )
    return hf.EfficientNetModel(config)


def _transformer(**more: int) -> dict[str, int]:
    return {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        **more,
    }


def _vit() -> hf.PreTrainedModel:
    # As published classifiers are saved: without the pooler that ViTModel would like to have.
    return hf.ViTForImageClassification(
        hf.ViTConfig(**_transformer(image_size=SIDE, patch_size=8, num_labels=3))
    )


def _dinov2() -> hf.PreTrainedModel:
    return hf.Dinov2Model(hf.Dinov2Config(**_transformer(image_size=SIDE, patch_size=8)))


def _clip() -> hf.PreTrainedModel:
    text = _transformer(
        vocab_size=len(WORDS), max_position_embeddings=16, eos_token_id=3, bos_token_id=2
    )
    vision = _transformer(image_size=SIDE, patch_size=8)
    return hf.CLIPModel(hf.CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))


def _siglip() -> hf.PreTrainedModel:
    text = _transformer(
        vocab_size=len(WORDS), max_position_embeddings=16, eos_token_id=3, bos_token_id=2
    )
    vision = _transformer(image_size=SIDE, patch_size=8)
    return hf.SiglipModel(hf.SiglipConfig(text_config=text, vision_config=vision))


def _bert() -> hf.PreTrainedModel:
    return hf.BertForMaskedLM(
        hf.BertConfig(**_transformer(vocab_size=len(WORDS), max_position_embeddings=16))
    )


IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
SQUARE = {"size": {"height": SIDE, "width": SIDE}, **IMAGENET}
CROPPED = {
    "size": {"shortest_edge": 36},
    "crop_size": {"height": SIDE, "width": SIDE},
    "do_center_crop": True,
    **IMAGENET,
}

PROCESSORS: dict[str, dict[str, object]] = {
    "resnet": {
        "image_processor_type": "ConvNextImageProcessor",
        "size": {"shortest_edge": SIDE},
        "crop_pct": 0.875,
        **IMAGENET,
    },
    "efficientnet": {"image_processor_type": "EfficientNetImageProcessor", **SQUARE},
    "vit": {"image_processor_type": "ViTImageProcessor", **SQUARE},
    "dinov2": {"image_processor_type": "BitImageProcessor", **CROPPED},
    "clip": {"image_processor_type": "CLIPImageProcessor", **CROPPED},
    "siglip": {"image_processor_type": "SiglipImageProcessor", **SQUARE},
}

MODELS: dict[str, Callable[[], hf.PreTrainedModel]] = {
    "resnet": _resnet,
    "efficientnet": _efficientnet,
    "vit": _vit,
    "dinov2": _dinov2,
    "clip": _clip,
    "siglip": _siglip,
    "bert": _bert,
}

TEXTS = ("bert", "clip", "siglip")


def write_model(kind: str, folder: Path, seed: int = 0) -> Path:
    """A folder that ``from_pretrained`` can load, with random weights of ``kind``."""
    torch.manual_seed(seed)
    model = MODELS[kind]().eval()
    # Wide enough apart that a test would notice a wrong layer; EfficientNet's squeezing damps more.
    width = 1.0 if kind == "efficientnet" else 0.1
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * width)
    model.save_pretrained(folder)
    if kind in PROCESSORS:
        (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSORS[kind]))
    if kind == "bert":  # as Bio_ClinicalBERT is published: a vocabulary and nothing else
        (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    elif kind in TEXTS:
        write_tokenizer(folder)
    return folder


def write_tokenizer(folder: Path) -> None:
    vocabulary = {word: i for i, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 16,
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
