"""Section 5.6: LPA and MSPP trained on a frozen network, by an objective that the paper leaves out.

For every seed of the six images of 5.1 (and, where records are given, every picture that findings
are put into), the embedding shall move far under a finding and little under noise:

    L = - mean over findings  log( d(base, finding) / d(base, noise) ),   d = 1 - cos,

the log of Table 4's signal-to-noise ratio. The step that ships is the best on seeds set aside, and
Table 4 is measured on yet others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from mmedrag.checkpoint import Checkpoint, random_tensors, write_checkpoint
from mmedrag.datasets.radiographs import radiographs
from mmedrag.encoders.image import MapEncoder, OnnxImageEncoder
from mmedrag.encoders.pooling import pooling_layout, pyramid
from mmedrag.errors import QueryError
from mmedrag.phantoms.corpus import sensitivity_images
from mmedrag.phantoms.insertions import inserted
from mmedrag.presets import MODELS
from mmedrag.progress import Progress, silent

Pictures = Mapping[str, NDArray[np.uint8]]
FIRST_SEED = 10_000
"""Of the images that training draws; Table 4 is measured on the seeds from 0."""
RADIOGRAPHS = 16
"""Taken of each record file."""
FINDINGS = ("hairline", "moderate", "mass", "density")
FLOOR = 1e-7  # keeps the logarithm finite where a shift is 0
RATES = {"lpa": 0.02, "mspp": 1e-3}


@dataclass(frozen=True, slots=True)
class TrainedPooling:
    """What came out: weights by name, and log10 of the signal-to-noise ratio on seeds set aside."""

    tensors: Mapping[str, NDArray[np.float32]]
    before: float
    after: float
    step: int


def pooling_pictures(seeds: int, radiographs: Iterable[Image.Image] = ()) -> list[Pictures]:
    """The six images of so many seeds, and findings put into radiographs (without the moderate)."""
    pictures: list[Pictures] = [sensitivity_images(FIRST_SEED + i) for i in range(seeds)]
    return pictures + [inserted(picture, FIRST_SEED + i) for i, picture in enumerate(radiographs)]


def fit_pooling(
    kind: str,
    encoder: MapEncoder,
    pictures: Sequence[Pictures],
    *,
    steps: int = 150,
    seed: int = 0,
    progress: Progress = silent,
) -> TrainedPooling:
    """Train ``"lpa"`` or ``"mspp"`` on feature maps; every fourth picture is set aside.

    Args:
        kind: of pooling.
        encoder: frozen; its maps are made once.
        pictures: from :func:`pooling_pictures`, at least four.
        steps: of Adam, each on all pictures.
        seed: of MSPP's first projection; LPA starts as the global average.
        progress: told how many more pictures are encoded and steps done.

    Raises:
        CheckpointError: for another kind.
    """
    layout = pooling_layout(kind, encoder.channels)
    first = random_tensors(layout, seed) if kind == "mspp" else _zeros(layout)
    inputs = [_inputs(kind, encoder, images, progress) for images in pictures]
    apart = [one for i, one in enumerate(inputs) if i % 4 == 3]
    learned = [one for i, one in enumerate(inputs) if i % 4 != 3]
    weights = {name: torch.tensor(value, requires_grad=True) for name, value in first.items()}
    optimiser = torch.optim.Adam(list(weights.values()), lr=RATES[kind])
    before = best = _log_ratio(kind, weights, apart).item()
    kept, at = dict(first), 0
    for step in range(1, steps + 1):
        optimiser.zero_grad()
        loss = -_log_ratio(kind, weights, learned)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            reached = _log_ratio(kind, weights, apart).item()
        if reached > best:
            best, at = reached, step
            kept = {name: value.detach().numpy().copy() for name, value in weights.items()}
        progress(1)
    return TrainedPooling(kept, before, best, at)


def train_pooling(
    into: Path,
    kind: str,
    *,
    seeds: int = 64,
    data: Sequence[Path] = (),
    steps: int = 150,
    seed: int = 0,
    progress: Progress = silent,
) -> TrainedPooling:
    """Train on the shipped network and write the checkpoint.

    Args:
        into: the folder of the checkpoint, which ``encoders.pooling.load_pooling`` reads.
        kind: ``"lpa"`` or ``"mspp"``.
        seeds: images of 5.1 that are drawn, at least 4.
        data: record files whose radiographs get findings put in as well.
        steps: of Adam.
        seed: of MSPP's first projection.
        progress: told how many more pictures are encoded and steps done.

    Raises:
        QueryError: for too few seeds.
        CheckpointError: where the folder exists already or cannot be written.
        CorpusError: where records cannot be read.
    """
    if seeds < 4:
        raise QueryError(f"--seeds is {seeds}", "Give at least 4: every fourth is set aside.")
    encoder = OnnxImageEncoder.from_card(MODELS / "lite0.json")
    pictures = pooling_pictures(seeds, radiographs(data, most=RADIOGRAPHS, test=False))
    trained = fit_pooling(kind, encoder, pictures, steps=steps, seed=seed, progress=progress)
    checkpoint = Checkpoint(
        kind=kind,
        tensors=trained.tensors,
        encoders={"image": encoder.fingerprint},
        training_data=("images of section 5.1", *(path.parent.name for path in data)),
        settings={"objective": "log signal-to-noise", "step": trained.step},
    )
    write_checkpoint(into, checkpoint)
    return trained


def _zeros(layout: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    return {name: np.zeros(shape, dtype=np.float32) for name, shape in layout.items()}


def _inputs(
    kind: str, encoder: MapEncoder, images: Pictures, progress: Progress
) -> dict[str, Tensor]:
    """What the learned part reads of each image: maps for LPA, the pyramid for MSPP."""
    names = [name for name in images if name in ("base", "noise", *FINDINGS)]
    maps = encoder.encode_maps([Image.fromarray(images[name]) for name in names])
    progress(1)
    rows = torch.from_numpy(pyramid(maps) if kind == "mspp" else maps)
    return dict(zip(names, rows, strict=True))


def _log_ratio(
    kind: str, weights: Mapping[str, Tensor], inputs: Sequence[Mapping[str, Tensor]]
) -> Tensor:
    """Mean over pictures and findings of log10 of the signal-to-noise ratio."""
    ratios = []
    for picture in inputs:
        names = list(picture)
        rows = functional.normalize(_pooled(kind, weights, torch.stack([*picture.values()])), dim=1)
        shift = ((rows - rows[names.index("base")]) ** 2).sum(dim=1) / 2 + FLOOR
        noise = shift[names.index("noise")]
        ratios += [torch.log10(shift[names.index(f)] / noise) for f in FINDINGS if f in names]
    return torch.stack(ratios).mean()


def _pooled(kind: str, weights: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    if kind == "mspp":
        return functional.linear(inputs, weights["projection.weight"], weights["projection.bias"])
    scores = torch.einsum("nchw,c->nhw", inputs, weights["attention.weight"])
    attention = scores.flatten(1).softmax(dim=1).reshape(scores.shape)
    return torch.einsum("nchw,nhw->nc", inputs, attention)
