"""What the heads of the ``offline`` preset were chosen by: patients held out of training.

Four folds of 65 MedPix training patients, with a part of odir5k and patolojiatlasi held out too.
Features are ImageNet's (``models/lite0.onnx.gz``), which no image here was used for; the validation
part is not read. Run: ``python recipes/offline_heads.py --data ../shared/data``.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shipped_weights

from mmedrag.datasets.corpus import text_key
from mmedrag.encoders.fusion import Fusion, LearnedFusion, SharedAndOwn
from mmedrag.encoders.image import OnnxImageEncoder
from mmedrag.encoders.mixture import DomainMixture
from mmedrag.encoders.projection import Reduction
from mmedrag.measures.ranking import success_at_k
from mmedrag.presets import MODELS, offline_encoders
from mmedrag.training.correlation import canonical_heads
from mmedrag.training.features import Features, image_features
from mmedrag.training.offline import fit_mixture, fit_reduction, pairs, training_rows
from mmedrag.training.sets import Recipe
from mmedrag.training.tasks import tasks
from mmedrag.types import Domain, Matrix

FOLDS, PATIENTS = 4, 65
HELD_OUT = {"odir5k": 0.3, "patolojiatlasi": 0.4}
SHARES = ((1.0, 0.0, 0.0), (0.5, 0.25, 0.25), (0.3, 0.35, 0.35), (0.15, 0.425, 0.425))


class KnownTexts:
    """A text encoder that encodes each text once."""

    def __init__(self, encoder) -> None:
        self.encoder, self.known = encoder, {}
        self.dim, self.fingerprint = encoder.dim, encoder.fingerprint

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Features, ``(len(texts), dim)``."""
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        self.known.update(zip(new, self.encoder.encode(new), strict=True))
        rows = [self.known[text] for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dim), np.float32)


def place(patient: str) -> float:
    """A number from 0 to 1 that depends on the patient's id alone."""
    return int(hashlib.sha256(f"dev{patient}".encode()).hexdigest()[:8], 16) / 2**32


def held_out(features: Features, fold: int) -> np.ndarray:
    """Which cases of a set are held out in a fold."""
    patients = sorted({c.patient_id for c in features.cases}, key=place)
    if features.set_name == "medpix2":
        chosen = patients[fold * PATIENTS : (fold + 1) * PATIENTS]
    else:
        chosen = patients[: int(HELD_OUT.get(features.set_name, 0) * len(patients))]
    return np.array([c.patient_id in set(chosen) for c in features.cases])


def part(features: Features, rows: np.ndarray) -> Features:
    """The chosen cases of a set, with their rows."""
    return features.only(np.flatnonzero(rows).tolist())


def one_pair(sets: Sequence[Features], texts, cache: Path) -> LearnedFusion:
    """One pair of heads for all domains."""
    parts = [pairs(s, domain, texts, cache) for s in sets for domain in Domain]
    images, told, weights = (np.concatenate([p[i] for p in parts]) for i in range(3))
    tensors = canonical_heads(images, told, weights)
    return LearnedFusion("contrastive", images.shape[1], told.shape[1], 128, tensors, "one")


def attributes(features: Features) -> np.ndarray:
    """What MedPix states of each image, as indicators: what the image encoder is tuned to tell."""
    told = tasks(
        [(features.source, case) for case in features.cases], np.ones(len(features.cases), bool)
    )
    columns = [task.classes[:, None] == np.arange(task.count) for task in told]
    return np.hstack(columns).astype(np.float32)


def by_perfect_reading(features: Features, mask: np.ndarray, texts, cache: Path) -> dict:
    """Recalls on the held-out cases if the image side read every attribute without a mistake."""
    known = Features(features.source, features.cases, attributes(features))
    images, told, weights = pairs(part(known, ~mask), Domain.RADIOLOGY, texts, cache)
    tensors = canonical_heads(images, told, weights, dim=min(128, images.shape[1]))
    fusion = LearnedFusion("contrastive", images.shape[1], told.shape[1], 0, tensors, "oracle")
    found = measured(fusion, part(known, mask), texts)
    return {name: found[name] for name in ("image->text", "text->image")}


def recalls(
    queries: Matrix, gallery: Matrix, relevant: np.ndarray, seen: np.ndarray
) -> list[float]:
    """R@1 and R@10; what is not ``seen`` stands last and is not relevant."""
    scores = np.where(seen, np.round(queries.astype(float) @ gallery.T.astype(float), 9), -9.0)
    rows = list(zip(scores, relevant & seen, strict=True))
    return [float(np.mean([success_at_k(s, r, k) for s, r in rows])) for k in (1, 10)]


def measured(fusion: Fusion, features: Features, texts) -> dict[str, list[float]]:
    """R@1 and R@10 in four directions, relevant: same case (MedPix) or same text."""
    yes, no = np.ones(len(features.cases), bool), np.zeros(len(features.cases), bool)
    told = texts.encode([c.text for c in features.cases])
    image, text = fusion.fuse(features.rows, None, yes, no), fusion.fuse(None, told, no, yes)
    whole = fusion.fuse(features.rows, told, yes, yes)
    by_case = features.set_name == "medpix2"
    groups = np.array([c.patient_id if by_case else text_key(c.text) for c in features.cases])
    said = np.array([text_key(c.text) for c in features.cases])
    relevant = groups[:, None] == groups
    all_seen, other = np.ones_like(relevant), ~np.eye(len(groups), dtype=bool)
    return {
        "image->text": recalls(image, text, relevant, all_seen),
        "text->image": recalls(text, image, relevant, all_seen),
        "image->case": recalls(image, whole, relevant, other),
        "text->case": recalls(text, whole, relevant, said[:, None] != said),
    }


def main() -> None:
    """Print R@1 and R@10 by set, direction and heads, means over the folds."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--cache", type=Path, default=Path(".cache/features"))
    told = options.parse_args()
    images = OnnxImageEncoder.from_card(MODELS / "lite0.json", batch_size=1)
    texts = KnownTexts(offline_encoders()[1])
    learned = Recipe(shipped_weights.sets(told.data), told.cache).images()
    sets = [training_rows(f) for f in image_features(learned, images, told.cache)]
    found: dict[tuple[str, str], list[list[float]]] = {}
    for fold in range(FOLDS):
        masks = [held_out(s, fold) for s in sets]
        train = [part(s, ~m) for s, m in zip(sets, masks, strict=True)]
        tests = [part(s, m) for s, m in zip(sets, masks, strict=True) if m.any()]
        mixture = DomainMixture(fit_mixture(train, texts, told.cache), "mixture")
        fusions: dict[str, Fusion] = {"one pair of heads": one_pair(train, texts, told.cache)}
        reduction = Reduction(**fit_reduction(train), fingerprint="fold")
        for shares in SHARES:
            name = "by domain, shares " + "/".join(f"{share:g}" for share in shares)
            fusions[name] = SharedAndOwn(mixture, reduction, texts.dim, shares)
        for name, fusion in fusions.items():
            for test in tests:
                for direction, values in measured(fusion, test, texts).items():
                    found.setdefault((test.set_name, f"{direction:12s} {name}"), []).append(values)
        for features, mask in zip(sets, masks, strict=True):
            if features.set_name == "medpix2":
                perfect = by_perfect_reading(features, mask, texts, told.cache)
                for direction, values in perfect.items():
                    name = f"{direction:12s} attributes read perfectly"
                    found.setdefault(("medpix2", name), []).append(values)
    for (set_name, what), values in sorted(found.items()):
        mean = np.mean(values, axis=0)
        print(f"{set_name:15s} {what:45s} R@1 {mean[0]:.3f}  R@10 {mean[1]:.3f}")


if __name__ == "__main__":
    main()
