"""What the recipes of offline learn from, and how sets are described."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedrag.errors import CorpusError
from mmedrag.training.sets import (
    Recipe,
    TrainingSet,
    content,
    label_or_text,
    no_class,
    text_alone,
    training_sets,
)
from mmedrag.types import Case, Domain


def test_a_set_is_called_by_its_folder_and_teaches_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    files = [Path("records.jsonl"), tmp_path / "other.jsonl"]
    recipe = Recipe(training_sets(files), Path("cache"))
    assert [one.name for one in recipe.images()] == ["mine", "other"]
    assert recipe.images() == recipe.texts()


def test_two_sets_of_one_name_are_an_error() -> None:
    with pytest.raises(CorpusError, match="both called x"):
        training_sets([Path("a/x/records.jsonl"), Path("b/x/records.jsonl")])


def test_sets_are_taken_by_their_use_and_in_their_order() -> None:
    sets = (
        TrainingSet("a", Path("a"), texts="none"),
        TrainingSet("b", Path("b"), images="held out"),
        TrainingSet("c", Path("c"), images="none", texts="held out"),
        TrainingSet("d", Path("d")),
        TrainingSet("e", Path("e"), images="shared", texts="none"),
    )
    recipe = Recipe(sets, Path("cache"))
    assert recipe.images() == [sets[0], sets[3]]
    assert recipe.images("held out") == [sets[1]]
    assert recipe.images("shared") == [sets[4]]
    assert recipe.texts() == [sets[1], sets[3]]
    assert recipe.texts("held out") == [sets[2]]


def test_the_class_of_an_image_is_what_its_set_calls_so() -> None:
    labelled, bare = Case(id="1", text=" Drusen ", labels=("AMD",)), Case(id="2", text="Drusen")
    assert [label_or_text(case) for case in (labelled, bare)] == ["AMD", "drusen"]
    assert text_alone(labelled) == "drusen"
    assert no_class(labelled) is None
    assert label_or_text(Case(id="3")) is None


def test_content_goes_from_coarse_to_fine() -> None:
    case = Case(id="1", text="T", domain=Domain.RADIOLOGY, modality="CT", labels=("b", "a"))
    assert content(case) == ("radiology ct", "radiology ct", "a, b", "1")
