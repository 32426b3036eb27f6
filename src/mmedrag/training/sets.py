"""What the recipes of ``offline`` learn from: record files, each with what it is for and states.

A set that is not described further teaches everything: its images the encoder, the shared space and
routing, its texts routing. A description says what the records of a set state in fields of their
own; :func:`training_sets` describes files by their names alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from mmedrag.datasets.ties import set_name
from mmedrag.errors import CorpusError
from mmedrag.training.wordings import wordings
from mmedrag.types import Case

Use: TypeAlias = Literal["train", "shared", "routing", "held out", "none"]

Statement: TypeAlias = Callable[[Case], str | None]
"""What a record states of its image in one respect; ``None`` where it states nothing."""


def label_or_text(case: Case) -> str | None:
    """The class of an image: its first label, or its text where it has none."""
    return case.labels[0] if case.labels else text_alone(case)


def text_alone(case: Case) -> str | None:
    """The class of an image of a set whose texts, a few words, tell more than its labels."""
    return case.text.casefold().strip() or None


def no_class(case: Case) -> str | None:
    """For a set whose texts are sentences."""
    return None


def kind(case: Case) -> str:
    """Domain and modality."""
    return f"{case.domain} {case.modality.lower()}"


def content(case: Case) -> tuple[str, str, str, str]:
    """Groups of like content, from coarse to fine: kind, kind in the set, labels, patient."""
    named = ", ".join(sorted(case.labels)) or case.text.lower()
    return kind(case), kind(case), named, case.patient_id or case.id


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """A record file, what it is for, and what its records state.

    Args:
        name: by which checkpoints name it.
        records: a file of the native format, or its folder.
        images: ``train`` for the encoder, the shared space and both routing heads; ``shared`` for
            the shared space alone; ``routing`` for both routing heads alone; ``held out`` for the
            shipped routing head alone, so that the other one can be measured on it.
        texts: ``train`` for the text head of routing; ``held out`` to fit its temperature on.
        draws: the share of the encoder's draws; sets without one divide what is left by the square
            roots of their sizes.
        label: the class of an image.
        attributes: further classifications that the encoder is tuned to, by name.
        content: groups of like content from coarse to fine; the last three are of one set.
        wordings: the texts that an image is paired with, its own first.
        source: where it comes from, if other sets come from there too: they are left out together.
    """

    name: str
    records: Path
    images: Use = "train"
    texts: Use = "train"
    draws: float | None = None
    label: Statement = label_or_text
    attributes: Mapping[str, Statement] = field(default_factory=dict)
    content: Callable[[Case], tuple[str, str, str, str]] = content
    wordings: Callable[[Case], Sequence[str]] = wordings
    source: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is learned from, where features are kept, and which pictures are not medical.

    ``pictures`` are folders of photographs and drawings (``scripts/pictures.sh`` fetches some);
    without any, the routing heads know drawn pictures only, and are the worse for it.
    """

    sets: tuple[TrainingSet, ...]
    cache: Path
    pictures: tuple[Path, ...] = ()

    def images(self, use: Use = "train") -> list[TrainingSet]:
        """The sets whose images are for that use."""
        return [one for one in self.sets if one.images == use]

    def texts(self, use: Use = "train") -> list[TrainingSet]:
        """The sets whose texts are for that use."""
        return [one for one in self.sets if one.texts == use]


def training_sets(files: Sequence[Path]) -> tuple[TrainingSet, ...]:
    """A set for each file, called by its folder and not described further.

    Raises:
        CorpusError: where two sets have the same name.
    """
    sets: dict[str, TrainingSet] = {}
    for file in files:
        name = set_name(file)
        if name in sets:
            raise CorpusError(
                f"{sets[name].records} and {file} are both called {name}",
                "Give each file once; rename the folder of one of them.",
            )
        sets[name] = TrainingSet(name, file)
    return tuple(sets.values())
