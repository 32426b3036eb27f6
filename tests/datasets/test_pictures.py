"""Pictures that are not medical, read from folders and from installed packages."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmedrag.datasets.pictures import PACKAGED, packaged_pictures, picture_files, views


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    (tmp_path / "below").mkdir()
    noise = random.integers(0, 256, (600, 900, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.jpg")
    cut_out = Image.new("RGBA", (80, 60), (0, 0, 0, 0))
    cut_out.paste((200, 10, 10, 255), (20, 20, 60, 40))
    cut_out.save(tmp_path / "below" / "stamp.png")
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_files_are_found_below_and_in_order(folder: Path) -> None:
    assert [p.name for p in picture_files([folder])] == ["stamp.png", "photo.jpg"]
    assert picture_files([]) == []


def test_views_are_the_whole_and_parts_and_always_the_same(folder: Path) -> None:
    first, again = (views(folder / "photo.jpg", 4, 7) for _ in range(2))
    assert len(first) == 4
    assert first[0].size == (320, 213)
    assert all(v.mode == "RGB" and max(v.size) <= 320 for v in first)
    assert [v.tobytes() for v in first] == [v.tobytes() for v in again]
    assert len({v.tobytes() for v in first}) == 4


def test_cut_outs_are_laid_on_a_plain_ground(folder: Path) -> None:
    pixels = np.asarray(views(folder / "below" / "stamp.png", 1, 0)[0])
    assert len(np.unique(pixels[:15].reshape(-1, 3), axis=0)) == 1
    assert pixels.shape == (60, 80, 3)


def test_packages_that_are_not_installed_are_passed_over() -> None:
    names = [name for name, _ in packaged_pictures()]
    assert all(name.split("/")[0] in PACKAGED for name in names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("package", "least"), [("matplotlib", 1), ("mahotas", 2), ("pygame", 15)])
def test_pictures_of_installed_packages_are_found(package: str, least: int) -> None:
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed (pip install 'mmedrag[pictures,report]')")
    found = [picture for name, picture in packaged_pictures() if name.startswith(f"{package}/")]
    assert len(found) >= least
    assert all(picture.mode == "RGB" for picture in found)


def test_no_package_is_both_learned_from_and_measured_on() -> None:
    script = Path(__file__).parents[2] / "scripts" / "pictures.sh"
    told = script.read_text("utf-8").replace("\\\n", " ")
    sides = dict(re.findall(r"^fetch (train|held-out) (.+)$", told, re.MULTILINE))
    train, held_out = (set(sides[side].split()) for side in ("train", "held-out"))
    assert len(train) >= 6
    assert len(held_out) >= 4
    assert not train & held_out
    assert not (train | held_out) & PACKAGED.keys()
