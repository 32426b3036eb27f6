"""The learned parts of the ``offline`` preset, from ImageNet weights to what ships.

Run as ``mmedrag train offline --data RECORDS.jsonl --into FOLDER`` (``make train`` also trains what
stands on these encoders). Steps: tune the late blocks of Lite0 on what the records state of their
images, export it; fit the reduction of its features, the heads of the shared space by domain, and
the routing heads. No image of a validation part is learned from, and the encoder has seen none of
the sets that routing is measured on.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from mmedrag.checkpoint import Checkpoint, Tensors, read_checkpoint, write_checkpoint
from mmedrag.datasets.splits import without_leaks
from mmedrag.datasets.ties import find_ties
from mmedrag.durability import write_durably
from mmedrag.encoders.image import ImageEncoder, OnnxImageEncoder
from mmedrag.encoders.mixture import KIND
from mmedrag.encoders.text import TextEncoder
from mmedrag.errors import CorpusError
from mmedrag.measures.cosines import unit_rows
from mmedrag.networks.lite0 import MEAN, STD, export_onnx, imagenet_lite0
from mmedrag.progress import Log
from mmedrag.training.correlation import canonical_heads
from mmedrag.training.features import Features, cached_rows, image_features, read_set
from mmedrag.training.image_tuning import SIZE, VIEWS, averaged, folded, middle_maps, tune
from mmedrag.training.int8 import quantise_weights
from mmedrag.training.modality import train_modality, with_text_head
from mmedrag.training.padding import fold_padding
from mmedrag.training.sets import Recipe, TrainingSet
from mmedrag.training.softmax import Examples, fit_head
from mmedrag.training.splits import readable
from mmedrag.training.tasks import tasks
from mmedrag.types import Case, Domain, Matrix

SEED = 7
SEEDS = (7, 8, 9, 10)
"""Of the image encoder's runs, whose weights are averaged."""

Member = tuple[TrainingSet, Case]
"""A set, and one of its cases."""


def train_offline(
    recipe: Recipe, into: Path, texts: TextEncoder, *, epochs: int = 4, log: Log = print
) -> None:
    """Write ``image.onnx`` with its card, ``image_reduction``, ``mixture`` and the routing heads.

    Args:
        recipe: the sets, where features are kept, and which pictures are not medical.
        into: where the results go.
        texts: the text encoder of the preset.
        epochs: of the image encoder's tuning.
        log: told what is done.

    Raises:
        CorpusError: where a domain has no image with a text to learn from.
    """
    learned, cache = recipe.images(), recipe.cache
    cases = [
        (of, case)
        for of in learned
        for case in learnable(
            readable([c for c in read_set(of.records) if c.image is not None], log)
        )
    ]
    _require_domains(cases)
    into.mkdir(parents=True, exist_ok=True)
    tune_image_encoder(cases, into, cache, epochs, log)
    images = OnnxImageEncoder.from_card(into / "image.json")
    sets = [training_rows(f) for f in image_features(learned, images, cache, log=log)]
    reduction = fit_reduction(sets)
    log(f"reduction of {sum(len(s.cases) for s in sets)} images")
    _write(into / "image_reduction", "reduction", reduction, {"features": images.fingerprint}, sets)
    train_shared_space(recipe, into, images, texts, log)
    train_modality(recipe, into, images, texts, log)


def train_shared_space(
    recipe: Recipe, into: Path, images: ImageEncoder, texts: TextEncoder, log: Log = print
) -> None:
    """Write ``mixture``: the heads by domain, of all sets whose images teach them."""
    sources = [*recipe.images(), *recipe.images("shared")]
    sets = [training_rows(f) for f in image_features(sources, images, recipe.cache, log=log)]
    mixture = fit_mixture(sets, texts, recipe.cache)
    encoders = {"image": images.fingerprint, "text": texts.fingerprint}
    _write(into / "mixture", KIND, mixture, encoders, sets, {"domains": [str(d) for d in Domain]})
    log(f"heads of the shared space, of {sum(len(s.cases) for s in sets)} images")


def refit(recipe: Recipe, shipped: Path, into: Path, texts: TextEncoder, log: Log = print) -> None:
    """The same for other texts: the image encoder and all that stands on it alone are taken over.

    Args:
        recipe: as for :func:`train_offline`.
        shipped: a folder of weights.
        into: where the results go; nothing of it but ``texts.onnx`` may be there.
        texts: the text encoder that they are for.
        log: told what is done.
    """
    for name in ("image.onnx", "image.json"):
        shutil.copy(shipped / name, into / name)
    shutil.copytree(shipped / "image_reduction", into / "image_reduction")
    images = OnnxImageEncoder.from_card(into / "image.json")
    train_shared_space(recipe, into, images, texts, log)
    for name in ("modality", "modality_held_out"):
        old = read_checkpoint(shipped / name, "modality")
        write_checkpoint(into / name, with_text_head(old, recipe, texts))
    log("text head of routing")


def _require_domains(cases: Sequence[Member]) -> None:
    there = {case.domain for _, case in cases if case.text.strip()}
    if absent := [str(domain) for domain in Domain if domain not in there]:
        raise CorpusError(
            f"There is no image with a text to learn {', '.join(absent)} from",
            "Give records of every domain whose split is not val.",
        )


def tune_image_encoder(
    cases: Sequence[Member], into: Path, cache: Path, epochs: int = 4, log: Log = print
) -> None:
    """Tune Lite0 on cases with an image, and write ``image.onnx`` (int8) and ``image.json``."""
    backbone = folded(imagenet_lite0())
    views = [middle_maps(backbone, [c for _, c in cases], v, cache) for v in range(VIEWS)]
    learnable_tasks = [task for task in tasks(cases, np.ones(len(cases), np.bool_)) if task.count]
    shares, states = drawing_shares(cases), []
    for seed in SEEDS:
        log(f"image encoder, seed {seed}")
        tuned = folded(imagenet_lite0())
        tune(tuned, views, learnable_tasks, shares, epochs=epochs, seed=seed, log=log)
        states.append(tuned.state_dict())
    backbone.load_state_dict(averaged(states))
    export_onnx(backbone, into / "image.onnx", SIZE)
    quantise_weights(into / "image.onnx")
    fold_padding(into / "image.onnx")
    _write_card(into / "image.onnx")


def drawing_shares(cases: Sequence[Member]) -> NDArray[np.float64]:
    """How often each image is drawn, float64 ``(n,)``, 1 in all.

    A set has the share that its description gives it; the others divide what is left by the square
    roots of their sizes.
    """
    given = {of.name: of.draws for of, _ in cases}
    names = np.array([of.name for of, _ in cases])
    sets, row_set, sizes = np.unique(names, return_inverse=True, return_counts=True)
    fixed = np.array([given[name] or 0.0 for name in sets])
    free = np.where([given[name] is None for name in sets], np.sqrt(sizes), 0.0)
    mass = fixed + (1.0 - fixed.sum()) * free / max(free.sum(), 1.0)
    shares: NDArray[np.float64] = (mass / mass.sum() / sizes)[row_set]
    return shares


def fit_reduction(sets: Sequence[Features], steps: int = 250, dim: int = 256) -> dict[str, Matrix]:
    """A linear reduction of unit features that draws images of like content together.

    Starts from PCA. InfoNCE whose positives are graded by how much two images share: domain and
    modality, region and plane, labels, patient (soft targets, temperature 0.1). Few steps, so that
    what the labels do not speak of is kept.

    Returns:
        Tensors ``mean`` (width,) and ``weight`` (dim, width).
    """
    torch.manual_seed(SEED)
    random = np.random.default_rng(SEED)
    rows = unit_rows(np.concatenate([s.rows for s in sets]))
    mean = rows.mean(axis=0)
    _, _, axes = np.linalg.svd(rows - mean, full_matrices=False)
    weight = torch.tensor(np.ascontiguousarray(axes[:dim]), requires_grad=True)
    centred = torch.tensor(rows - mean)
    levels = torch.tensor(_levels([(s.source, c) for s in sets for c in s.cases]))
    optimiser = torch.optim.Adam([weight], lr=2e-4)
    for _ in range(steps):
        batch = torch.tensor(random.choice(len(rows), min(1024, len(rows)), replace=False))
        kept = (torch.rand(len(batch), rows.shape[1]) > 0.1) / 0.9
        embedded = functional.normalize(centred[batch] * kept @ weight.T, dim=1)
        loss = _graded_loss(embedded, levels[batch])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return {"mean": mean, "weight": weight.detach().numpy()}


def fit_mixture(sets: Sequence[Features], texts: TextEncoder, cache: Path) -> Tensors:
    """Heads of the shared space by domain, and their gates (:mod:`mmedrag.encoders.mixture`).

    Every image is paired with each of its wordings (:mod:`mmedrag.training.wordings`), its own text
    twice. A set weighs as the geometric mean of how many images and how many distinct texts it has,
    so that a thousand images under three labels do not outweigh a hundred with reports.
    """
    tensors: dict[str, Matrix] = {}
    gates: dict[str, list[Examples]] = {"image": [], "text": []}
    for number, domain in enumerate(Domain):
        domain_pairs = [pairs(s, domain, texts, cache) for s in sets]
        images, texts_of_pairs, weights = (
            np.concatenate([one[i] for one in domain_pairs if len(one[2])]) for i in range(3)
        )
        heads = canonical_heads(images, texts_of_pairs, weights)
        tensors |= {f"{domain}.{name}": tensor for name, tensor in heads.items()}
        for side, rows in (("image", images), ("text", texts_of_pairs)):
            classes = np.full(len(rows), number)
            gates[side].append(Examples(unit_rows(rows), classes, ("",) * len(rows)))
    for side, examples in gates.items():
        weight, bias = fit_head(Examples.joined(examples), len(Domain))
        tensors |= {f"gate.{side}.weight": weight, f"gate.{side}.bias": bias}
    return tensors


def pairs(
    features: Features, domain: Domain, texts: TextEncoder, cache: Path
) -> tuple[Matrix, Matrix, NDArray[np.float64]]:
    """The pairs of a set in a domain: image rows, text rows and weights, one a wording.

    Float32 ``(p, image_dim)``, float32 ``(p, text_dim)`` and float64 ``(p,)``.
    """
    rows = [i for i, c in enumerate(features.cases) if c.domain == domain and c.text.strip()]
    worded = [
        (i, j, text)
        for i in rows
        for j, text in enumerate(features.source.wordings(features.cases[i]))
    ]
    text_cases = [Case(id=text, text=text) for _, _, text in worded]
    name = f"wordings {texts.fingerprint}"
    text_rows = cached_rows(
        cache, name, text_cases, lambda c: texts.encode([case.text for case in c])
    )
    distinct = len({features.cases[i].text for i in rows})
    weights = np.array([2.0 if j == 0 else 1.0 for _, j, _ in worded])
    shares = math.sqrt(len(rows) * distinct) * weights / max(weights.sum(), 1.0)
    return features.rows[[i for i, _, _ in worded]], text_rows, shares


def training_rows(features: Features) -> Features:
    """The cases of a set that may be learned from, with their rows."""
    allowed = {case.id for case in learnable(features.cases)}
    return features.only([i for i, case in enumerate(features.cases) if case.id in allowed])


def learnable(cases: Sequence[Case]) -> list[Case]:
    """The cases of one set that have a domain, are not held out, and are tied to none that is."""
    held_out = [case for case in cases if case.split == "val"]
    train = [case for case in cases if case.split != "val" and case.domain is not None]
    if not held_out:
        return train
    return without_leaks(train, held_out, find_ties((*train, *held_out)))[0]


def _graded_loss(embedded: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    shared = (levels[:, None] == levels[None]).float().mean(dim=2)
    shared.fill_diagonal_(0)
    logits = embedded @ embedded.T / 0.1
    logits.fill_diagonal_(-1e4)
    targets = shared / shared.sum(dim=1, keepdim=True).clamp(min=1e-9)
    return -(targets * functional.log_softmax(logits, dim=1)).sum(dim=1).mean()


def _levels(cases: Sequence[Member]) -> NDArray[np.int64]:
    """Group numbers from coarse to fine, int64 ``(n, 4)``; all but the coarsest are of one set."""
    names = []
    for of, case in cases:
        coarsest, *finer = of.content(case)
        names.append((coarsest, *(f"{of.name} {group}" for group in finer)))
    columns = [np.unique([n[i] for n in names], return_inverse=True)[1] for i in range(4)]
    return np.stack(columns, axis=1).astype(np.int64)


def _write(
    into: Path,
    kind: str,
    tensors: Tensors,
    encoders: dict[str, str],
    sets: Sequence[Features],
    settings: Mapping[str, Any] | None = None,
) -> None:
    learned = tuple(features.set_name for features in sets)
    checkpoint = Checkpoint(
        kind=kind,
        tensors=tensors,
        encoders=encoders,
        training_data=learned,
        settings=settings or {},
    )
    write_checkpoint(into, checkpoint)


def _write_card(model: Path) -> None:
    card = {
        "size": SIZE,
        "mean": list(MEAN),
        "std": list(STD),
        "interpolation": "bicubic",
        "fit": "letterbox",
        "features": "pooled",
        "map": "map",
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
    }
    write_durably(model.with_suffix(".json"), json.dumps(card, indent=2) + "\n")
