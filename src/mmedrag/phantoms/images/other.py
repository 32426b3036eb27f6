"""Images that are not medical, for the "not a medical image" class: drawn, in named families.

Whole families can be held out to test whether a gate has learned "medical" or only its training
pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmedrag.errors import QueryError
from mmedrag.phantoms.images.pages import PAGES
from mmedrag.phantoms.images.scenes import SCENES

FAMILIES: Mapping[str, Callable[[np.random.Generator], Image.Image]] = {**SCENES, **PAGES}
"""How each family is drawn: a generator in, an RGB image of 256 × 256 out."""

_GREY_SHARE = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class OutOfDomain:
    """A picture that is not medical: ``image`` of shape (256, 256, 3), and its family."""

    image: NDArray[np.uint8]
    family: str


def _exposed(rng: np.random.Generator, image: Image.Image) -> NDArray[np.uint8]:
    """Other light, sensor noise, and now and then no colour, so that grey alone tells nothing."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float64)
    pixels = 128 + (pixels - 128) * rng.uniform(0.75, 1.1) + rng.normal(0, 10)
    pixels = pixels + rng.normal(0, rng.choice([0.5, 2.0, 5.0]), pixels.shape)
    if rng.random() < _GREY_SHARE:
        pixels = np.repeat(pixels @ np.array([[0.299], [0.587], [0.114]]), 3, axis=2)
    return np.asarray(np.clip(np.rint(pixels), 0, 255), dtype=np.uint8)


def out_of_domain(
    n: int, seed: int = 0, families: tuple[str, ...] = tuple(FAMILIES)
) -> list[OutOfDomain]:
    """``n`` pictures that are not medical, the families in turn.

    About a quarter are grey, whatever the family.

    Args:
        n: how many.
        seed: equal seeds give equal pictures.
        families: which of ``FAMILIES`` to draw from; leave some out to hold them for a test.

    Raises:
        QueryError: a family that does not exist, or none.
    """
    unknown = sorted(set(families) - FAMILIES.keys())
    if unknown or not families:
        raise QueryError(
            f"no such family of pictures: {', '.join(unknown) or '(none given)'}",
            f"Choose from {', '.join(FAMILIES)}.",
        )
    order = list(FAMILIES)
    pictures = []
    for number in range(n):
        family = families[number % len(families)]
        rng = np.random.default_rng([seed, order.index(family), number])
        pictures.append(OutOfDomain(_exposed(rng, FAMILIES[family](rng)), family))
    return pictures
