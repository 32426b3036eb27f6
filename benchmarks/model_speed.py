"""What encoding costs with the models of the presets: ``python benchmarks/model_speed.py``.

Speed depends on the shape of a network and not on its weights, so networks of the shapes that the
models' pages state are made with random weights, and nothing is downloaded. One thread, float32,
processor time of one image or of one text of 64 tokens, the median of several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from time import process_time

import numpy as np
import torch
from PIL import Image
from transformers import (
    BertConfig,
    BertModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    Dinov2Config,
    Dinov2Model,
    PreTrainedModel,
    SiglipVisionConfig,
    SiglipVisionModel,
    ViTConfig,
    ViTModel,
)

from mmedrag.presets import offline_encoders
from mmedrag.threads import limit_models

TIMES = 5
TOKENS = 64


def networks() -> Iterator[tuple[str, PreTrainedModel, int]]:
    """Name, network, and side of its images (0: it reads texts)."""
    yield "ViT-B/32 at 224 px (pubmedclip, plip)", CLIPVisionModel(_clip(32)), 224
    yield "ViT-B/16 at 224 px (biomedclip)", ViTModel(ViTConfig(image_size=224)), 224
    yield "ViT-B/16 at 448 px (conch)", ViTModel(ViTConfig(image_size=448)), 448
    yield "DINOv2 ViT-B/14 at 518 px (rad-dino)", Dinov2Model(Dinov2Config(image_size=518)), 518
    large = SiglipVisionConfig(
        hidden_size=1152, intermediate_size=4304, num_hidden_layers=27, num_attention_heads=16,
        image_size=448, patch_size=14,
    )  # fmt: skip
    yield "SigLIP So400m/14 at 448 px (medsiglip)", SiglipVisionModel(large), 448
    yield "BERT base (biomedclip, paper)", BertModel(BertConfig()), 0


def _clip(patch: int) -> CLIPVisionConfig:
    return CLIPVisionConfig(patch_size=patch, image_size=224)


def cost(work: Callable[[], object]) -> float:
    """Milliseconds of the processor, after one run that is not counted."""
    work()
    spent = []
    for _ in range(TIMES):
        before = process_time()
        work()
        spent.append(1000.0 * (process_time() - before))
    return median(spent)


def main() -> None:
    """Print a line for each network, the shipped ones first."""
    torch.set_num_threads(1)
    limit_models(1)
    images, texts = offline_encoders()
    drawn = np.random.default_rng(0).integers(0, 255, (TIMES + 1, 288, 288, 3), np.uint8)
    pictures = iter([Image.fromarray(pixels) for pixels in drawn])
    sentences = iter([f"{i} " + "no pleural effusion or mass " * 12 for i in range(TIMES + 1)])
    shipped = {
        "EfficientNet-Lite0 at 288 px (offline)": lambda: images.encode([next(pictures)]),
        "MiniLM, int8 (offline)": lambda: texts.encode([next(sentences)]),
    }
    for name, work in shipped.items():
        print(f"{name}: {cost(work):.0f} ms", flush=True)
    for name, network, side in networks():
        network.eval()
        size = sum(p.numel() for p in network.parameters()) / 1e6
        fed = (
            {"pixel_values": torch.rand(1, 3, side, side)}
            if side
            else {"input_ids": torch.randint(0, 1000, (1, TOKENS))}
        )
        with torch.inference_mode():
            spent = cost(lambda network=network, fed=fed: network(**fed))
        print(f"{name}, {size:.0f} M: {spent:.0f} ms", flush=True)


if __name__ == "__main__":
    main()
