"""The modality heads of section 3.2: what they learn from, and how.

Two image heads come of one run. The one that ships learns from the training part of every set and
from every family of pictures that are not medical. The other has not seen whole sets and whole
families, and is what routing can be measured with (:mod:`mmedrag.evaluation.modality`). Backbones
stay frozen; whichever image encoder the preset has is used. No torch is needed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmedrag.checkpoint import Checkpoint, write_checkpoint
from mmedrag.datasets.pictures import picture_files, views
from mmedrag.encoders.image import ImageEncoder
from mmedrag.encoders.text import TextEncoder
from mmedrag.errors import CorpusError
from mmedrag.imaging.decoding import open_image
from mmedrag.measures.cosines import unit_rows
from mmedrag.modality import NOT_MEDICAL, Head
from mmedrag.phantoms.corpus import FAMILIES, generate, out_of_domain
from mmedrag.phantoms.images.ultrasound import draw_ultrasound
from mmedrag.progress import Log
from mmedrag.training.augmentation import is_ultrasound, part
from mmedrag.training.features import Features, image_features, text_features
from mmedrag.training.head_calibration import calibrated_head, head_and_threshold
from mmedrag.training.sets import Recipe, TrainingSet
from mmedrag.training.softmax import Examples, best_temperature, fit_head
from mmedrag.types import Case, Domain

HELD_OUT_FAMILIES = (
    "still life",
    "night lights",
    "handwriting",
    "line plot",
    "screenshot",
    "noise",
)
"""Drawn families that only the shipped image head learns from."""

SEED = 7
MOST = 250
"""Images that are taken of a set, spread over it."""

TEXTS = 800
"""Texts that are taken of a set."""

ULTRASOUND = 160
"""Drawn ultrasound images; without them a head that knows lungs alone refuses every other organ."""

PARTS = 450
"""Parts of real ultrasound images: other machines show other fields of view."""

PHANTOMS = 600
"""Drawn cases of the three domains."""

SYNTHETIC = 800
PICTURES = 1600
"""Drawn and real pictures that are not medical."""


def classes() -> tuple[str, ...]:
    """The registered domains, and what is no medical image."""
    return (*map(str, Domain), NOT_MEDICAL)


def train_modality(
    recipe: Recipe, into: Path, images: ImageEncoder, texts: TextEncoder, log: Log = print
) -> None:
    """Write ``modality`` (ships) and ``modality_held_out`` (for measurement) into a folder.

    Drawn images stand beside the real ones in every domain, and are all there is of a domain that
    no set has.

    Raises:
        CorpusError: where no set has an image that may be learned from.
    """
    learned = _features([*recipe.images(), *recipe.images("routing")], recipe, images, log)
    held_out = _features(recipe.images("held out"), recipe, images, log)
    if not any(len(one.rows) for one in domain_examples([*learned, *held_out])):
        raise CorpusError(
            "No image may be learned from",
            "Give records with an image and a domain, whose split is not val.",
        )
    phantoms = _features([_phantoms(recipe)], recipe, images, log)
    drawn = ultrasound_examples(images, ULTRASOUND)
    synthetic = synthetic_examples(images, SYNTHETIC)
    others = picture_examples(recipe.pictures, images)
    both_heads = np.array([family not in HELD_OUT_FAMILIES for family in synthetic.groups])
    text_head, text_sets = _text_head(recipe, texts)
    for name, sets, families in (
        ("modality_held_out", learned, synthetic.only(both_heads)),
        ("modality", [*learned, *held_out], synthetic),
    ):
        medical = [*domain_examples([*sets, *phantoms]), drawn, *part_examples(sets, images)]
        examples = Examples.joined([*medical, families, *others])
        head, threshold = head_and_threshold(classes(), examples)
        log(
            f"{name}: {len(examples.rows)} images, temperature {head.temperature:.2f}, "
            f"not medical above {threshold:g}"
        )
        data = (*(s.set_name for s in sets), *text_sets, "MMedRAG phantoms")
        checkpoint = _checkpoint(head, text_head, images, texts, data, set(examples.groups))
        settings = {**checkpoint.settings, "not_medical": threshold}
        write_checkpoint(into / name, replace(checkpoint, settings=settings))


def _features(
    sets: Sequence[TrainingSet], recipe: Recipe, images: ImageEncoder, log: Log
) -> list[Features]:
    return image_features(sets, images, recipe.cache, MOST, log)


def _phantoms(recipe: Recipe) -> TrainingSet:
    """A set of drawn cases, drawn once."""
    file = recipe.cache / "phantoms" / "phantoms" / "records.jsonl"
    if not file.exists():
        generate(PHANTOMS, SEED + 1, into=file.parent)
    return TrainingSet("phantoms", file)


def domain_examples(sets: Sequence[Features]) -> list[Examples]:
    """The training rows of each set, by domain; each set is a group of its source."""
    examples, names = [], classes()
    for features in sets:
        kept = [
            (i, names.index(str(case.domain)))
            for i, case in enumerate(features.cases)
            if case.split != "val" and case.domain in names
        ]
        rows, labels = np.array(kept, np.int64).reshape(-1, 2).T
        groups = (_group(features, "images"),) * len(kept)
        examples.append(Examples(unit_rows(features.rows[rows]), labels, groups))
    return examples


def _group(features: Features, what: str) -> str:
    """The name of a group; what stands before the colon is left out together."""
    source = features.source.source or features.set_name
    return f"{source}: {what} of {features.set_name}"


def part_examples(sets: Sequence[Features], encoder: ImageEncoder) -> list[Examples]:
    """Parts of the ultrasound images of the sets, about :data:`PARTS` in all.

    The parts of a set are a group of its source.
    """
    usable = [(s, c) for s in sets for c in s.cases if is_ultrasound(c) and c.split != "val"]
    usable = [(s, c) for s, c in usable if c.domain in classes()]
    each = -(-PARTS // max(1, len(usable)))
    examples = []
    for features in sets:
        cases = [case for of, case in usable if of is features]
        cut = [p for case in cases for p in _parts(case, each)]
        if cut:
            labels = np.repeat([classes().index(str(case.domain)) for case in cases], each)
            groups = (_group(features, "parts"),) * len(cut)
            examples.append(Examples(unit_rows(_encoded(cut, encoder)), labels, groups))
    return examples


def _parts(case: Case, n: int) -> list[Image.Image]:
    assert case.image is not None  # the features of a set are of cases with images
    image = open_image(case.image, case.frame).convert("RGB")
    random = np.random.default_rng([SEED, *case.id.encode()])
    return [part(image, case, random) for _ in range(n)]


def ultrasound_examples(encoder: ImageEncoder, n: int) -> Examples:
    """Drawn ultrasound, as radiology."""
    rows = _encoded([Image.fromarray(draw_ultrasound(i)) for i in range(n)], encoder)
    labels = np.full(n, classes().index(str(Domain.RADIOLOGY)))
    return Examples(unit_rows(rows), labels, ("drawn ultrasound",) * n)


def synthetic_examples(encoder: ImageEncoder, n: int, seed: int = SEED) -> Examples:
    """Drawn pictures that are not medical; each family is a group."""
    pictures = out_of_domain(n, seed)
    rows = _encoded([Image.fromarray(p.image) for p in pictures], encoder)
    return _not_medical(rows, [p.family for p in pictures])


def picture_examples(folders: Sequence[Path], encoder: ImageEncoder) -> list[Examples]:
    """Real pictures, about :data:`PICTURES` in all; a quarter of a folder's files is a group of it.

    From a folder of few pictures several views of each are taken.
    """
    examples = []
    for folder in folders:
        share = PICTURES // len(folders)
        files = picture_files([folder])
        files = files[:: -(-len(files) // share)] if files else []
        each = min(6, max(1, share // len(files))) if files else 0
        shown = [(view, i % 4) for i, path in enumerate(files) for view in views(path, each, SEED)]
        if shown:
            rows = _encoded([view for view, _ in shown], encoder)
            examples.append(
                _not_medical(rows, [f"{folder.name}: {quarter}" for _, quarter in shown])
            )
    return examples


def _encoded(pictures: Sequence[Image.Image], encoder: ImageEncoder) -> NDArray[np.float32]:
    rows = [encoder.encode(pictures[i : i + 16]) for i in range(0, len(pictures), 16)]
    return np.concatenate(rows)


def _not_medical(rows: NDArray[np.float32], groups: Sequence[str]) -> Examples:
    return Examples(unit_rows(rows), np.full(len(rows), len(Domain)), tuple(groups))


def _text_head(recipe: Recipe, texts: TextEncoder) -> tuple[Head, list[str]]:
    """Over the domains, and the names of what it has learned from.

    Its temperature is fitted on the sets whose texts are held out; where there is none, on the sets
    that it learns from, left out in turn.
    """
    domains = tuple(map(str, Domain))
    features_of_sets = text_features(recipe.texts(), texts, recipe.cache, TEXTS)
    names = [f"{features.set_name} (text)" for features in features_of_sets]
    features_of_sets += text_features([_phantoms(recipe)], texts, recipe.cache, TEXTS)
    examples = Examples.joined(domain_examples(features_of_sets))
    held_out = text_features(recipe.texts("held out"), texts, recipe.cache, 300)
    if not held_out:
        return calibrated_head(domains, examples), names
    unseen = Examples.joined(domain_examples(held_out))
    weight, bias = fit_head(examples, len(domains))
    logits = unseen.rows @ weight.T + bias
    return Head(domains, weight, bias, best_temperature(logits, unseen)), names


def with_text_head(old: Checkpoint, recipe: Recipe, texts: TextEncoder) -> Checkpoint:
    """The same image head beside a new text head, for another text encoder or other texts."""
    head, names = _text_head(recipe, texts)
    tensors = {**old.tensors, "text.weight": head.weight, "text.bias": head.bias}
    kept = [name for name in old.training_data if not name.endswith("(text)")]
    return replace(
        old,
        tensors=tensors,
        encoders={**old.encoders, "text": texts.fingerprint},
        training_data=(*kept[:-1], *names, kept[-1]),
        settings={
            **old.settings,
            "text_classes": list(head.classes),
            "text_temperature": head.temperature,
        },
    )


def _checkpoint(
    image: Head,
    text: Head,
    images: ImageEncoder,
    texts: TextEncoder,
    data: tuple[str, ...],
    families: Collection[str],
) -> Checkpoint:
    tensors = {"image.weight": image.weight, "image.bias": image.bias}
    tensors |= {"text.weight": text.weight, "text.bias": text.bias}
    return Checkpoint(
        kind="modality",
        tensors=tensors,
        encoders={"image": images.fingerprint, "text": texts.fingerprint},
        training_data=data,
        settings={
            "image_classes": list(image.classes),
            "text_classes": list(text.classes),
            "image_temperature": image.temperature,
            "text_temperature": text.temperature,
            "families": [name for name in FAMILIES if name in families],
        },
    )
