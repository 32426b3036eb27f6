"""A labelled corpus of synthetic image-report pairs, drawn from a seed: the demo corpus.

Nothing in it comes from a patient. Also here: the six images of section 5.1
(:func:`sensitivity_images`) and images that are not medical (:func:`out_of_domain`). What is drawn,
and what is not: ``docs/notes/phantoms.md``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mmedrag.durability import write_durably
from mmedrag.errors import CorpusError
from mmedrag.phantoms.findings import (
    Finding,
    View,
    absent,
    progressed,
    sample_findings,
    sample_view,
)
from mmedrag.phantoms.images.bone import draw_bone
from mmedrag.phantoms.images.chest import draw_chest
from mmedrag.phantoms.images.fundus import draw_fundus
from mmedrag.phantoms.images.other import FAMILIES, OutOfDomain, out_of_domain
from mmedrag.phantoms.images.sensitivity import (
    Box,
    sensitivity_boxes,
    sensitivity_images,
)
from mmedrag.phantoms.images.smear import draw_smear
from mmedrag.phantoms.images.tissue import draw_tissue
from mmedrag.phantoms.reports import report
from mmedrag.threads import one_for_algebra
from mmedrag.types import Domain

__all__ = [
    "FAMILIES",
    "SOURCE",
    "Box",
    "Finding",
    "OutOfDomain",
    "View",
    "draw",
    "generate",
    "out_of_domain",
    "sensitivity_boxes",
    "sensitivity_images",
]

SOURCE = "MMedRAG phantoms (synthetic)"
LICENCE = "CC0-1.0"

Drawing = Callable[[View, int, Sequence[Finding], int], NDArray[np.uint8]]

_DRAWINGS: Mapping[str, Drawing] = {
    "chest": draw_chest,
    "bone": draw_bone,
    "tissue": draw_tissue,
    "smear": draw_smear,
    "fundus": draw_fundus,
}
_DOMAIN_AND_MODALITY: Mapping[str, tuple[Domain, str]] = {
    "chest": (Domain.RADIOLOGY, "xray"),
    "bone": (Domain.RADIOLOGY, "xray"),
    "tissue": (Domain.PATHOLOGY, "histology"),
    "smear": (Domain.PATHOLOGY, "blood smear"),
    "fundus": (Domain.OPHTHALMOLOGY, "fundus"),
}
_KINDS = ("chest", "fundus", "tissue", "bone", "chest",
          "fundus", "smear", "chest", "tissue", "fundus")  # fmt: skip
_README = f"""{SOURCE}

Every image here is drawn by a program and every report is written by one. They show no patient and
are no medical data; do not use them to judge how well a system works on real images. {LICENCE}.
"""


@dataclass(frozen=True, slots=True)
class _Plan:
    """One record before it is drawn."""

    id: str
    patient: str
    study: str
    split: str
    view: View
    findings: tuple[Finding, ...]
    anatomy: int
    film: int
    wording: int
    course: str = ""
    offset_days: int | None = None
    copy_of: str = ""
    altered: bool = False


def draw(
    view: View, anatomy: int, findings: Sequence[Finding] = (), film: int = 0
) -> NDArray[np.uint8]:
    """One phantom, shape (256, 256) for films and (256, 256, 3) for colour.

    ``anatomy`` is the patient (and the shape of each lesion), ``film`` the exposure. The same
    anatomy with other findings is the same patient on another day.
    """
    return _DRAWINGS[view.kind](view, anatomy, findings, film)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1 << 31))


def _fellow(rng: np.random.Generator, first: _Plan) -> _Plan:
    """The other eye, photographed in the same study."""
    view = replace(first.view, side="left" if first.view.side == "right" else "right")
    return replace(
        first, id=f"{first.id[:-1]}b", view=view, findings=sample_findings(rng, view),
        anatomy=_seed(rng), film=_seed(rng),
        wording=_seed(rng),
    )  # fmt: skip


def _later(rng: np.random.Generator, first: _Plan) -> _Plan:
    """The same patient some days later."""
    findings, course = progressed(rng, first.findings)
    return replace(
        first, id=f"{first.id[:-1]}b", study=f"{first.study[:-1]}2", findings=findings,
        film=_seed(rng), wording=_seed(rng), course=course,
        offset_days=int(rng.integers(2, 180)),
    )  # fmt: skip


def _patient(seed: int, number: int) -> list[_Plan]:
    """All records of one patient: one image, sometimes a second one, seldom a duplicate."""
    rng = np.random.default_rng([seed, number])
    kind = _KINDS[number % len(_KINDS)]
    view = sample_view(rng, kind)
    first = _Plan(
        id=f"phantom-{kind}-{number:05d}-a",
        patient=f"synthetic-patient-{number:05d}",
        study=f"synthetic-study-{number:05d}-1",
        split="val" if rng.random() < 0.2 else "train",
        view=view,
        findings=sample_findings(rng, view),
        anatomy=_seed(rng),
        film=_seed(rng),
        wording=_seed(rng),
    )
    plans = [first]
    chance = rng.random()
    if kind == "fundus" and chance < 0.25:
        plans.append(_fellow(rng, first))
    elif kind in ("chest", "bone", "fundus") and first.findings and chance < 0.55:
        plans[0] = replace(first, offset_days=0)
        plans.append(_later(rng, first))
    chance = rng.random()
    if chance < 0.06:
        altered = chance < 0.03
        plans.append(replace(plans[0], id=f"{first.id[:-1]}z", copy_of=first.id, altered=altered))
    return plans


def _plans(n: int, seed: int) -> Iterator[_Plan]:
    count = number = 0
    while count < n:
        for plan in _patient(seed, number)[: n - count]:
            yield plan
            count += 1
        number += 1


def _text(plan: _Plan) -> str:
    findings = (*plan.findings, *absent(plan.view, plan.findings))
    return report(np.random.default_rng(plan.wording), plan.view, findings, plan.course)


def _pixels(plan: _Plan) -> NDArray[np.uint8]:
    image = draw(plan.view, plan.anatomy, plan.findings, plan.film)
    if plan.altered:
        return np.asarray(np.clip(np.rint(image * 0.96 + 5.0), 0, 255), dtype=np.uint8)
    return image


def _record(plan: _Plan) -> dict[str, Any]:
    domain, modality = _DOMAIN_AND_MODALITY[plan.view.kind]
    findings = (*plan.findings, *absent(plan.view, plan.findings))
    record: dict[str, Any] = {
        "id": plan.id,
        "image": f"images/{plan.id}.png",
        "text": _text(plan),
        "text_kind": "synthetic report",
        "domain": str(domain),
        "modality": modality,
        "license": LICENCE,
        "patient_id": plan.patient,
        "study_id": plan.study,
        "labels": [f.name for f in plan.findings] or ["normal"],
        "split": plan.split,
        "source": SOURCE,
        "meta": {
            "synthetic": True,
            "body_part": plan.view.region,
            "side": plan.view.side,
            "findings": [f.as_record() for f in findings],
        },
    }
    if plan.course:
        record["meta"]["course"] = plan.course
    if plan.offset_days is not None:
        record["offset_days"] = plan.offset_days
    if plan.copy_of:
        record["near_duplicate_of"] = plan.copy_of
    return record


def _save(image: NDArray[np.uint8], file: Path) -> None:
    note = PngInfo()
    note.add_text("Source", SOURCE)
    note.add_text("Copyright", LICENCE)
    Image.fromarray(image).save(file, pnginfo=note, compress_level=1)


def generate(n: int = 360, seed: int = 7, *, into: str | Path) -> Path:
    """Write a corpus of ``n`` synthetic image-report pairs over the three domains.

    The same ``n`` and ``seed`` give the same bytes. The records are in the native format; splits
    are by patient; exact and near duplicates carry ``near_duplicate_of``. From then on numpy
    multiplies in one thread: see :func:`mmedrag.threads.one_for_algebra`.

    Args:
        n: number of records.
        seed: of everything drawn and written.
        into: a folder; made where it is absent. Files of the same name are replaced.

    Returns:
        The path of ``records.jsonl``; the images lie beside it in ``images``.

    Raises:
        CorpusError: ``n`` is below 1, or the folder cannot be written.
    """
    if n < 1:
        raise CorpusError(f"cannot generate {n} records", "Ask for at least 1.")
    one_for_algebra()
    into = Path(into)
    records = into / "records.jsonl"
    try:
        (into / "images").mkdir(parents=True, exist_ok=True)
        lines = []
        for plan in _plans(n, seed):
            record = _record(plan)
            _save(_pixels(plan), into / record["image"])
            lines.append(json.dumps(record, ensure_ascii=False))
        write_durably(into / "README.txt", _README)
        write_durably(records, "\n".join(lines) + "\n")
    except OSError as error:
        raise CorpusError(
            f"cannot write the corpus into {into} ({error.strerror})",
            "Choose a folder that can be written and has room.",
        ) from error
    return records
