"""Fine-tuning the late blocks of Lite0 for the ``offline`` preset.

The early blocks stay as ImageNet left them: what they give is computed once for each image and for
a few augmented views of it, and kept on disk in half precision, so that an epoch over ten thousand
images takes half a minute on two cores. Batch normalisation is folded into the convolutions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from tqdm import tqdm

from mmedrag.encoders.image import Preprocessing
from mmedrag.imaging.decoding import image_digest, open_image
from mmedrag.networks.lite0 import MEAN, STD, Lite0
from mmedrag.progress import Log
from mmedrag.training.augmentation import augmented
from mmedrag.training.tasks import Task
from mmedrag.types import Case

SIZE = 288
"""Pixels of a side; the shared images are at most 320 wide."""

CUT = 12
"""The first block that is tuned; blocks 12 to 15 and the head convolution hold 3 of 3.4 million."""

VIEWS = 4
"""The image itself and three augmented views."""

Maps = NDArray[np.float16]


def folded(backbone: Lite0) -> Lite0:
    """The same network (in place) without batch normalisation: its scales are in the kernels."""
    backbone.eval()
    _fold(backbone, "_conv_stem", "_bn0")
    _fold(backbone, "_conv_head", "_bn1")
    for block in backbone._blocks:
        if block.expands:
            _fold(block, "_expand_conv", "_bn0")
        _fold(block, "_depthwise_conv", "_bn1")
        _fold(block, "_project_conv", "_bn2")
    channels_last: Lite0 = backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return channels_last


def middle_maps(backbone: Lite0, cases: Sequence[Case], view: int, cache: Path) -> Maps:
    """What the frozen blocks give for each image, float16 ``(n, 192, 9, 9)``, from the cache.

    View 0 is the image, others are augmented by the view's number as seed.
    """
    seen = [f"{c.id} {image_digest(c.image, c.frame)}" for c in cases if c.image is not None]
    named = "\n".join([f"{SIZE} {CUT} {view}", *seen])
    path = cache / f"middle-{hashlib.sha256(named.encode()).hexdigest()[:24]}.npy"
    if not path.exists():
        random = np.random.default_rng(view)
        rows = [
            _middle(backbone, case, random if view else None)
            for case in tqdm(cases, desc=f"view {view}", unit="image", disable=None)
        ]
        cache.mkdir(parents=True, exist_ok=True)
        np.save(path, np.stack(rows), allow_pickle=False)
    maps: Maps = np.load(path, mmap_mode="r", allow_pickle=False)
    return maps


def tune(
    backbone: Lite0,
    views: Sequence[Maps],
    tasks: Sequence[Task],
    shares: NDArray[np.float64],
    *,
    epochs: int = 10,
    images: int = 3000,
    seed: int = 0,
    log: Log = print,
) -> None:
    """Tune the late blocks (in place) on all tasks at once.

    Cross-entropy with smoothing 0.1, mixup in half of the batches (Zhang et al. 2018), AdamW with
    one cycle, dropout 0.3 on the pooled features.

    Args:
        backbone: folded.
        views: :func:`middle_maps` of the images, one array a view.
        tasks: their classes.
        shares: the chance of each image to be drawn, ``(n,)``, 0 for one that is held out.
        epochs: of ``images`` draws each.
        images: draws an epoch.
        seed: of every draw.
        log: told the loss of every epoch.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    heads = nn.ModuleList(nn.Linear(1280, task.count) for task in tasks)
    labels = [torch.tensor(task.classes) for task in tasks]
    late = [*backbone._blocks[CUT:].parameters(), *backbone._conv_head.parameters()]
    groups = [{"params": late, "lr": 3e-4}, {"params": [*heads.parameters()], "lr": 3e-3}]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.05)
    steps = images // 64
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [3e-4, 3e-3], total_steps=epochs * steps, pct_start=0.1
    )
    for epoch in range(epochs):
        sampled = random.choice(len(shares), (steps, 64), p=shares)
        losses = []
        for rows in np.sort(sampled, axis=1):
            maps = torch.tensor(views[int(random.integers(len(views)))][rows], dtype=torch.float32)
            loss = _loss(backbone, heads, maps, [targets[rows] for targets in labels], random)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        log(f"epoch {epoch + 1} of {epochs}: loss {np.mean(losses):.3f}")


def averaged(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of the weights of several runs from one start (model soup, Wortsman et al. 2022).

    One network that does as well as their ensemble, for the price of one.
    """
    return {name: torch.stack([state[name] for state in states]).mean(dim=0) for name in states[0]}


def _loss(
    backbone: Lite0,
    heads: nn.ModuleList,
    maps: Tensor,
    labels: Sequence[Tensor],
    random: np.random.Generator,
) -> Tensor:
    mix = max(share := float(random.beta(0.4, 0.4)), 1 - share) if random.random() < 0.5 else 1.0
    other = torch.randperm(len(maps))
    mixed = mix * maps + (1 - mix) * maps[other]
    features = functional.dropout(late_maps(backbone, mixed).mean(dim=(2, 3)), 0.3)
    losses = [
        term
        for head, classes in zip(heads, labels, strict=True)
        for term in (
            mix * _cross_entropy(head(features), classes),
            (1 - mix) * _cross_entropy(head(features), classes[other]),
        )
    ]
    return torch.stack(losses).sum()


def _cross_entropy(logits: Tensor, labelled: Tensor) -> Tensor:
    """Over the images that have a class; 0 where none has."""
    total = functional.cross_entropy(
        logits, labelled, ignore_index=-1, label_smoothing=0.1, reduction="sum"
    )
    return total / (labelled >= 0).sum().clamp(min=1)


def _early(backbone: Lite0, x: Tensor) -> Tensor:
    x = functional.relu6(backbone._bn0(backbone._conv_stem(x)))
    for block in backbone._blocks[:CUT]:
        x = block(x)
    return x


def late_maps(backbone: Lite0, x: Tensor) -> Tensor:
    """What the tuned blocks make of middle maps ``(n, 192, 9, 9)``: maps ``(n, 1280, 9, 9)``."""
    x = x.contiguous(memory_format=torch.channels_last)
    for block in backbone._blocks[CUT:]:
        x = block(x)
    return functional.relu6(backbone._bn1(backbone._conv_head(x)))


def _middle(backbone: Lite0, case: Case, random: np.random.Generator | None) -> Maps:
    """The middle map of one image; an absent random generator leaves it as it is."""
    assert case.image is not None  # callers pass cases with images only
    image: Image.Image = open_image(case.image, case.frame)
    if random is not None:
        image = augmented(image.convert("RGB"), case, random)
    pixels = Preprocessing(SIZE, MEAN, STD)(image)
    with torch.no_grad():
        maps = _early(
            backbone, torch.tensor(pixels)[None].contiguous(memory_format=torch.channels_last)
        )
    return maps[0].contiguous().numpy().astype(np.float16)


def _fold(block: nn.Module, conv: str, norm: str) -> None:
    setattr(block, conv, fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm)))
    setattr(block, norm, nn.Identity())
