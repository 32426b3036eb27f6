"""Options of the shipped image encoder: ``python benchmarks/image_options.py ../shared/data``.

Multi-scale reading, local patch attention in the dual encoder, and late interaction over the first
fifty: each on retrieval over validation images of MedPix and of a set that the encoder never saw,
with what it costs, and on the shifts of section 5. Heads are those that ship. Axes, attention and
the share of late interaction come of training images or of drawn ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import process_time

import numpy as np
from PIL import Image

from mmedrag.datasets.corpus import codes, text_key
from mmedrag.datasets.radiographs import radiographs
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
from mmedrag.paper.shifts import BASE, Floats, Pictures, ratios, shifts
from mmedrag.phantoms.corpus import sensitivity_images
from mmedrag.phantoms.insertions import CONTROLS, inserted
from mmedrag.presets import MODELS, OFFLINE_SHARES, offline_encoders
from mmedrag.training.features import read_set
from mmedrag.training.pooling import fit_pooling, pooling_pictures
from mmedrag.types import Case

LEARNED = 200
"""Training images that axes and shares come of."""

FIRST = 50
"""How many of the first are scored again."""

WIDTH = 64
"""Numbers of a patch vector, one byte each."""

SETS = ("medpix2", "pathvqa")
"""Whose validation images are searched; no encoder or head has seen anything of the second."""

XRAYS = ("labelled/kermany_cxr", "labelled/nih_cxr14", "covid_cxr")
SEEDS, RADIOGRAPHS = 20, 12
"""Drawn images, and radiographs of each set, that findings are put into."""

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
                quarters = [quarter(image, right, low) for image in images]
                total += encoder.encode(quarters) / 8
        return total

    return encode


def quarter(image: Image.Image, right: int, low: int) -> Image.Image:
    """One of four overlapping quarters, five eighths wide and high."""
    width, height = image.width * 5 // 8, image.height * 5 // 8
    left, top = right * (image.width - width), low * (image.height - height)
    return image.crop((left, top, left + width, top + height))


def attended(encoder: OnnxImageEncoder) -> Features:
    """The feature map pooled by local patch attention, fitted to this encoder's maps.

    The checkpoint that ships belongs to the ImageNet network of section 5.
    """
    fitted = fit_pooling("lpa", encoder, pooling_pictures(64))
    lpa = Lpa(fitted.tensors["attention.weight"], "lpa")
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
    """Print a line for every option, direction and set, then the shifts of section 5."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("data", type=Path)
    options.add_argument("--sets", nargs="*", default=list(SETS))
    given = options.parse_args()
    encoder = OnnxImageEncoder.from_card(MODELS / "image.json", batch_size=1, threads=1)
    reader = offline_encoders()[1]
    fusion = shipped_fusion(encoder.fingerprint, reader)
    encoders = {
        "as shipped": encoder.encode,
        "whole and middle": two_scales(encoder),
        "whole and four quarters": five_crops(encoder),
        "local patch attention": attended(encoder),
    }
    for name in given.sets:
        every = [c for c in read_set(given.data / name / "records.jsonl") if c.image is not None]
        held = [c for c in every if c.split == "val" and c.text.strip()]
        learned = [c for c in every if c.split != "val"][:: len(every) // LEARNED][:LEARNED]
        print(f"{name}: {len(held)} images")
        groups = [grouped(name, cases) for cases in (learned, held)]
        searched(encoders, fusion, reader, held, groups[1])
        late_interaction(fusion, encoder, (learned, held), groups)
    learned = [open_image(c.image) for c in learned]
    sensitivity(encoders, Patches(encoder.encode_maps(learned)), encoder, given.data)


def grouped(name: str, cases: Sequence[Case]) -> np.ndarray:
    """What counts as the same: the case in MedPix, the text in sets whose captions repeat."""
    return codes(c.patient_id if name == "medpix2" else text_key(c.text) for c in cases)


def searched(
    encoders: Mapping[str, Features],
    fusion: Fusion,
    reader: TextEncoder,
    held: Sequence[Case],
    groups: np.ndarray,
) -> None:
    """Print what each way to read an image gives in each direction."""
    texts = reader.encode([c.text for c in held])
    pictures = [open_image(c.image) for c in held]
    for name, encode in encoders.items():
        started = process_time()
        features = encode(pictures)
        cost = 1000 * (process_time() - started) / len(held)
        print(f"{name}: {cost:.1f} ms an image")
        for direction, line in directions(fusion, features, texts, groups).items():
            print(f"    {direction:15s} {line}", flush=True)


def shipped_fusion(images: str, texts: TextEncoder) -> Fusion:
    """What the preset fuses with, by the fingerprint of its image encoder and its texts."""
    mixture = DomainMixture.load(
        MODELS / "mixture", image_encoder=images, text_encoder=texts.fingerprint
    )
    reduction = Reduction.load(MODELS / "image_reduction", images)
    return SharedAndOwn(mixture, reduction, texts.dim, OFFLINE_SHARES)


def directions(
    fusion: Fusion, features: np.ndarray, texts: np.ndarray, groups: np.ndarray
) -> dict[str, str]:
    """What each direction gives."""
    yes, no = np.ones(len(groups), bool), np.zeros(len(groups), bool)
    image = fusion.fuse(features, None, yes, no)
    text = fusion.fuse(None, texts, no, yes)
    same = groups[:, None] == groups
    other = same & ~np.eye(len(groups), dtype=bool)
    return {
        "image -> text": judged(image @ text.T, same, groups),
        "text -> image": judged(text @ image.T, same, groups),
        "image -> image": judged(_others(image @ image.T), other, groups),
    }


def _others(scores: np.ndarray) -> np.ndarray:
    return np.where(np.eye(len(scores), dtype=bool), -9.0, scores)


def late_interaction(
    fusion: Fusion,
    encoder: OnnxImageEncoder,
    parts: tuple[Sequence[Case], Sequence[Case]],
    groups: Sequence[np.ndarray],
) -> None:
    """Image to image with the first fifty scored again, on training and on held-out images."""
    maps = [encoder.encode_maps([open_image(c.image) for c in cases]) for cases in parts]
    patches = Patches(maps[0])
    found = []
    for some, who in zip(maps, groups, strict=True):
        yes = np.ones(len(some), bool)
        image = fusion.fuse(some.mean(axis=(2, 3)), None, yes, ~yes)
        right = (who[:, None] == who) & ~np.eye(len(who), dtype=bool)
        found.append((_others(image @ image.T), patches.vectors(some), right, who))
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        print(f"late interaction, share {share}")
        for part, (scores, vectors, right, who) in zip(
            ("training", "held out"), found, strict=True
        ):
            started = process_time()
            again = rescored(scores, vectors, share)
            cost = 1000 * (process_time() - started) / len(scores)
            print(f"    {part:15s} {judged(again, right, who)}, {cost:.1f} ms a query", flush=True)


def sensitivity(
    encoders: Mapping[str, Features], patches: Patches, encoder: OnnxImageEncoder, data: Path
) -> None:
    """Section 5: shift by a finding over shift by noise, drawn and in real radiographs."""
    files = [data / name / "records.jsonl" for name in XRAYS]
    real = radiographs([file for file in files if file.exists()], RADIOGRAPHS)
    drawn = [sensitivity_images(seed) for seed in range(SEEDS)]
    for where, sets in (
        ("drawn", drawn),
        ("radiographs", [inserted(picture, seed) for seed, picture in enumerate(real)]),
    ):
        moved = {name: shifts(encode, sets) for name, encode in encoders.items() if sets}
        if sets:
            moved["late interaction"] = late_shifts(patches, encoder, sets)
        for name, by_change in moved.items():
            controls = [control for control in CONTROLS if control in by_change]
            cells = [
                f"{change} {i.value:.2f} ({i.low:.2f}-{i.high:.2f})"
                for change, i in ratios(by_change, controls).items()
                if "/" in change
            ]
            print(f"{where}, {name}: {', '.join(cells)}", flush=True)


def late_shifts(
    patches: Patches, encoder: OnnxImageEncoder, sets: Sequence[Pictures]
) -> dict[str, Floats]:
    """How far MaxSim falls below 1 from each image to its changes, ``(n,)`` by change."""
    vectors = {
        name: patches.vectors(
            encoder.encode_maps([Image.fromarray(images[name]) for images in sets])
        )
        for name in sets[0]
    }
    return {
        name: np.array(
            [
                1 - Patches.score(one, other[None])[0]
                for one, other in zip(vectors[BASE], changed, strict=True)
            ],
            dtype=np.float64,
        )
        for name, changed in vectors.items()
        if name != BASE
    }


if __name__ == "__main__":
    main()
