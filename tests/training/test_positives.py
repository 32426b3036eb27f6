"""Who is a positive of whom, and what a query may see."""

from __future__ import annotations

import numpy as np
import pytest

from mmedrag.encoders.fusion import (
    random_fusion,
)
from mmedrag.measures.cosines import unit_rows
from mmedrag.training.pairs import Pairs
from mmedrag.training.positives import WAYS, PositivePairs, seen
from mmedrag.types import Case

IMAGE_DIM, TEXT_DIM, DIM = 12, 7, 16


def made_pairs(seed: int, cases: int = 40, records: int = 3) -> Pairs:
    """Pairs whose image and text are noisy linear pictures of one hidden vector a case."""
    world, random = np.random.default_rng(99), np.random.default_rng(seed)
    to_image, to_text = world.normal(size=(4, IMAGE_DIM)), world.normal(size=(4, TEXT_DIM))
    hidden = np.repeat(random.normal(size=(cases, 4)), records, axis=0)
    hidden += 0.1 * random.normal(size=hidden.shape)
    names = [(f"s/{seed}-{c}", f"s/{seed}-{c}-{r}") for c in range(cases) for r in range(records)]
    return Pairs(
        tuple(Case(id=i, text=f"text {i}", patient_id=p, study_id=p) for p, i in names),
        (3 + hidden @ to_image).astype(np.float32),
        unit_rows(hidden @ to_text),
    )


@pytest.fixture(scope="module")
def parts() -> tuple[Pairs, Pairs, Pairs]:
    """To learn from, to choose by, to report on."""
    return made_pairs(1), made_pairs(2, 15), made_pairs(3, 15)


def test_what_a_query_may_see() -> None:
    kin = PositivePairs.of(np.array([0, 0, 1]), np.array([5, 6, 6]))
    np.testing.assert_array_equal(kin.positive, [[1, 1, 0], [1, 1, 1], [0, 1, 1]])
    assert kin.visible("image", "text").all()  # its own caption is what is looked for
    np.testing.assert_array_equal(kin.visible("image", "both"), ~np.eye(3, dtype=bool))
    same_text = np.array([[1, 0, 0], [0, 1, 1], [0, 1, 1]], dtype=bool)
    np.testing.assert_array_equal(kin.visible("text", "text"), ~same_text)
    np.testing.assert_array_equal(kin.visible("both", "both"), ~same_text)


def test_ways_of_seeing_are_units(parts: tuple[Pairs, Pairs, Pairs]) -> None:
    fusion = random_fusion("late", IMAGE_DIM, TEXT_DIM, 0, dim=DIM)
    for way in WAYS:
        norms = np.linalg.norm(seen(fusion, parts[1], way), axis=1)
        np.testing.assert_allclose(norms, 1, atol=1e-5)
