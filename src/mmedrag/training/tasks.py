"""What the image encoder is tuned to tell: the attributes that the training records state.

Each task is a classification that some of the images have a label for; all are learned together
(multi-task learning, Caruana 1997). Captions of teaching files speak of region, plane, sequence and
contrast, and an encoder that sees these matches captions it was never trained on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmedrag.training.sets import TrainingSet, kind
from mmedrag.types import Case

RAREST = 4
"""A class with fewer training images is not learned."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One classification: the class of every image, -1 where it has none, int64 ``(n,)``."""

    name: str
    classes: NDArray[np.int64]
    count: int


def tasks(cases: Sequence[tuple[TrainingSet, Case]], train: NDArray[np.bool_]) -> list[Task]:
    """The attributes of the sets, the kind of each image and its label.

    Args:
        cases: every image's set and record, ``n`` of them.
        train: which of them classes are taken from, ``(n,)``.
    """
    attributes = dict.fromkeys(name for of, _ in cases for name in of.attributes)
    stated: dict[str, list[str | None]] = {
        name: [of.attributes[name](case) if name in of.attributes else None for of, case in cases]
        for name in attributes
    }
    stated["kind"] = [kind(case) for _, case in cases]
    stated["label"] = [of.label(case) for of, case in cases]
    return [_task(name, values, train) for name, values in stated.items()]


def _task(name: str, values: Sequence[str | None], train: NDArray[np.bool_]) -> Task:
    counts = Counter(v for v, kept in zip(values, train, strict=True) if kept and v is not None)
    names = sorted(value for value, count in counts.items() if count >= RAREST)
    number = {value: i for i, value in enumerate(names)}
    classes = [-1 if value is None else number.get(value, -1) for value in values]
    return Task(name, np.array(classes, np.int64), len(names))
