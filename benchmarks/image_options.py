"""Options of the shipped image encoder: ``python benchmarks/image_options.py ../shared/data``.

Multi-scale reading, local patch attention in the dual encoder, and late interaction over the first
fifty, each on retrieval by case over MedPix validation images, with what it costs. Axes and the
share of late interaction come of training images.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time

import numpy as np
from PIL import Image

from mmedrag.checkpoint import read_checkpoint
from mmedrag.datasets.corpus import codes
from mmedrag.encoders.fusion import Fusion, SharedAndOwn
from mmedrag.encoders.image import OnnxImageEncoder
from mmedrag.encoders.mixture import DomainMixture
from mmedrag.encoders.pooling import Lpa
from mmedrag.encoders.projection import Reduction
from mmedrag.encoders.text import TextEncoder
from mmedrag.imaging.decoding import open_image
from mmedrag.measures.bootstrap import interval
from mmedrag.measures.cosines import unit_rows
from mmedrag.measures.ranking import ndcg_at_k, success_at_k
from mmedrag.presets import MODELS, OFFLINE_SHARES, offline_encoders
from mmedrag.training.features import read_set
from mmedrag.types import Case

LEARNED = 200
"""Training images that axes and shares come of."""

FIRST = 50
"""How many of the first are scored again."""

WIDTH = 64
"""Numbers of a patch vector, one byte each."""

Features = Callable[[Sequence[Image.Image]], np.ndarray]


def two_scales(encoder: OnnxImageEncoder) -> Features:
    """The whole image and its middle, enlarged: the mean of both features."""

    def encode(images: Sequence[Image.Image]) -> np.ndarray:
        middles = [
            im.crop((im.width // 6, im.height // 6, im.width * 5 // 6, im.height * 5 // 6))
            for im in images
        ]
        return (encoder.encode(images) + encoder.encode(middles)) / 2

    return encode


def five_crops(encoder: OnnxImageEncoder) -> Features:
    """The whole image at half the weight, and four overlapping quarters at an eighth each."""

    def encode(images: Sequence[Image.Image]) -> np.ndarray:
        total = encoder.encode(images) / 2
        for right in (0, 1):
            for low in (0, 1):
                quarters = [_quarter(image, right, low) for image in images]
                total += encoder.encode(quarters) / 8
        return total

    return encode


def _quarter(image: Image.Image, right: int, low: int) -> Image.Image:
    width, height = image.width * 5 // 8, image.height * 5 // 8
    left, top = right * (image.width - width), low * (image.height - height)
    return image.crop((left, top, left + width, top + height))


def attended(encoder: OnnxImageEncoder) -> Features:
    """The feature map pooled by the shipped local patch attention."""
    lpa = Lpa(read_checkpoint(MODELS / "lpa", "lpa").tensors["attention.weight"], "lpa")
    return lambda images: lpa.pool(encoder.encode_maps(images))


def judged(scores: np.ndarray, relevant: np.ndarray, patients: np.ndarray) -> str:
    """R@1, R@10 and nDCG@10 with the interval of the last."""
    rows = [(s, r) for s, r in zip(scores, relevant, strict=True) if r.any()]
    kept = relevant.any(axis=1)
    values = np.array(
        [[success_at_k(s, r, 1), success_at_k(s, r, 10), ndcg_at_k(s, r, 10)] for s, r in rows]
    )
    low, high = interval(values, codes(patients[kept]))[2]
    first, tenth, gain = values.mean(axis=0)
    return f"{first:.3f} / {tenth:.3f}, nDCG@10 {gain:.3f} ({low:.3f}-{high:.3f})"


class Patches:
    """Late interaction: every patch of one image finds its best in the other (MaxSim)."""

    def __init__(self, maps: np.ndarray) -> None:
        rows = unit_rows(maps.transpose(0, 2, 3, 1).reshape(-1, maps.shape[1]))
        self.mean = rows.mean(axis=0)
        self.axes = np.linalg.svd(rows[::7] - self.mean, full_matrices=False)[2][:WIDTH]

    def vectors(self, maps: np.ndarray) -> np.ndarray:
        """Int8 patch vectors ``(n, patches, WIDTH)``; 127 is 1."""
        rows = unit_rows(maps.transpose(0, 2, 3, 1).reshape(-1, maps.shape[1])) - self.mean
        whole = np.rint(127 * unit_rows(rows @ self.axes.T)).astype(np.int8)
        return whole.reshape(len(maps), -1, WIDTH)

    @staticmethod
    def score(query: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Mean over the patches of the query of the best cosine in each other image, ``(n,)``."""
        one, many = query.astype(np.float32) / 127, others.astype(np.float32) / 127
        return (one @ many.transpose(0, 2, 1)).max(axis=2).mean(axis=1)


def rescored(scores: np.ndarray, patches: np.ndarray, share: float) -> np.ndarray:
    """The first fifty of every query in the order of cosine and late interaction blended."""
    again = scores.copy()
    for row, values in enumerate(scores):
        first = np.argsort(-values)[:FIRST]
        late = Patches.score(patches[row], patches[first])
        blend = (1 - share) * values[first] + share * late
        again[row, first] = blend - blend.min() + values[first].min()
    return again


def main() -> None:
    """Print one line an option: image to text, text to image, image to image."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("data", type=Path)
    given = options.parse_args()
    every = [c for c in read_set(given.data / "medpix2" / "records.jsonl") if c.image is not None]
    held = [c for c in every if c.split == "val"]
    learned = [c for c in every if c.split != "val"][:: len(every) // LEARNED][:LEARNED]
    encoder = OnnxImageEncoder.from_card(MODELS / "image.json", batch_size=1, threads=1)
    reader = offline_encoders()[1]
    fusion = shipped_fusion(encoder.fingerprint, reader)
    texts = reader.encode([c.text for c in held])
    for name, encode in (
        ("as shipped", encoder.encode),
        ("whole and middle", two_scales(encoder)),
        ("whole and four quarters", five_crops(encoder)),
        ("local patch attention", attended(encoder)),
    ):
        pictures = [open_image(c.image) for c in held]
        started = process_time()
        features = encode(pictures)
        cost = 1000 * (process_time() - started) / len(held)
        print(f"{name}: {cost:.1f} ms an image")
        for direction, line in directions(fusion, features, texts, held).items():
            print(f"    {direction:15s} {line}", flush=True)
    late_interaction(fusion, encoder, learned, held)


def shipped_fusion(images: str, texts: TextEncoder) -> Fusion:
    """What the preset fuses with, by the fingerprint of its image encoder and its texts."""
    mixture = DomainMixture.load(
        MODELS / "mixture", image_encoder=images, text_encoder=texts.fingerprint
    )
    reduction = Reduction.load(MODELS / "image_reduction", images)
    return SharedAndOwn(mixture, reduction, texts.dim, OFFLINE_SHARES)


def directions(
    fusion: Fusion, features: np.ndarray, texts: np.ndarray, cases: Sequence[Case]
) -> dict[str, str]:
    """What each direction gives, by case."""
    yes, no = np.ones(len(cases), bool), np.zeros(len(cases), bool)
    image = fusion.fuse(features, None, yes, no)
    text = fusion.fuse(None, texts, no, yes)
    who = np.array([c.patient_id for c in cases])
    same = who[:, None] == who
    return {
        "image -> text": judged(image @ text.T, same, who),
        "text -> image": judged(text @ image.T, same, who),
        "image -> image": judged(
            _others(image @ image.T), same & ~np.eye(len(who), dtype=bool), who
        ),
    }


def _others(scores: np.ndarray) -> np.ndarray:
    return np.where(np.eye(len(scores), dtype=bool), -9.0, scores)


def late_interaction(
    fusion: Fusion, encoder: OnnxImageEncoder, learned: Sequence[Case], held: Sequence[Case]
) -> None:
    """Image to image with the first fifty scored again; the share is chosen on training images."""
    maps = [encoder.encode_maps([open_image(c.image) for c in cases]) for cases in (learned, held)]
    patches = Patches(maps[0])
    found = []
    for cases, some in zip((learned, held), maps, strict=True):
        features, yes = some.mean(axis=(2, 3)), np.ones(len(cases), bool)
        image = fusion.fuse(features, None, yes, ~yes)
        who = np.array([c.patient_id for c in cases])
        right = (who[:, None] == who) & ~np.eye(len(who), dtype=bool)
        found.append((_others(image @ image.T), patches.vectors(some), right, who))
    shares = (0.0, 0.25, 0.5, 0.75, 1.0)
    for share in shares:
        print(f"late interaction, share {share}")
        for part, (scores, vectors, right, who) in zip(
            ("training", "held out"), found, strict=True
        ):
            started = process_time()
            again = rescored(scores, vectors, share)
            cost = 1000 * (process_time() - started) / len(scores)
            print(f"    {part:15s} {judged(again, right, who)}, {cost:.1f} ms a query", flush=True)


if __name__ == "__main__":
    main()
