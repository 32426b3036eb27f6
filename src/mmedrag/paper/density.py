"""What a window on faint densities gives and costs: radiographs with findings, and retrieval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmedrag.encoders.image import ImageEncoder
from mmedrag.imaging.decoding import open_image
from mmedrag.measures.bootstrap import interval
from mmedrag.measures.cosines import unit_rows
from mmedrag.paper.shifts import Floats, Interval, shifts
from mmedrag.phantoms.insertions import inserted
from mmedrag.types import Case

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Shares of the window in a direct sum with the picture itself."""
NEAREST = 10

Retrieved = dict[str, Interval]


def inserted_shifts(
    encoders: Mapping[str, ImageEncoder], pictures: Sequence[Image.Image]
) -> dict[str, dict[str, Floats]]:
    """Shifts by findings put into pictures, and by their controls: encoder → change → ``(n,)``.

    Pictures differ in size, which encoders do not mind: each is one seed.
    """
    sets = [inserted(picture, seed) for seed, picture in enumerate(pictures)]
    return {name: shifts(encoder.encode, sets) for name, encoder in encoders.items()}


def summed(
    first: Mapping[str, Floats], second: Mapping[str, Floats], share: float
) -> dict[str, Floats]:
    """Shifts of :class:`~mmedrag.encoders.density.Beside`, from those of its two parts.

    Float64 ``(n,)`` by change.
    """
    return {name: (1 - share) * first[name] + share * second[name] for name in first}


def searched(encoder: ImageEncoder, cases: Sequence[Case]) -> Floats:
    """Cosines of all images of ``cases``, each of which has one, ``(n, n)``."""
    rows = []
    for case in cases:
        if case.image is not None:
            rows.append(encoder.encode([open_image(case.image, case.frame)]))
    unit = unit_rows(np.concatenate(rows)).astype(np.float64)
    return unit @ unit.T


def by_share(first: Floats, second: Floats, cases: Sequence[Case]) -> dict[float, Retrieved]:
    """Image to image by share of the second encoder, from the cosines of both.

    Cosines are float64 ``(n, n)``.
    """
    return {share: retrieved((1 - share) * first + share * second, cases) for share in SHARES}


def retrieved(similar: Floats, cases: Sequence[Case]) -> Retrieved:
    """Image to image by cosines ``(n, n)``: ``case`` and ``region``.

    ``case``: is another image of the same patient among the 10 nearest (of those who have one)?
    ``region``: share of the 10 nearest images of other patients that have the query's second label,
    which should be the part of the body. Intervals are by the bootstrap over patients.
    """
    patients = np.unique([c.patient_id or c.id for c in cases], return_inverse=True)[1]
    names = [c.labels[1] if len(c.labels) > 1 else "" for c in cases]
    regions = np.unique(names, return_inverse=True)[1]
    named = np.array([i for i, name in enumerate(names) if name], dtype=np.intp)
    same = patients[:, None] == patients
    itself = np.eye(len(cases), dtype=bool)
    near = np.argsort(-np.where(itself, -np.inf, similar), axis=1)[:, :NEAREST]
    others = np.argsort(-np.where(same, -np.inf, similar), axis=1)[:, :NEAREST]
    siblings = np.flatnonzero((same & ~itself).sum(axis=1))
    hit = np.take_along_axis(same & ~itself, near, axis=1).max(axis=1)
    alike = (regions[others] == regions[:, None]).mean(axis=1)
    return {
        "case": _by_patient(hit[siblings].astype(np.float64), patients[siblings]),
        "region": _by_patient(alike[named], patients[named]),
    }


def _by_patient(values: Floats, patients: NDArray[np.integer]) -> Interval:
    if not len(values):
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    low, high = interval(values[:, None], patients)[0]
    return Interval(float(values.mean()), float(low), float(high), len(values))
