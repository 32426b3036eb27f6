"""Near-duplicates, repeated captions, leaks between splits."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmedrag.datasets import read_corpus
from mmedrag.datasets.duplicates import find_duplicates
from mmedrag.types import Case


def scene(seed: int, size: int = 128) -> Image.Image:
    """A smooth random picture, different for each seed."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (24, 24), np.uint8))
    return coarse.resize((size, size), Image.Resampling.BICUBIC)


def case(folder: Path, name: str, image: Image.Image | None = None, **fields) -> Case:
    path = None
    if image is not None:
        path = folder / name
        image.save(path)
    return Case(id=name, image=path, **{"text": name, **fields})


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue()))


def test_copies_are_found_and_others_not(tmp_path):
    cases = [case(tmp_path, f"{seed}.png", scene(seed)) for seed in range(40)]
    cases += [
        case(tmp_path, "same.png", scene(1)),
        case(tmp_path, "smaller.png", scene(2).resize((90, 90), Image.Resampling.LANCZOS)),
        case(tmp_path, "jpeg.png", recompressed(scene(3), 40)),
        case(tmp_path, "brighter.png", scene(4).point(lambda value: min(255, value + 6))),
    ]
    assert find_duplicates(cases).images == (
        ("1.png", "same.png"),
        ("2.png", "smaller.png"),
        ("3.png", "jpeg.png"),
        ("4.png", "brighter.png"),
    )


def test_alike_outlines_are_no_duplicates(tmp_path):
    y, x = np.mgrid[:128, :128]
    disc = (x - 64) ** 2 + (y - 64) ** 2 < 55**2
    cases = []
    for seed in range(12):
        pixels = np.where(disc, 120 + np.asarray(scene(seed)) // 8, 0)
        cases.append(case(tmp_path, f"{seed}.png", Image.fromarray(pixels.astype(np.uint8))))
    assert find_duplicates(cases).images == ()


def test_flat_images(tmp_path):
    levels = (0, 255, 0, 128, 255)
    cases = [
        case(tmp_path, f"{number}.png", Image.new("L", (64, 64), level))
        for number, level in enumerate(levels)
    ]
    assert find_duplicates(cases).images == (("0.png", "2.png"), ("1.png", "4.png"))


def test_captions_splits_and_problems(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    cases = [
        case(tmp_path, "a.png", scene(1), text="A  nodule.", split="train", patient_id="1"),
        case(tmp_path, "b.png", scene(1), text="a nodule.", split="val", patient_id="1"),
        case(tmp_path, "c.png", scene(2), text="Other.", split="train", study_id="t"),
        case(tmp_path, "d.png", scene(3), text="Else.", split="val", study_id="t", source="x"),
        Case(id="bad", image=tmp_path / "bad.png"),
    ]
    report = find_duplicates(iter(cases))
    assert report.cases == 5
    assert report.captions == (("a.png", "b.png"),)
    assert report.images_across_splits == (("a.png", "b.png"),)
    assert report.patients_across_splits == ("1",)
    assert report.studies_across_splits == ()
    assert [problem.file.name for problem in report.problems] == ["bad.png"]
    assert "2 share an image with another, in 1 groups" in str(report)


def test_empty():
    report = find_duplicates([])
    assert (report.cases, report.images, report.captions) == (0, (), ())


def test_marked_duplicates_of_the_real_sets(shared_data):
    for name, least in (("codras_dr", 4), ("covid_cxr", 2), ("pocus_lung", 4)):
        cases = [item for item in read_corpus(shared_data / name) if isinstance(item, Case)]
        groups = find_duplicates(cases).images
        marked = [
            (item.id, item.meta["near_duplicate_of"])
            for item in cases
            if item.meta.get("near_duplicate_of")
        ]
        found = [pair for pair in marked if any(set(pair) <= set(group) for group in groups)]
        assert len(found) >= least
        assert sum(map(len, groups)) <= 12


@pytest.mark.long
def test_images_that_two_real_sets_share(shared_data):
    cases = [
        item
        for name in ("medpix2", "covid_ct")
        for item in read_corpus(shared_data / name)
        if isinstance(item, Case)
    ]
    sources = {item.id: item.source for item in cases}
    groups = find_duplicates(cases).images
    assert sum(len({sources[name] for name in group}) > 1 for group in groups) >= 7
