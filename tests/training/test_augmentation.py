"""What may be done to a training image, and what not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmedrag.training import augmentation
from mmedrag.training.augmentation import augmented, is_ultrasound, may_mirror, may_turn, part
from mmedrag.types import Case, Domain
from proofs import examples

RADIOLOGY, PATHOLOGY, FUNDUS = Domain.RADIOLOGY, Domain.PATHOLOGY, Domain.OPHTHALMOLOGY


def case(text: str, domain: Domain | None, modality: str) -> Case:
    return Case(id="c", text=text, domain=domain, modality=modality)


def marked(size: tuple[int, int] = (90, 60)) -> Image.Image:
    """Bright at the left, with a brighter spot at its top: every symmetry looks different."""
    pixels = np.zeros((size[1], size[0]), np.uint8)
    pixels[:, : size[0] // 3] = 120
    pixels[: size[1] // 3, : size[0] // 4] = 220
    return Image.fromarray(pixels)


def corner(image: Image.Image) -> tuple[bool, bool]:
    """Whether the bright spot is at the left, and whether it is at the top."""
    pixels = np.asarray(image.convert("L"), np.float64)
    pixels = np.clip(pixels - np.quantile(pixels, 0.9), 0, None)
    y, x = (
        np.average(np.arange(n), weights=pixels.sum(axis)) / n
        for n, axis in zip(pixels.shape, (1, 0), strict=True)
    )
    return bool(x < 0.5), bool(y < 0.5)


def corners(item: Case, n: int = 60) -> set[tuple[bool, bool]]:
    return {corner(augmented(marked(), item, np.random.default_rng(seed))) for seed in range(n)}


SIDED = [
    case("Clear lungs.", RADIOLOGY, "xray"),
    case("Clear lungs.", RADIOLOGY, "X-ray"),
    case("Normal liver.", RADIOLOGY, "ct"),
    case("A glioma.", RADIOLOGY, "MRI"),
    case("Clear lungs.", None, "ultrasound"),
    case("Macular drusen.", FUNDUS, "fundus"),
    case("Macular drusen.", FUNDUS, ""),
    case("B lines at the left base.", RADIOLOGY, "ultrasound"),
    case("Lesion in the RIGHT breast.", RADIOLOGY, "ultrasound"),
    case("Effusion, lt. side", RADIOLOGY, "ultrasound"),
    case("Derrame pleural izquierdo.", RADIOLOGY, "ultrasound"),
]


@pytest.mark.parametrize("item", SIDED, ids=lambda item: f"{item.modality} {item.text}")
def test_what_has_sides_keeps_them(item):
    assert not may_mirror(item)
    assert not may_turn(item)
    assert corners(item) == {(True, True)}


def test_laterality_among_the_labels_counts():
    item = Case(id="c", domain=RADIOLOGY, modality="ultrasound", labels=("left pleura",))
    assert not may_mirror(item)


def test_an_ultrasound_without_sides_is_mirrored_but_stays_upright():
    item = case("Confluent B lines.", RADIOLOGY, "ultrasound")
    assert corners(item) == {(True, True), (False, True)}


def test_tissue_shows_all_symmetries():
    item = case("Tubular adenoma.", PATHOLOGY, "histology")
    assert len(corners(item)) == 4
    turned = [augmented(marked(), item, np.random.default_rng(seed)).size for seed in range(30)]
    assert set(turned) == {(90, 60), (60, 90)}


def test_tissue_whose_text_speaks_of_places_is_left_upright():
    assert corners(case("Tumour at the upper edge.", PATHOLOGY, "histology")) == {
        (True, True),
        (False, True),
    }
    assert corners(case("Gland on the left.", PATHOLOGY, "histology")) == {(True, True)}


@given(st.integers(0, 10**6), st.sampled_from(["L", "RGB"]), st.integers(1, 80), st.integers(1, 80))
@settings(max_examples=examples(60))
def test_changes_are_small_and_repeatable(seed, mode, width, height):
    image = Image.effect_noise((width, height), 50).convert(mode)
    item = case("Clear lungs.", RADIOLOGY, "xray")
    first, second = (augmented(image, item, np.random.default_rng(seed)) for _ in range(2))
    assert (first.size, first.mode) == (image.size, mode)
    assert first.tobytes() == second.tobytes()


def test_the_middle_stays_near_the_middle():
    pixels = np.zeros((100, 100), np.uint8)
    pixels[48:53, 48:53] = 255
    item = case("Clear lungs.", RADIOLOGY, "xray")
    for seed in range(20):
        seen = np.asarray(augmented(Image.fromarray(pixels), item, np.random.default_rng(seed)))
        y, x = np.unravel_index(seen.argmax(), seen.shape)
        bound = 100 * augmentation.SHIFT + 4
        assert abs(x - 50) <= bound
        assert abs(y - 50) <= bound


def test_what_comes_into_view_has_the_colour_of_the_border():
    item = case("Tubular adenoma.", PATHOLOGY, "histology")
    image = Image.new("RGB", (64, 64), (240, 230, 235))
    for seed in range(10):
        seen = np.asarray(augmented(image, item, np.random.default_rng(seed)), np.int16)
        assert np.ptp(seen, axis=(0, 1)).max() <= 1


@given(st.integers(1, 90), st.integers(1, 60), st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_a_part_shows_a_third_to_four_fifths_of_each_side(width: int, height: int, seed: int):
    item = case("B lines.", RADIOLOGY, "ultrasound")
    cut = part(marked().resize((width, height)), item, np.random.default_rng(seed))
    for kept, side in zip(cut.size, (width, height), strict=True):
        assert max(1, side / 3 - 1) <= kept <= max(1, 0.8 * side + 1)


def test_a_part_is_mirrored_where_the_image_may_be():
    either = [case("B lines.", RADIOLOGY, "ultrasound"), case("B lines, left", RADIOLOGY, "US")]
    left_bright = np.repeat(np.linspace(200, 20, 90, dtype=np.uint8)[None], 60, axis=0)
    for item, sides in zip(either, (2, 1), strict=True):
        cuts = [
            np.asarray(part(Image.fromarray(left_bright), item, np.random.default_rng(i)), float)
            for i in range(20)
        ]
        assert len({bool(c[:, 0].mean() > c[:, -1].mean()) for c in cuts}) == sides
    assert [is_ultrasound(item) for item in either] == [True, False]
