"""What the image encoder is tuned to tell: the attributes that the training records state.

Each task is a classification that some of the images have a label for; all are learned together
(multi-task learning, Caruana 1997). Captions of teaching files speak of region, plane, sequence and
contrast, and an encoder that sees these matches captions it was never trained on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedrag.types import Case

RAREST = 4
"""A class with fewer training images is not learned."""

UNLABELLED = ("medpix2", "atlas_radiologia_es", "openstax_figures")
"""Sets whose texts are sentences, not labels."""

NAMED_BY_TEXT = ("odir5k", "covid_cxr")
"""Sets whose text, a few words, tells more than their labels."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One classification: the class of every image, -1 where it has none, ``(n,)``."""

    name: str
    classes: NDArray[np.int64]
    count: int


def tasks(cases: Sequence[tuple[str, Case]], train: NDArray[np.bool_]) -> list[Task]:
    """The tasks of images, given as set and case; classes are those of the rows in ``train``."""
    return [
        _task(name, [told(set_name, case) for set_name, case in cases], train)
        for name, told in _TOLD.items()
    ]


def _task(name: str, told: Sequence[str | None], train: NDArray[np.bool_]) -> Task:
    counts = Counter(t for t, kept in zip(told, train, strict=True) if kept and t is not None)
    known = sorted(t for t, count in counts.items() if count >= RAREST)
    place = {t: i for i, t in enumerate(known)}
    return Task(name, np.array([-1 if t is None else place.get(t, -1) for t in told]), len(known))


def _medpix(told: Callable[[Case], object]) -> Callable[[str, Case], str | None]:
    """A task that only MedPix states."""
    return lambda set_name, case: str(told(case)) if set_name == "medpix2" else None


def _kind(set_name: str, case: Case) -> str:
    return f"{case.domain} {case.modality.lower()}"


def _label(set_name: str, case: Case) -> str | None:
    if set_name in UNLABELLED:
        return None
    if case.labels and set_name not in NAMED_BY_TEXT:
        return case.labels[0]
    return case.text.casefold().strip() or None


_TOLD: dict[str, Callable[[str, Case], str | None]] = {
    "region": _medpix(lambda case: case.labels[1]),
    "speciality": _medpix(lambda case: case.labels[0]),
    "plane": _medpix(lambda case: case.meta.get("plane")),
    "sequence": _medpix(lambda case: case.meta.get("modality_text")),
    "anatomy": _medpix(lambda case: str(case.meta.get("acr"))[:2]),
    "kind": _kind,
    "label": _label,
}
