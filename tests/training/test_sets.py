"""Which record files the recipes of offline learn from, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedrag.errors import CorpusError
from mmedrag.training.sets import IMAGE_SETS, KNOWN, Recipe, named_sets, recipe_name


def test_a_set_is_called_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "labelled" / "wbc").mkdir(parents=True)
    assert recipe_name(tmp_path / "mine" / "records.jsonl") == "mine"
    assert recipe_name(tmp_path / "mine" / "other.jsonl") == "other"
    assert recipe_name(tmp_path / "labelled" / "wbc" / "records.jsonl") == "labelled/wbc"
    assert recipe_name(tmp_path / "labelled" / "wbc") == "labelled/wbc"


def test_a_file_in_the_working_directory_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    assert recipe_name(Path("records.jsonl")) == "mine"


def test_two_sets_of_one_name_are_an_error() -> None:
    with pytest.raises(CorpusError, match="both called x"):
        named_sets([Path("a/x/records.jsonl"), Path("b/x/records.jsonl")])


def test_known_sets_come_first_and_in_their_own_order() -> None:
    names = ["mine", "labelled/wbc", "odir5k", "medpix2", "roco_text"]
    recipe = Recipe(named_sets([Path(f"d/{n}/records.jsonl") for n in names]), Path("cache"))
    assert [*recipe.with_others(IMAGE_SETS)] == ["medpix2", "odir5k", "mine"]
    assert [*recipe.known(IMAGE_SETS)] == ["medpix2", "odir5k"]
    assert set(recipe.missing()) == {*KNOWN} - {*names}


def test_the_order_of_the_files_changes_nothing_for_known_sets() -> None:
    files = [Path(f"d/{name}/records.jsonl") for name in KNOWN]
    one, other = (Recipe(named_sets(f), Path("cache")) for f in (files, files[::-1]))
    assert [*one.with_others(IMAGE_SETS)] == [*other.with_others(IMAGE_SETS)] == [*IMAGE_SETS]
    assert one.missing() == []
