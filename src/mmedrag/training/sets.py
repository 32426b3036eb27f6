"""The record files that the recipes of ``offline`` learn from, by the names of their sets.

The recipes know some sets by name: which are held out for measuring routing, whose texts are
sentences. Every other set is learned from as what it holds, labels or captions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmedrag.datasets.ties import set_name
from mmedrag.errors import CorpusError

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
"""Sets whose images the encoder, its heads and both routing heads learn from (training parts)."""

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
"""Sets that only the shipped routing head learns from."""

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
"""Sets whose texts the text head of routing learns from."""

HELD_OUT_TEXTS = (
    "openstax_figures",
    "covid_ct",
    "labelled/wbc",
    "labelled/nih_cxr14",
    "labelled/eye_fundus4",
    "labelled/lc25000",
)
"""Sets whose texts no head learns from; the text head's temperature is fitted on them."""

KNOWN = tuple(dict.fromkeys((*IMAGE_SETS, *HELD_OUT_SETS, *TEXT_SETS, *HELD_OUT_TEXTS)))

Sets = Mapping[str, Path]
"""Record files by the name of their set."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is learned from, where features are kept, and which pictures are not medical.

    ``pictures`` are folders of photographs and drawings (``scripts/pictures.sh`` fetches some);
    without any, the routing heads know drawn pictures only, and are the worse for it.
    """

    sets: Sets
    cache: Path
    pictures: tuple[Path, ...] = ()

    def known(self, names: Sequence[str]) -> dict[str, Path]:
        """Those of the names that are there, in this order."""
        return {name: self.sets[name] for name in names if name in self.sets}

    def with_others(self, names: Sequence[str]) -> dict[str, Path]:
        """The same, and after them every set that is not known by name."""
        others = {name: file for name, file in self.sets.items() if name not in KNOWN}
        return self.known(names) | others

    def missing(self) -> list[str]:
        """The sets that are known by name and not there."""
        return [name for name in KNOWN if name not in self.sets]


def named_sets(files: Sequence[Path]) -> dict[str, Path]:
    """The files by the name of their set: its folder, after ``labelled/`` where that is above it.

    Raises:
        CorpusError: where two sets have the same name.
    """
    found: dict[str, Path] = {}
    for file in files:
        name = recipe_name(file)
        if name in found:
            raise CorpusError(
                f"{found[name]} and {file} are both called {name}",
                "Give each file once; rename the folder of one of them.",
            )
        found[name] = file
    return found


def recipe_name(file: Path) -> str:
    """The name by which a recipe knows the set that a file or its folder holds."""
    folder = (file if file.is_dir() else file.parent).resolve()
    name = set_name(folder / "records.jsonl" if file.is_dir() else file)
    return f"labelled/{name}" if folder.parent.name == "labelled" else name
