"""The recipe of the weights that ship: image encoder, shared space, routing, reward model, LPA.

Run by ``make train``, on real data beside the repository, after ``recipes/text_tower.py``, whose
``texts.onnx`` it takes from the same folder; a set that is not there is not learned from, and is
named. About half an hour on two cores.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from mmedrag.presets import MODELS, offline_encoders, offline_texts
from mmedrag.training.modality import train_modality
from mmedrag.training.offline import refit, train_offline
from mmedrag.training.pooling import train_pooling
from mmedrag.training.preference import train_preference
from mmedrag.training.sets import (
    Recipe,
    Statement,
    TrainingSet,
    kind,
    no_class,
    text_alone,
)
from mmedrag.types import Case


def region(case: Case) -> str:
    """The second label of MedPix."""
    return case.labels[1]


def stated(field: str, length: int | None = None) -> Statement:
    """A field of MedPix, or its first characters; absent is a class too."""
    return lambda case: str(case.meta.get(field))[:length]


def content(case: Case) -> tuple[str, str, str, str]:
    """Images of MedPix: region, plane, labels, patient, each with domain and modality."""
    part = f"{kind(case)} {region(case)}"
    plane = f"{part} {case.meta.get('plane')}"
    return part, plane, f"{case.labels} {kind(case)}", case.patient_id


def sets(root: Path) -> tuple[TrainingSet, ...]:
    """All sets of the recipe, in the order in which they are learned from.

    Half of the encoder's draws are of MedPix, whose captions the retriever is for. Sets whose
    images are held out teach the shipped routing head alone: it is measured on them without. The
    images of pathology captions teach the shared space alone: with their texts the routing head
    called a third of MedPix pathology (docs/notes/encoders.md).
    """
    medpix = {
        "region": region,
        "speciality": lambda case: case.labels[0],
        "plane": stated("plane"),
        "sequence": stated("modality_text"),
        "anatomy": stated("acr", 2),
    }
    described = (
        TrainingSet("medpix2", root, draws=0.5, label=no_class, attributes=medpix, content=content),
        TrainingSet("odir5k", root, label=text_alone, source="odir"),
        TrainingSet("patolojiatlasi", root),
        TrainingSet("openstax_figures", root, texts="held out", label=no_class),
        TrainingSet("covid_cxr", root, label=text_alone),
        TrainingSet("labelled/bccd_cells", root),
        TrainingSet("labelled/brain_tumor_mri", root),
        TrainingSet("labelled/chula_anaemia_smears", root),
        TrainingSet("labelled/eye_fundus4", root, texts="held out"),
        TrainingSet("labelled/iqoth_lung_ct", root),
        TrainingSet("labelled/kermany_cxr", root),
        TrainingSet("labelled/lc25000", root, texts="held out"),
        TrainingSet("labelled/odir_extra", root, source="odir"),
        TrainingSet("labelled/pocus_lung_us", root, texts="none", source="pocus"),
        TrainingSet("pocus_lung", root, images="routing", texts="none", source="pocus"),
        TrainingSet("codras_dr", root, images="held out", texts="none"),
        TrainingSet("covid_ct", root, images="held out", texts="held out"),
        TrainingSet("atlas_radiologia_es", root, images="held out", texts="none"),
        TrainingSet("labelled/busi_breast_us", root, images="held out", texts="none"),
        TrainingSet("labelled/chula_rbc_cells", root, images="held out", texts="none"),
        TrainingSet("labelled/kidney_ct", root, images="held out", texts="none"),
        TrainingSet("labelled/nih_cxr14", root, images="held out", texts="held out"),
        TrainingSet("labelled/wbc", root, images="held out", texts="held out"),
        TrainingSet("pathvqa", root, images="shared", texts="none", label=no_class),
        TrainingSet("columbia_histology", root, images="shared", texts="none", label=no_class),
        TrainingSet("roco_text", root, images="none"),
        TrainingSet("iu_xray_text", root, images="none"),
        TrainingSet("patchgastric_text", root, images="none"),
    )
    return tuple(replace(one, records=records(root, one.name)) for one in described)


RESEARCH_ONLY = frozenset(
    {"odir5k", "covid_ct", "openstax_figures", "pathvqa", "columbia_histology"}
    | {"histology_med_project", "iu_xray_text", "patchgastric_text", "mm_retinal_text"}
    | {"deepeyenet_text", "umn_pathology_text", "labelled/odir_extra", "labelled/pocus_lung_us"}
    | {"openstax_anatomy_physiology", "pocus_lung"}
)
"""Sets whose stated terms forbid commercial use, or that state none; ``--open`` leaves them out."""

REWARD_SETS = (
    "medpix2", "odir5k", "patolojiatlasi", "covid_cxr", "iu_xray_text", "roco_text",
    "patchgastric_text", "columbia_histology", "deepeyenet_text", "pocus_lung",
    "labelled/lc25000", "labelled/kermany_cxr", "labelled/brain_tumor_mri", "labelled/eye_fundus4",
    "labelled/iqoth_lung_ct", "labelled/busi_breast_us", "labelled/kidney_ct",
    "labelled/odir_extra", "labelled/chula_anaemia_smears", "labelled/wbc",
)  # fmt: skip
"""What preferences are mined from: all three domains, reports as well as captions and labels. The
settings of reranker and filter were chosen on other patients of the same sets; the sets of the
role ``unseen`` in paper.toml are kept from both."""


def records(root: Path, name: str) -> Path:
    """The record file of a set."""
    return root / name / "records.jsonl"


def main() -> None:
    """Train every part into a folder."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True, metavar="ROOT")
    options.add_argument("--into", type=Path, required=True, metavar="DIR")
    options.add_argument("--cache", type=Path, default=Path(".cache/features"), metavar="DIR")
    options.add_argument("--pictures", type=Path, nargs="*", default=[], metavar="DIR")
    options.add_argument("--open", action="store_true", help="leave research-only sets out")
    options.add_argument(
        "--keep-images", action="store_true", help="take the image encoder and its heads that ship"
    )
    options.add_argument(
        "--routing", action="store_true", help="train the routing heads alone, on what ships"
    )
    given = options.parse_args()
    left_out = RESEARCH_ONLY if given.open else frozenset()
    every = tuple(one for one in sets(given.data) if one.name not in left_out)
    present = tuple(one for one in every if one.records.exists())
    if absent := [one.name for one in every if one not in present]:
        print("Not there, so not learned from:", ", ".join(absent))
    recipe = Recipe(present, given.cache, tuple(given.pictures))
    if given.routing:
        train_modality(recipe, given.into, *offline_encoders())
        return
    texts = offline_texts(given.into)
    if given.keep_images:
        refit(recipe, MODELS, given.into, texts)
    else:
        train_offline(recipe, given.into, texts)
    files = [records(given.data, name) for name in REWARD_SETS if name not in left_out]
    with tqdm(unit="record", desc="mine", disable=None) as bar:
        found = train_preference(
            [file for file in files if file.exists()],
            given.into / "reward",
            models={"learned": str(given.into)},
            progress=bar.update,
        )
    print("held-out patients:", ", ".join(f"{name} {value}" for name, value in found.items()))
    with tqdm(unit="step", desc="pooling", disable=None) as bar:
        train_pooling(given.into / "lpa", "lpa", progress=bar.update)


if __name__ == "__main__":
    main()
