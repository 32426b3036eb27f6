"""Training of the fusion strategies of Table C (section 4.5, docs/notes/fusion.md).

The paper states no loss. Here every strategy learns by one: InfoNCE with group positives (van den
Oord et al. 2018; many positives as in Khosla et al. 2020) between fused vectors of the same cases
seen in three ways: the image alone, the text alone, both. That is modality dropout by enumeration
(Neverova et al. 2016 draw it), and it is what teaches the tokens that stand for an absent modality.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mmedrag.checkpoint import Checkpoint, random_tensors, write_checkpoint
from mmedrag.datasets.corpus import Codes
from mmedrag.encoders.fusion import LearnedFusion, fusion_from_checkpoint, fusion_layout
from mmedrag.encoders.strategies import STRATEGIES
from mmedrag.errors import CheckpointError, CorpusError
from mmedrag.progress import Log, Progress, silent
from mmedrag.training.backbones import open_backbones
from mmedrag.training.losses import LARGEST_SCALE, SCALE, visible_info_nce
from mmedrag.training.pairs import Pairs, encode_pairs, read_pair_split, set_of
from mmedrag.training.positives import WAYS, PositivePairs, tune_mrr
from mmedrag.training.scaling import Scaling, folded
from mmedrag.training.schedule import rate_share
from mmedrag.training.strategies import fuse, project

EPOCHS = 12
BATCH = 512
RATE = 5e-4
DECAY = 0.05
DROPOUT = 0.2
"""Of features, in training only."""


@dataclass(frozen=True, slots=True)
class FusionEpoch:
    """Mean loss over the batches, and the mean reciprocal rank on the part that chooses."""

    loss: float
    tune_mrr: float


@dataclass(frozen=True, slots=True, eq=False)
class TrainedFusion:
    """A strategy at its best epoch, and the curve that says which that was."""

    checkpoint: Checkpoint
    curve: tuple[FusionEpoch, ...]

    @property
    def fusion(self) -> LearnedFusion:
        """The trained fusion as encoders use it."""
        return fusion_from_checkpoint(self.checkpoint)

    @property
    def best(self) -> FusionEpoch:
        """The epoch whose weights were kept."""
        return max(self.curve, key=lambda epoch: epoch.tune_mrr)


def fit_fusion(
    strategy: str,
    train: Pairs,
    tune: Pairs,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    dim: int = 512,
    output_dim: int | None = None,
    encoders: Mapping[str, str] | None = None,
    training_data: Sequence[str] = (),
    on_epoch: Callable[[FusionEpoch], object] = lambda epoch: None,
) -> TrainedFusion:
    """Train one strategy; the same seed gives the same weights on the same machine.

    Args:
        strategy: one of :data:`mmedrag.encoders.strategies.STRATEGIES`.
        train: pairs to learn from.
        tune: pairs of other patients, on which the best epoch is chosen.
        epochs: passes over ``train``.
        seed: of weights, batches and dropout.
        dim: the fused width (512 in Table C).
        output_dim: the width of an output head (256 in section 3.3); none by default.
        encoders: fingerprints by role (``image``, ``text``), for the checkpoint.
        training_data: names of the sets, for the checkpoint.
        on_epoch: told of every epoch.

    Raises:
        CheckpointError: for an unknown strategy or an impossible width.
    """
    torch.manual_seed(seed)
    widths = {"image_dim": train.images.shape[1], "text_dim": train.texts.shape[1]}
    layout = fusion_layout(strategy, widths["image_dim"], widths["text_dim"], dim, output_dim)
    w = {name: torch.tensor(t).requires_grad_() for name, t in random_tensors(layout, seed).items()}
    scalings = Scaling.of(train.images), Scaling.of(train.texts)

    def checkpoint() -> Checkpoint:
        tensors = folded({name: t.detach().numpy().copy() for name, t in w.items()}, *scalings)
        settings = {"strategy": strategy, **widths, "dim": dim, "seed": seed, "epochs": epochs}
        return Checkpoint(
            kind="fusion",
            tensors=tensors,
            encoders=encoders or {},
            training_data=training_data,
            settings=settings,
        )

    best, curve = checkpoint(), list[FusionEpoch]()
    for loss in _epochs(strategy, w, train, scalings, epochs, seed):
        reached = checkpoint()
        curve.append(FusionEpoch(loss, tune_mrr(fusion_from_checkpoint(reached), tune)))
        if curve[-1].tune_mrr >= max(epoch.tune_mrr for epoch in curve):
            best = reached
        on_epoch(curve[-1])
    return TrainedFusion(best, tuple(curve))


def batches(studies: Codes, random: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Rows of studies in random order, :data:`BATCH` at a time, so that positives meet.

    ``studies`` is int64 ``(n,)``, numbered from 0.
    """
    rank = random.permutation(int(studies.max()) + 1)[studies]
    order = np.argsort(rank, kind="stable")
    return (order[start : start + BATCH] for start in range(0, len(order), BATCH))


def train_fusion(
    paths: Sequence[Path],
    into: Path,
    *,
    strategies: Sequence[str] = tuple(STRATEGIES),
    preset: str = "offline",
    models: Mapping[str, str] | None = None,
    epochs: int = EPOCHS,
    seed: int = 0,
    output_dim: int | None = None,
    splits: Path | None = None,
    log: Log = lambda line: None,
    progress: Progress = silent,
) -> list[TrainedFusion]:
    """Train strategies on the encoders of a preset and write each to ``into/NAME``.

    Features are kept in ``into/features``, so that more strategies can follow.

    Args:
        paths: files of the native format with images and texts.
        into: the folder; what it holds of the same names is an error.
        strategies: names of Table C.
        preset: ``offline``, or one with the models image and text; its encoders stay frozen.
        models: by role, hub ids or folders that replace the preset's own.
        epochs: of each strategy.
        seed: of weights, batches and dropout.
        output_dim: the width of an output head; none by default.
        splits: a split file in place of drawing; the split used is written to ``into/splits.json``.
        log: given a line for every strategy that is done.
        progress: told how many more epochs are done.

    Raises:
        CorpusError: where a file cannot be read, no case has an image and a text, or all are of
            one patient.
        CheckpointError: for an unknown strategy, or one that the folder holds already.
        ModelError: where an encoder cannot be loaded.
    """
    if existing := [name for name in strategies if (into / name).exists()]:
        raise CheckpointError(f"{into / existing[0]} exists already", "Choose another folder.")
    backbones = open_backbones(preset, models or {}, "both")
    images, texts = backbones.images, backbones.texts
    split = read_pair_split(paths, splits=splits, write=into / "splits.json", log=log)
    if not split.train or not split.tune:
        raise CorpusError(
            f"Nothing to learn from or to choose by: {split}",
            "Give more records, of more patients.",
        )
    train, tune = (
        encode_pairs(cases, images, texts, into / "features") for cases in (split.train, split.tune)
    )
    trained_strategies = []
    for name in strategies:
        trained = fit_fusion(
            name,
            train,
            tune,
            epochs=epochs,
            seed=seed,
            output_dim=output_dim,
            encoders={"image": images.fingerprint, "text": texts.fingerprint},
            training_data=sorted({set_of(case) for case in split.train}),
            on_epoch=lambda epoch: progress(1),
        )
        write_checkpoint(into / name, trained.checkpoint)
        log(f"{name}: MRR {trained.best.tune_mrr:.3f} on {len(tune)} tuning pairs")
        trained_strategies.append(trained)
    return trained_strategies


def _epochs(
    strategy: str,
    w: Mapping[str, Tensor],
    train: Pairs,
    scalings: tuple[Scaling, Scaling],
    epochs: int,
    seed: int,
) -> Iterator[float]:
    """Learn in place; after every epoch its mean loss."""
    log_scale = torch.tensor(math.log(SCALE)).requires_grad_()
    optimiser = torch.optim.AdamW([*w.values(), log_scale], lr=RATE, weight_decay=DECAY)
    steps = epochs * -(-len(train) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_share(step, steps))
    images, texts = (
        torch.tensor(scaling(rows))
        for scaling, rows in zip(scalings, (train.images, train.texts), strict=True)
    )
    studies, captions, random = train.studies, train.captions, np.random.default_rng(seed)
    for _ in range(epochs):
        losses = []
        for rows in batches(studies, random):
            positives = PositivePairs.of(studies[rows], captions[rows])
            scale = log_scale.exp().clamp(max=LARGEST_SCALE)
            loss = _loss(strategy, w, images[rows], texts[rows], positives, scale)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        yield float(np.mean(losses))


def _loss(
    strategy: str,
    w: Mapping[str, Tensor],
    images: Tensor,
    texts: Tensor,
    positives: PositivePairs,
    s: Tensor,
) -> Tensor:
    """InfoNCE averaged over every way of asking and every way of being shown."""
    there = torch.ones(len(images), dtype=torch.bool)
    dropped = functional.dropout(images, DROPOUT), functional.dropout(texts, DROPOUT)
    items = project(w, *dropped, there, there)
    ways = {n: fuse(strategy, w, items.seen(image=i, text=t)) for n, (i, t) in WAYS.items()}
    positive = torch.tensor(positives.positive)
    losses = [
        visible_info_nce(ways[a], ways[b], positive, torch.tensor(positives.visible(a, b)), s)
        for a in WAYS
        for b in WAYS
    ]
    return torch.stack(losses).mean()
