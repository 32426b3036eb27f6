"""The modality heads of section 3.2: what they learn from, and how.

Two image heads come of one run. The one that ships learns from the training part of every set and
from every family of pictures that are not medical. The other has not seen whole sets and whole
families, and is what routing can be measured with (:mod:`mmedrag.evaluation.modality`). Backbones
stay frozen; whichever image encoder the preset has is used. No torch is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmedrag.checkpoint import Checkpoint, write_checkpoint
from mmedrag.datasets.phantom_images_ultrasound import draw_ultrasound
from mmedrag.datasets.phantoms import FAMILIES, generate, out_of_domain
from mmedrag.datasets.pictures import picture_files, views
from mmedrag.encoders.image import ImageEncoder
from mmedrag.encoders.projection import unit_rows
from mmedrag.encoders.text import TextEncoder
from mmedrag.modality import NOT_MEDICAL, Head
from mmedrag.training.features import Features, image_features, text_features
from mmedrag.training.softmax import Examples, best_temperature, train_head
from mmedrag.types import Domain

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
"""Sets that both image heads learn from (their training parts)."""

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
"""Sets that only the shipped image head learns from."""

HELD_OUT_FAMILIES = (
    "still life",
    "night lights",
    "handwriting",
    "line plot",
    "screenshot",
    "noise",
)
"""Drawn families that only the shipped image head learns from."""

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
"""Sets whose texts no head learns from; the text head's temperature is fitted on them."""

SEED = 7
MOST = 250
"""Images that are taken of a set, spread over it."""

TEXTS = 800
"""Texts that are taken of a set."""

ULTRASOUND = 160
"""Drawn ultrasound images; without them a head that knows lungs alone refuses every other organ."""

DRAWN = 800
PICTURES = 1600
"""Drawn and real pictures that are not medical."""

_DOMAINS = tuple(str(domain) for domain in Domain)
CLASSES = (*_DOMAINS, NOT_MEDICAL)

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Where the training data lie, where features are kept, and which pictures are not medical.

    ``pictures`` are folders of photographs and drawings (``scripts/pictures.sh`` fetches some);
    without any, the heads know drawn pictures only, and are the worse for it.
    """

    data: Path
    cache: Path
    pictures: tuple[Path, ...] = ()


def train(
    recipe: Recipe, into: Path, images: ImageEncoder, texts: TextEncoder, say: Say = print
) -> None:
    """Write ``modality`` (ships) and ``modality_held_out`` (for measurement) into a folder.

    Raises:
        CorpusError: where a set of :data:`IMAGE_SETS` or :data:`TEXT_SETS` is not there.
    """
    seen = domain_examples(_image_sets(recipe, IMAGE_SETS, images))
    seen = Examples.joined([seen, ultrasound_examples(images, ULTRASOUND)])
    unseen = domain_examples(_image_sets(recipe, HELD_OUT_SETS, images))
    others = [drawn_examples(images, DRAWN), *picture_examples(recipe.pictures, images)]
    text_head = _text_head(recipe, texts)
    drawn = others[0]
    known = np.array([family not in HELD_OUT_FAMILIES for family in drawn.groups])
    few = Examples.joined([seen, drawn.only(known), *others[1:]])
    whole = Examples.joined([seen, unseen, *others])
    for name, examples, sets in (
        ("modality_held_out", few, IMAGE_SETS),
        ("modality", whole, (*IMAGE_SETS, *HELD_OUT_SETS)),
    ):
        head = calibrated_head(CLASSES, examples)
        say(f"{name}: {len(examples.rows)} images, temperature {head.temperature:.2f}")
        checkpoint = _checkpoint(head, text_head, images, texts, sets, set(examples.groups))
        write_checkpoint(into / name, checkpoint)


def _image_sets(recipe: Recipe, names: Sequence[str], images: ImageEncoder) -> list[Features]:
    found = image_features(recipe.data, names, images, recipe.cache, MOST)
    return [*found, *_phantoms(recipe, images)] if "medpix2" in names else found


def _phantoms(recipe: Recipe, images: ImageEncoder) -> list[Features]:
    return image_features(_drawn_corpus(recipe), ["phantoms"], images, recipe.cache, MOST)


def _drawn_corpus(recipe: Recipe) -> Path:
    """A folder with one set, ``phantoms``, drawn once."""
    root = recipe.cache / "phantoms"
    if not (root / "phantoms" / "records.jsonl").exists():
        generate(600, SEED + 1, into=root / "phantoms")
    return root


def domain_examples(sets: Sequence[Features]) -> Examples:
    """The training rows of the sets, by domain; each set is a group."""
    rows, classes, groups = [], [], []
    for features in sets:
        for case, row in zip(features.cases, features.rows, strict=True):
            if case.split != "val" and case.domain is not None:
                rows.append(row)
                classes.append(CLASSES.index(str(case.domain)))
                groups.append(features.set_name)
    return Examples(unit_rows(np.stack(rows)), np.array(classes), tuple(groups))


def ultrasound_examples(encoder: ImageEncoder, n: int) -> Examples:
    """Drawn ultrasound, as radiology."""
    rows = _encoded([Image.fromarray(draw_ultrasound(i)) for i in range(n)], encoder)
    classes = np.full(n, CLASSES.index(str(Domain.RADIOLOGY)))
    return Examples(unit_rows(rows), classes, ("drawn ultrasound",) * n)


def drawn_examples(encoder: ImageEncoder, n: int, seed: int = SEED) -> Examples:
    """Drawn pictures that are not medical; each family is a group."""
    pictures = out_of_domain(n, seed)
    rows = _encoded([Image.fromarray(p.image) for p in pictures], encoder)
    return _not_medical(rows, [p.family for p in pictures])


def picture_examples(folders: Sequence[Path], encoder: ImageEncoder) -> list[Examples]:
    """Real pictures, about :data:`PICTURES` in all; a quarter of a folder's files is a group.

    From a folder of few pictures several views of each are taken.
    """
    found = []
    for folder in folders:
        share = PICTURES // len(folders)
        files = picture_files([folder])
        files = files[:: -(-len(files) // share)] if files else []
        each = min(6, max(1, share // len(files))) if files else 0
        shown = [(view, i % 4) for i, path in enumerate(files) for view in views(path, each, SEED)]
        if shown:
            rows = _encoded([view for view, _ in shown], encoder)
            found.append(_not_medical(rows, [f"{folder.name} {part}" for _, part in shown]))
    return found


def _encoded(pictures: Sequence[Image.Image], encoder: ImageEncoder) -> NDArray[np.float32]:
    parts = [encoder.encode(pictures[i : i + 16]) for i in range(0, len(pictures), 16)]
    return np.concatenate(parts)


def _not_medical(rows: NDArray[np.float32], groups: Sequence[str]) -> Examples:
    return Examples(unit_rows(rows), np.full(len(rows), CLASSES.index(NOT_MEDICAL)), tuple(groups))


def calibrated_head(classes: tuple[str, ...], examples: Examples, folds: int = 4) -> Head:
    """A head whose temperature fits groups (sets, families) that it has not learned from.

    Groups are left out in turn; the temperature has the least log loss over the logits of all the
    left-out rows (Guo et al. 2017, but under a shift of data sets, as it is in use).
    """
    fold_of = {group: i % folds for i, group in enumerate(sorted(set(examples.groups)))}
    fold = np.array([fold_of[group] for group in examples.groups])
    logits = np.zeros((len(fold), len(classes)), np.float32)
    for out in range(folds):
        weight, bias = train_head(examples.only(fold != out), len(classes))
        logits[fold == out] = examples.rows[fold == out] @ weight.T + bias
    weight, bias = train_head(examples, len(classes))
    return Head(classes, weight, bias, best_temperature(logits, examples))


def _text_head(recipe: Recipe, texts: TextEncoder) -> Head:
    """Over the domains; its temperature is fitted on sets that it has not learned from."""
    told = text_features(recipe.data, TEXT_SETS, texts, recipe.cache, TEXTS)
    told += text_features(_drawn_corpus(recipe), ["phantoms"], texts, recipe.cache, TEXTS)
    weight, bias = train_head(domain_examples(told), len(_DOMAINS))
    unseen = domain_examples(text_features(recipe.data, HELD_OUT_TEXTS, texts, recipe.cache, 300))
    logits = unseen.rows @ weight.T + bias
    return Head(_DOMAINS, weight, bias, best_temperature(logits, unseen))


def _checkpoint(
    image: Head,
    text: Head,
    images: ImageEncoder,
    texts: TextEncoder,
    sets: Sequence[str],
    families: Collection[str],
) -> Checkpoint:
    tensors = {"image.weight": image.weight, "image.bias": image.bias}
    tensors |= {"text.weight": text.weight, "text.bias": text.bias}
    return Checkpoint(
        kind="modality",
        tensors=tensors,
        encoders={"image": images.fingerprint, "text": texts.fingerprint},
        training_data=(*sets, *(f"{name} (text)" for name in TEXT_SETS), "MMedRAG phantoms"),
        settings={
            "image_classes": list(image.classes),
            "text_classes": list(text.classes),
            "image_temperature": image.temperature,
            "text_temperature": text.temperature,
            "families": [name for name in FAMILIES if name in families],
        },
    )
