"""The recipe of the offline preset, part by part, on what the project draws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmedrag.datasets.records import read_records
from mmedrag.measures.cosines import unit_rows
from mmedrag.networks.lite0 import Lite0
from mmedrag.phantoms.corpus import generate
from mmedrag.training.correlation import canonical_heads
from mmedrag.training.offline import drawing_shares, learnable
from mmedrag.training.sets import TrainingSet, no_class
from mmedrag.training.tasks import Task, tasks
from mmedrag.training.tuning import CUT, averaged, folded, middle_maps, tune
from mmedrag.training.wordings import wordings
from mmedrag.types import Case, Domain


def test_canonical_heads_find_what_both_sides_share() -> None:
    random = np.random.default_rng(0)
    shared = random.normal(size=(400, 3))
    images = np.hstack([shared, random.normal(size=(400, 9))]) @ random.normal(size=(12, 12))
    texts = np.hstack([shared, random.normal(size=(400, 5))]) @ random.normal(size=(8, 8))
    train, held_out = slice(0, 300), slice(300, 400)
    heads = canonical_heads(images[train], texts[train], np.ones(300), dim=3, ridge=1e-6)
    left = unit_rows(images[held_out] @ heads["image.weight"].T + heads["image.bias"])
    right = unit_rows(texts[held_out] @ heads["text.weight"].T + heads["text.bias"])
    ranks = (left @ right.T > np.sum(left * right, axis=1)[:, None]).sum(axis=1)
    assert np.mean(ranks == 0) > 0.8


def test_weights_of_pairs_count_like_repetition() -> None:
    random = np.random.default_rng(1)
    images, texts = random.normal(size=(60, 6)), random.normal(size=(60, 5))
    weights = random.integers(1, 4, 60)
    weighted = canonical_heads(images, texts, weights.astype(float), dim=4)
    rows = np.repeat(np.arange(60), weights)
    repeated = canonical_heads(images[rows], texts[rows], np.ones(len(rows)), dim=4)
    probe, told = random.normal(size=(5, 6)), random.normal(size=(5, 5))
    for x, name in ((probe, "image"), (told, "text")):
        a, b = (x @ h[f"{name}.weight"].T + h[f"{name}.bias"] for h in (weighted, repeated))
        np.testing.assert_allclose(np.abs(a), np.abs(b), atol=1e-3)


def medpix(number: int, plane: str) -> Case:
    return Case(
        id=str(number),
        text="A lesion.",
        domain=Domain.RADIOLOGY,
        modality="mri",
        labels=("Brain and Neuro", "Head"),
        meta={"plane": plane, "modality_text": "MR - FLAIR", "case_diagnosis": "Glioma"},
    )


def test_tasks_know_training_classes_only() -> None:
    planes = {"plane": lambda case: case.meta.get("plane")}
    teaching = TrainingSet("teaching", Path("a"), attributes=planes, label=no_class)
    cases = [(teaching, medpix(i, "Axial" if i < 6 else "Coronal")) for i in range(9)]
    cases.append((TrainingSet("x", Path("b")), Case(id="9", text="a sentence", labels=("cyst",))))
    train = np.array([True] * 8 + [False, True])
    found = {task.name: task for task in tasks(cases, train)}
    assert found["plane"].classes.tolist() == [0] * 6 + [-1] * 4  # two coronal ones are too few
    assert found["plane"].count == 1
    assert found["label"].classes[9] == -1
    assert found["kind"].classes.tolist() == [0] * 9 + [-1]


def test_wordings_say_what_a_caption_leaves_out() -> None:
    told = wordings(medpix(1, "Axial"))
    assert told[0] == "A lesion."
    assert "Axial MR - FLAIR, Head. Glioma" in told
    assert wordings(Case(id="1", text="drusen", labels=("dry", "AMD"))) == ["drusen"]


def test_a_set_is_drawn_from_as_often_as_its_description_says() -> None:
    first = TrainingSet("first", Path("f"), draws=0.5)
    a, b = (TrainingSet(name, Path(name)) for name in "ab")
    cases = [(of, Case(id=str(i))) for i, of in enumerate([first] * 3 + [a] * 4 + [b])]
    shares = drawing_shares(cases)
    assert shares.sum() == pytest.approx(1)
    assert shares[:3].sum() == pytest.approx(0.5)
    assert shares[3:7].sum() == pytest.approx(2 * shares[7])
    assert drawing_shares(cases[:3]).sum() == pytest.approx(1)  # nothing else to draw from


def test_nothing_tied_to_a_held_out_case_is_learned_from() -> None:
    told = "A thick walled cyst in the left lobe of the liver with a calcified rim."
    cases = [
        Case(id="1", text="Free air.", domain=Domain.RADIOLOGY, patient_id="a"),
        Case(id="2", text=told, domain=Domain.RADIOLOGY, patient_id="b"),
        Case(id="3", text="Free air.", domain=Domain.RADIOLOGY, patient_id="b"),
        Case(id="4", text=told, domain=Domain.RADIOLOGY, patient_id="c", split="val"),
        Case(id="5", text="Free air.", patient_id="d"),
    ]
    assert [case.id for case in learnable(cases)] == ["1"]


def random_lite0() -> Lite0:
    torch.manual_seed(0)
    return Lite0().eval()


def test_folding_changes_nothing() -> None:
    plain, image = random_lite0(), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = plain(image)
        after = folded(plain)(image)
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)


def test_middle_maps_are_kept_and_views_differ(tmp_path: Path) -> None:
    records = read_records(generate(24, seed=3, into=tmp_path / "p"))
    cases = [c for c in records if isinstance(c, Case) and c.image is not None][:6]
    backbone = folded(random_lite0())
    views = [middle_maps(backbone, cases, v, tmp_path / "cache") for v in (0, 1)]
    assert views[0].shape == (6, 192, 9, 9)
    assert not np.array_equal(views[0], views[1])
    again = middle_maps(folded(Lite0()), cases, 0, tmp_path / "cache")
    np.testing.assert_array_equal(again, views[0])  # read, not computed
    swapped = [replace(cases[0], image=cases[1].image), *cases[1:]]
    other = middle_maps(backbone, swapped, 0, tmp_path / "cache")
    np.testing.assert_array_equal(other[0], views[0][1])  # another picture of the same id is seen


def test_averaged_weights_are_their_mean() -> None:
    states = [{"w": torch.full((2, 2), value)} for value in (1.0, 2.0, 6.0)]
    torch.testing.assert_close(averaged(states)["w"], torch.full((2, 2), 3.0))


def test_tuning_learns_and_leaves_the_early_blocks_alone() -> None:
    backbone = folded(random_lite0())
    early = [p.clone() for p in backbone._blocks[:CUT].parameters()]
    patterns = 100 * np.random.default_rng(0).normal(size=(2, 192, 9, 9))
    maps = np.repeat(patterns, 8, axis=0).astype(np.float16)
    task = Task("which", np.repeat([0, 1], 8), 2)
    told: list[str] = []
    tune(backbone, [maps], [task], np.full(16, 1 / 16), epochs=4, images=256, say=told.append)
    losses = [float(line.split()[-1]) for line in told]
    assert losses[-1] < 0.9 * losses[0]
    for before, after in zip(early, backbone._blocks[:CUT].parameters(), strict=True):
        assert torch.equal(before, after)
