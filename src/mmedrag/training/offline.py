"""The learned parts of the ``offline`` preset: image reduction and modality heads.

Run as ``python -m mmedrag.training.offline --data ../shared/data --into FOLDER``. Backbones stay
frozen; features are encoded once. The modality heads are :mod:`mmedrag.training.modality`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from mmedrag.checkpoint import Checkpoint, write_checkpoint
from mmedrag.encoders.image import ImageEncoder
from mmedrag.encoders.projection import Reduction, unit_rows
from mmedrag.presets import offline_encoders
from mmedrag.training import modality
from mmedrag.training.features import Features, image_features
from mmedrag.training.modality import IMAGE_SETS
from mmedrag.types import Case, Matrix

SEED = 7


def train_reduction(
    sets: Sequence[Features], steps: int = 250, dim: int = 256
) -> dict[str, Matrix]:
    """A linear reduction of unit features that draws images of like content together.

    Starts from PCA. InfoNCE whose positives are graded by how much two images share: domain and
    modality, region and plane, labels, patient (soft targets, temperature 0.1). Few steps, so that
    what the labels do not speak of is kept.

    Returns:
        Tensors ``mean`` (width,) and ``weight`` (dim, width).
    """
    torch.manual_seed(SEED)
    random = np.random.default_rng(SEED)
    cases, rows = _training_part(sets)
    mean = rows.mean(axis=0)
    _, _, axes = np.linalg.svd(rows - mean, full_matrices=False)
    weight = torch.tensor(np.ascontiguousarray(axes[:dim]), requires_grad=True)
    centred = torch.tensor(rows - mean)
    levels = torch.tensor(_levels(cases))
    optimiser = torch.optim.Adam([weight], lr=2e-4)
    for _ in range(steps):
        batch = torch.tensor(random.choice(len(rows), 1024, replace=False))
        kept = (torch.rand(1024, rows.shape[1]) > 0.1) / 0.9
        embedded = functional.normalize(centred[batch] * kept @ weight.T, dim=1)
        loss = _graded_loss(embedded, levels[batch])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return {"mean": mean, "weight": weight.detach().numpy()}


def _graded_loss(embedded: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    shared = (levels[:, None] == levels[None]).float().mean(dim=2)
    shared.fill_diagonal_(0)
    logits = embedded @ embedded.T / 0.1
    logits.fill_diagonal_(-1e4)
    targets = shared / shared.sum(dim=1, keepdim=True).clamp(min=1e-9)
    return -(targets * functional.log_softmax(logits, dim=1)).sum(dim=1).mean()


def _levels(cases: Sequence[tuple[str, Case]]) -> NDArray[np.int64]:
    """Four columns of group numbers, from coarse to fine."""
    names = []
    for set_name, case in cases:
        kind = f"{case.domain} {case.modality.lower()}"
        if set_name == "medpix2":
            region = f"{kind} {case.labels[1]}"
            plane = f"{region} {case.meta.get('plane')}"
            names.append((region, plane, f"{case.labels} {kind}", f"medpix {case.patient_id}"))
        else:
            said = ", ".join(sorted(case.labels)) or case.text.lower()
            patient = f"{set_name} {case.patient_id or case.id}"
            names.append((kind, f"{kind} {set_name}", f"{set_name} {said}", patient))
    columns = [np.unique([n[i] for n in names], return_inverse=True)[1] for i in range(4)]
    return np.stack(columns, axis=1).astype(np.int64)


def _training_part(sets: Sequence[Features]) -> tuple[list[tuple[str, Case]], Matrix]:
    cases = [(s.set_name, c) for s in sets for c in s.cases]
    rows = unit_rows(np.concatenate([s.rows for s in sets]))
    train = np.array([case.split != "val" and case.domain is not None for _, case in cases])
    return [c for c, keep in zip(cases, train, strict=True) if keep], rows[train]


def region_precision(medpix: Features, reduction: Reduction, k: int = 10) -> float:
    """Body-region precision@k of MedPix validation images among other patients' images."""
    vectors = reduction(medpix.rows)
    regions = np.array([c.labels[1] for c in medpix.cases])
    patients = np.array([c.patient_id for c in medpix.cases])
    found = []
    for i, case in enumerate(medpix.cases):
        if case.split == "val":
            others = np.flatnonzero(patients != case.patient_id)
            nearest = others[np.argsort(-(vectors[others] @ vectors[i]))[:k]]
            found.append(float(np.mean(regions[nearest] == regions[i])))
    return float(np.mean(found))


def _write_reduction(
    root: Path, into: Path, images: ImageEncoder, sets: Sequence[Features]
) -> None:
    tensors = train_reduction(sets)
    checkpoint = Checkpoint(
        kind="reduction",
        tensors=tensors,
        encoders={"features": images.fingerprint},
        training_data=IMAGE_SETS,
    )
    plain = Reduction(tensors["mean"], None, "centred")
    trained = Reduction.from_checkpoint(checkpoint)
    print(
        f"MedPix val region P@10: centred {region_precision(sets[0], plain):.3f}, "
        f"reduced {region_precision(sets[0], trained):.3f}"
    )
    write_checkpoint(into / "image_reduction", checkpoint)


def main() -> None:
    """Train, report, write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--into", type=Path, required=True)
    options.add_argument("--cache", type=Path, default=Path(".cache/features"))
    options.add_argument("--pictures", type=Path, nargs="+", default=[], metavar="DIR")
    told = options.parse_args()
    images, texts = offline_encoders()
    sets = image_features(told.data, IMAGE_SETS, images, told.cache)
    _write_reduction(told.data, told.into, images, sets)
    modality.train(
        modality.Recipe(told.data, told.cache, tuple(told.pictures)), told.into, images, texts
    )


if __name__ == "__main__":
    main()
