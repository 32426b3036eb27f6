"""Section 3.2 measured: is a query routed to its domain, and is a holiday photograph turned away?

Two heads are judged, each on what it has not learned from. The shipped head knows the training part
of every shared set, so it is judged on validation patients and on other files. The held-out head
(:mod:`mmedrag.training.modality`) has not seen whole sets and whole families of drawn pictures, and
is judged on those: what to expect of a hospital that no one has trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmedrag import presets
from mmedrag.checkpoint import read_checkpoint
from mmedrag.datasets.pictures import packaged_pictures, picture_files, views
from mmedrag.datasets.records import readable
from mmedrag.datasets.sampling import evenly_spaced
from mmedrag.datasets.ties import set_name
from mmedrag.errors import CorpusError
from mmedrag.evaluation import routing
from mmedrag.evaluation.routing import Verdict
from mmedrag.modality import (
    NOT_MEDICAL,
    TrainedClassifier,
    heads_from_checkpoint,
    thresholds_of,
)
from mmedrag.phantoms.corpus import FAMILIES
from mmedrag.phantoms.corpus import out_of_domain as synthetic_pictures
from mmedrag.progress import Progress, silent
from mmedrag.protocols import Embedder, ModalityClassifier
from mmedrag.routing import ConceptClassifier
from mmedrag.types import Case, Query, Vector
from mmedrag.views.section import Section

MOST = 60
"""Images that are judged of a set."""

SYNTHETIC = 200
"""Drawn pictures that are judged."""

SYNTHETIC_SEED = 10**6
"""Far from the seeds that training uses."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "documents": ("document", "handwriting", "spreadsheet", "screenshot", "barcode"),
    "plots": ("bar chart", "line plot", "street map"),
    "noise and patterns": ("noise", "flat", "pattern"),
    "drawn scenes": (
        "landscape", "seaside", "night lights", "wood", "stone", "brick", "foliage", "still life",
        "objects",
    ),
}  # fmt: skip
"""Families of drawn pictures by kind."""

PHOTOGRAPHS = "photographs"
"""The kind of every picture that is not drawn by this project."""

REAL = "pictures/"
"""Before the name of the package or folder that such a picture is of."""

PICTURES = 200
"""Real pictures that are judged of a folder."""


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """A classifier to be judged, with the sets and the drawn families that it has learned from."""

    name: str
    classifier: ModalityClassifier
    learned: Collection[str] = ()
    families: Collection[str] = ()

    def may_judge(self, file: Path, case: Case) -> bool:
        """Whether the case is new to the classifier: of an unknown set, or for validation."""
        return case.split == "val" or not any(is_called(file, name) for name in self.learned)


@dataclass(slots=True)
class Judged:
    """The verdicts of one arm: on medical images with their vectors, and on other pictures."""

    arm: Arm
    medical: list[Verdict] = field(default_factory=list)
    rows: list[Vector] = field(default_factory=list)
    others: list[Verdict] = field(default_factory=list)


def is_called(file: Path, name: str) -> bool:
    """Whether a record file is the set of that name: its folders end with it, as ``cells/wbc``."""
    path = file.resolve()
    whole = path if path.is_dir() else path.parent / set_name(path)
    where = whole.parent if path.name == "records.jsonl" else whole
    folders, ending = where.parts, Path(name).parts
    return folders[-len(ending) :] == ending


def arms(preset: str, stages: presets.Stages) -> list[Arm]:
    """What can be judged: the preset's classifier; of ``offline`` the shipped and held-out heads.

    Raises:
        EncoderMismatch: where a head was trained on other features.
    """
    shipped = stages.classifier
    shipped = shipped.trained if isinstance(shipped, ConceptClassifier) else shipped
    if preset != "offline" or not isinstance(shipped, TrainedClassifier):
        return [Arm(preset, shipped)]
    whole, held_out_head = (
        read_checkpoint(presets.MODELS / name, "modality")
        for name in ("modality", "modality_held_out")
    )
    held_out_head.require_encoder("image", presets.offline_encoders()[0].fingerprint)
    heads = heads_from_checkpoint(held_out_head)
    held_out = shipped.with_heads(*heads, thresholds_of(held_out_head))
    return [
        Arm("shipped", shipped, whole.training_data),
        Arm("held out", held_out, held_out_head.training_data, held_out_head.settings["families"]),
    ]


def evaluate_modality(
    data: Sequence[Path],
    *,
    preset: str = "offline",
    models: Mapping[str, str] | None = None,
    pictures: Sequence[Path] = (),
    most: int = MOST,
    progress: Progress = silent,
) -> Section:
    """Judge the classifiers of a preset.

    Args:
        data: record files; each is a set, and its domains are the truth.
        preset: whose classifier, and whose vectors for the cost of misrouting.
        models: that replace the preset's own, by role.
        pictures: folders of further photographs and drawings that are not medical.
        most: images of each set.
        progress: told how many more pictures are done.

    Raises:
        CorpusError: where no record has an image and a domain that an arm may be judged on.
    """
    from mmedrag.evaluation.modality_section import as_section

    stages = presets.build(preset, models)
    judged = [Judged(arm) for arm in arms(preset, stages)]
    for file in data:
        _judge_set(judged, file, stages.embedder, most, progress)
    for source, picture in _others(pictures):
        query = Query(image=_png(picture))
        for one in judged:
            if source not in one.arm.families:
                one.others.append(_verdict(one.arm, source, NOT_MEDICAL, query))
        progress(1)
    if not all(one.medical for one in judged):
        raise CorpusError(
            "No record has an image and a domain that the classifiers have not learned from",
            "Give records whose split is val, or sets that are not among the training data.",
        )
    figures = {one.arm.name: measures(one) for one in judged}
    return as_section(figures, sets=len(data), most=most)


def _judge_set(
    judged: Sequence[Judged], file: Path, embedder: Embedder, most: int, progress: Progress
) -> None:
    records = readable(file)[0]
    cases = [c for c in records if c.image is not None and c.domain is not None]
    chosen = {one.arm.name: evenly_spaced([c for c in cases if one.arm.may_judge(file, c)], most)
              for one in judged}  # fmt: skip
    wanted = {case.id for cases_of_arm in chosen.values() for case in cases_of_arm}
    for case in cases:
        if case.id not in wanted:
            continue
        query = Query(image=case.image)
        row = embedder.embed([query])[0]
        for one in judged:
            if any(case is c for c in chosen[one.arm.name]):
                one.medical.append(_medical(one.arm, file, case, query))
                one.rows.append(row)
        progress(1)


def _medical(arm: Arm, file: Path, case: Case, query: Query) -> Verdict:
    source = set_name(file)
    label = ", ".join(sorted(case.labels)) or case.text
    return Verdict(
        source=source,
        truth=str(case.domain),
        routing=arm.classifier.classify([query])[0],
        kind=f"{source}: {label}",
        patient=f"{source}: {case.patient_id}" if case.patient_id else "",
    )


def _verdict(arm: Arm, source: str, truth: str, query: Query) -> Verdict:
    return Verdict(source, truth, arm.classifier.classify([query])[0])


def _others(folders: Sequence[Path]) -> Iterator[tuple[str, Image.Image]]:
    """Pictures that are not medical, each with its family: drawn, of a package, of a folder."""
    for drawing in synthetic_pictures(SYNTHETIC, SYNTHETIC_SEED):
        yield drawing.family, Image.fromarray(drawing.image)
    for name, picture in packaged_pictures():
        yield f"{REAL}{name.split('/')[0]}", picture
    for folder in folders:
        for path in evenly_spaced(picture_files([folder]), PICTURES):
            for picture in views(path, 1, 0):
                yield f"{REAL}{folder.resolve().name}", picture


def _png(picture: Image.Image) -> bytes:
    small = picture.copy()
    small.thumbnail((512, 512))
    buffer = BytesIO()
    small.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def measures(one: Judged) -> dict[str, Any]:
    """The figures of one arm, as the section's data holds them."""
    sources = dict.fromkeys(v.source for v in one.medical)
    bins = routing.reliability([*one.medical, *one.others])
    kind_of = {family: kind for kind, families in KINDS.items() for family in families}
    return {
        "images": routing.shares(one.medical),
        "by_set": {s: routing.shares([v for v in one.medical if v.source == s]) for s in sources},
        "ECE": bins.error,
        "ECE_medical": routing.reliability(one.medical).error,
        "out_of_domain": routing.out_of_domain(one.medical, one.others),
        "out_of_domain_by_kind": _outside(one, lambda v: kind_of.get(v.source, PHOTOGRAPHS)),
        "out_of_domain_by_package": _outside(
            one, lambda v: v.source.removeprefix(REAL) if v.source.startswith(REAL) else ""
        ),
        "families": [f for f in FAMILIES if f not in one.arm.families],
        "misrouting": routing.misrouting(one.medical, np.stack(one.rows)),
        "bins": {
            "predicted": bins.predicted.tolist(),
            "observed": bins.observed.tolist(),
            "counts": bins.counts.tolist(),
        },
    }


def _outside(one: Judged, name_of: Callable[[Verdict], str]) -> dict[str, dict[str, float]]:
    """:func:`routing.out_of_domain` of the pictures by a name; those without one are left out."""
    verdicts: dict[str, list[Verdict]] = {}
    for verdict in one.others:
        verdicts.setdefault(name_of(verdict), []).append(verdict)
    verdicts.pop("", None)
    return {name: routing.out_of_domain(one.medical, verdicts[name]) for name in sorted(verdicts)}
