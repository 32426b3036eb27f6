"""The learned parts of the ``offline`` preset: image reduction and modality heads.

Run as ``python -m mmedrag.training.offline --data ../shared/data --into FOLDER``. Backbones stay
frozen; features are encoded once. The routing figures are of a head that has not seen the held-out
sets; the head that ships is then trained on them too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from mmedrag.checkpoint import Checkpoint, write_checkpoint
from mmedrag.datasets.phantoms import generate, out_of_domain
from mmedrag.encoders.image import ImageEncoder
from mmedrag.encoders.projection import Reduction, unit_rows
from mmedrag.encoders.text import TextEncoder
from mmedrag.modality import FOR_IMAGE, FOR_TEXT, NOT_MEDICAL, Head, Thresholds
from mmedrag.presets import offline_encoders
from mmedrag.training.features import Features, image_features, text_features
from mmedrag.training.lite0 import imagenet_state
from mmedrag.types import Case, Domain, Matrix

IMAGE_SETS = (
    "medpix2",
    "odir5k",
    "patolojiatlasi",
    "openstax_figures",
    "covid_cxr",
    "labelled/bccd_cells",
    "labelled/brain_tumor_mri",
    "labelled/chula_anaemia_smears",
    "labelled/eye_fundus4",
    "labelled/iqoth_lung_ct",
    "labelled/kermany_cxr",
    "labelled/lc25000",
    "labelled/odir_extra",
    "labelled/pocus_lung_us",
)
"""Sets that the image heads learn from (their training parts)."""

HELD_OUT_SETS = (
    "codras_dr",
    "covid_ct",
    "atlas_radiologia_es",
    "labelled/busi_breast_us",
    "labelled/chula_rbc_cells",
    "labelled/kidney_ct",
    "labelled/nih_cxr14",
    "labelled/wbc",
)
"""Sets that routing is tested on: the head that is tested has not seen them."""

TEXT_SETS = (
    "medpix2",
    "odir5k",
    "patolojiatlasi",
    "covid_cxr",
    "labelled/bccd_cells",
    "labelled/brain_tumor_mri",
    "labelled/chula_anaemia_smears",
    "labelled/iqoth_lung_ct",
    "labelled/kermany_cxr",
    "labelled/odir_extra",
    "roco_text",
    "iu_xray_text",
    "patchgastric_text",
)
HELD_OUT_TEXTS = (
    "openstax_figures",
    "covid_ct",
    "labelled/wbc",
    "labelled/nih_cxr14",
    "labelled/eye_fundus4",
    "labelled/lc25000",
)

SEED = 7
CLASSES = (*(str(d) for d in Domain), NOT_MEDICAL)


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Unit features ``(n, d)`` and the index of the class of each row ``(n,)``."""

    rows: Matrix
    classes: NDArray[np.int64]


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


def train_head(examples: Examples, classes: int, steps: int = 600) -> tuple[Matrix, Matrix]:
    """Softmax regression on unit features with balanced classes and weight decay.

    Returns:
        Weight ``(classes, d)`` and bias ``(classes,)``.
    """
    torch.manual_seed(SEED)
    layer = torch.nn.Linear(examples.rows.shape[1], classes)
    counts = np.bincount(examples.classes, minlength=classes)
    balance = torch.tensor(len(examples.classes) / (classes * np.maximum(counts, 1)))
    rows, targets = torch.tensor(examples.rows), torch.tensor(examples.classes)
    optimiser = torch.optim.AdamW(layer.parameters(), lr=0.05, weight_decay=0.02)
    for _ in range(steps):
        batch = torch.randint(len(rows), (512,))
        noisy = functional.normalize(rows[batch] + 0.01 * torch.randn(512, rows.shape[1]), dim=1)
        loss = functional.cross_entropy(
            layer(noisy), targets[batch], balance.float(), label_smoothing=0.02
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


def domain_examples(sets: Sequence[Features]) -> Examples:
    """The training rows of the sets, by domain."""
    cases, rows = _training_part(sets)
    return Examples(rows, np.array([CLASSES.index(str(c.domain)) for _, c in cases]))


def other_examples(encoder: ImageEncoder, n: int, seed: int) -> Examples:
    """Generated pictures that are not medical."""
    rows = []
    for start in range(0, n, 64):
        pictures = out_of_domain(min(64, n - start), seed + start)
        rows.append(encoder.encode([Image.fromarray(p.image) for p in pictures]))
    return Examples(unit_rows(np.concatenate(rows)), np.full(n, CLASSES.index(NOT_MEDICAL)))


def photograph_examples(n: int) -> Examples:
    """Features that photographs would have, without a photograph.

    The last batch normalisation knows the mean and variance that each channel had over ImageNet,
    and the classifier knows in which direction each class lies: a sample is that mean, rectified,
    plus noise, pushed towards a mixture of two classes.
    """
    state = imagenet_state()
    directions = (state["_fc.weight"] - state["_fc.weight"].mean(dim=0)).numpy()
    mean, deviation = _rectified_moments(state["_bn1.bias"], state["_bn1.weight"].abs())
    random = np.random.default_rng(SEED)
    share = random.uniform(0.3, 1.0, (n, 1))
    first, second = directions[random.integers(0, len(directions), (2, n))]
    towards = unit_rows(share * first + (1 - share) * second)
    push = 0.4 * random.uniform(0.3, 1.2, (n, 1)) * np.linalg.norm(mean)
    drawn = mean + push * towards + 0.4 * deviation * random.standard_normal((n, len(mean)))
    rows = unit_rows(np.maximum(drawn, 0).astype(np.float32))
    return Examples(rows, np.full(n, CLASSES.index(NOT_MEDICAL)))


def _rectified_moments(
    mean: torch.Tensor, deviation: torch.Tensor
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of max(0, x) for normal x."""
    normal = torch.distributions.Normal(0.0, 1.0)
    z = mean / deviation
    density = torch.exp(normal.log_prob(z))  # type: ignore[no-untyped-call]
    below = normal.cdf(z)  # type: ignore[no-untyped-call]
    first = mean * below + deviation * density
    second = (mean**2 + deviation**2) * below + mean * deviation * density
    return first.numpy(), (second - first**2).clamp(min=0).sqrt().numpy()


def join(*parts: Examples) -> Examples:
    """All rows of all parts."""
    return Examples(
        np.concatenate([p.rows for p in parts]), np.concatenate([p.classes for p in parts])
    )


def routing_report(head: Head, examples: Examples, thresholds: Thresholds) -> dict[str, float]:
    """Shares routed right, routed wrong, abstained, and called not medical (n images)."""
    routed = [thresholds.decide(head(row[None]), "") for row in examples.rows]
    truth = [CLASSES[c] for c in examples.classes]
    right = [r.decision == name for r, name in zip(routed, truth, strict=True)]
    wrong = [r.decision not in (None, name) for r, name in zip(routed, truth, strict=True)]
    return {
        "n": len(routed),
        "accuracy": round(float(np.mean(right)), 4),
        "wrong": round(float(np.mean(wrong)), 4),
        "abstained": round(float(np.mean([r.medical and r.decision is None for r in routed])), 4),
        "not_medical": round(float(np.mean([not r.medical for r in routed])), 4),
    }


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


def _write_modality(
    root: Path,
    into: Path,
    cache: Path,
    images: ImageEncoder,
    texts: TextEncoder,
    sets: Sequence[Features],
) -> None:
    """Report on sets that were held out, then train on all of them and write that."""
    phantom_root = cache / "phantoms"
    if not (phantom_root / "phantoms" / "records.jsonl").exists():
        generate(600, SEED + 1, into=phantom_root / "phantoms")
    known = [*sets, *image_features(phantom_root, ["phantoms"], images, cache)]
    held_out = image_features(root, HELD_OUT_SETS, images, cache)
    others = join(other_examples(images, 1500, SEED), photograph_examples(1500))
    weight, bias = train_head(join(domain_examples(known), others), len(CLASSES))
    _report_images(Head(CLASSES, weight, bias), held_out, images)
    weight, bias = train_head(join(domain_examples([*known, *held_out]), others), len(CLASSES))
    told = text_features(root, TEXT_SETS, texts, cache)
    told += text_features(phantom_root, ["phantoms"], texts, cache)
    text_weight, text_bias = train_head(domain_examples(told), len(Domain))
    text_head = Head(CLASSES[:3], text_weight, text_bias)
    for features in text_features(root, HELD_OUT_TEXTS, texts, cache):
        _print("text", features.set_name, text_head, _all(features), FOR_TEXT)
    tensors = {"image.weight": weight, "image.bias": bias}
    tensors |= {"text.weight": text_weight, "text.bias": text_bias}
    write_checkpoint(
        into / "modality",
        Checkpoint(
            kind="modality",
            tensors=tensors,
            encoders={"image": images.fingerprint, "text": texts.fingerprint},
            training_data=(*IMAGE_SETS, *HELD_OUT_SETS, *TEXT_SETS, "MMedRAG phantoms"),
            settings={
                "image_classes": list(CLASSES),
                "text_classes": list(CLASSES[:3]),
                "image_temperature": 1.0,
                "text_temperature": 1.0,
            },
        ),
    )


def _report_images(head: Head, held_out: Sequence[Features], images: ImageEncoder) -> None:
    for features in held_out:
        _print("image", features.set_name, head, _all(features))
    _print("image", "all held-out sets", head, join(*(_all(f) for f in held_out)))
    _print("image", "generated pictures", head, other_examples(images, 240, 10**6))


def _print(
    kind: str, name: str, head: Head, examples: Examples, thresholds: Thresholds = FOR_IMAGE
) -> None:
    print(kind, name, json.dumps(routing_report(head, examples, thresholds)))


def _all(features: Features) -> Examples:
    known = [i for i, case in enumerate(features.cases) if case.domain is not None]
    classes = np.array([CLASSES.index(str(features.cases[i].domain)) for i in known])
    return Examples(unit_rows(features.rows[known]), classes)


def main() -> None:
    """Train, report, write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--into", type=Path, required=True)
    options.add_argument("--cache", type=Path, default=Path(".cache/features"))
    told = options.parse_args()
    images, texts = offline_encoders()
    sets = image_features(told.data, IMAGE_SETS, images, told.cache)
    _write_reduction(told.data, told.into, images, sets)
    _write_modality(told.data, told.into, told.cache, images, texts, sets)


if __name__ == "__main__":
    main()
