"""Training on phantoms: what is learned, written, resumed, refused and served."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')

from mmedrag.datasets.records import write_records
from mmedrag.datasets.splits import read_split
from mmedrag.datasets.ties import read_sets
from mmedrag.errors import CheckpointError, CorpusError, LeakError, QueryError
from mmedrag.presets import build
from mmedrag.training.contrastive import train_contrastive
from mmedrag.training.journal import Epoch, read_log
from mmedrag.training.recalls import measure_recalls
from mmedrag.training.splits import positive_groups, read_split_pairs
from mmedrag.types import Query
from tiny_models import write_model


@pytest.fixture(scope="module")
def records(phantoms) -> Path:
    """Sixty phantoms of all domains, with parts of their own."""
    folder = phantoms[0].image.parents[1]
    write_records(phantoms[:60], folder / "sixty.jsonl")
    return folder / "sixty.jsonl"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> dict[str, str]:
    """A ResNet, a BERT and a CLIP with random weights."""
    folder = tmp_path_factory.mktemp("tiny")
    kinds = {"image": "resnet", "text": "bert", "clip": "clip"}
    return {role: str(write_model(kind, folder / kind)) for role, kind in kinds.items()}


@pytest.fixture(scope="module")
def trained(phantoms, tmp_path_factory):
    """Heads on the frozen encoders of the offline preset, from ninety phantoms."""
    folder = phantoms[0].image.parents[1]
    return train_contrastive([folder], tmp_path_factory.mktemp("runs") / "heads", batch=32)


def test_the_loss_falls_and_held_out_phantoms_are_found(trained):
    losses = [epoch.loss for epoch in trained.epochs]
    assert losses[-1] < 0.7 * losses[0]
    groups = positive_groups(trained.split.held_out)
    random = np.random.default_rng(0)
    chance = [measure_recalls(*random.normal(size=(2, len(groups), 8)), groups) for _ in range(50)]
    for direction, ranks in trained.figures["val"].items():
        for place, (rank, value) in enumerate(ranks.items()):
            low, high = trained.figures["ci95"][direction][rank]
            assert low <= value <= high
            by_chance = np.mean([c.by_direction[direction][:, place].mean() for c in chance])
            assert value > min(0.999, 1.5 * by_chance)


def test_what_a_run_leaves(trained):
    into = trained.into
    assert read_log(into) == list(trained.epochs)
    assert json.loads((into / "report.json").read_text()) == trained.figures
    assert (into / "curves.svg").read_text().startswith("<svg")
    folder = trained.split.held_out[0].image.parents[1]
    parts = read_split(into / "splits.json", read_sets([folder])[0])
    assert {name: len(part) for name, part in parts.items()} == trained.figures["cases"]
    assert trained.serve == {"heads": str(into / "heads")}


def test_the_heads_are_served_by_the_offline_preset(trained):
    embedder = build("offline", trained.serve).embedder
    cases = trained.split.held_out
    asked = embedder.embed([Query(image=case.image) for case in cases])
    shown = embedder.embed([Query(text=case.text) for case in cases])
    again = measure_recalls(asked, shown, positive_groups(cases))
    assert again.figures() == trained.figures["val"]


def test_fine_tuned_encoders_are_served_by_the_paper_preset(records, tiny, tmp_path):
    models = {"image": tiny["image"], "text": tiny["text"]}
    options = {"preset": "paper", "models": models, "epochs": 2, "batch": 24, "micro": 10}
    made = train_contrastive([records], tmp_path / "run", freeze="none", **options)
    assert set(made.serve) == {"image", "text", "heads"}
    stages = build("paper", {**made.serve, "clip": tiny["clip"]})
    assert stages.embedder.dim == 256
    vectors = stages.embedder.embed(made.split.held_out[:3])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    with pytest.raises(CheckpointError, match="was trained on the image encoder"):
        build("paper", {**made.serve, "clip": tiny["clip"], "image": tiny["image"]})


class Stopped(Exception):
    pass


@pytest.mark.parametrize("freeze", ["text", "both"])
def test_a_resumed_run_ends_with_the_same_weights(records, tiny, tmp_path, freeze):
    options = {
        "preset": "paper",
        "models": {"image": tiny["image"], "text": tiny["text"]},
        "epochs": 2,
        "batch": 24,
        "micro": 10,
        "freeze": freeze,
        "seed": 5,
    }

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 0:
            raise Stopped

    whole = train_contrastive([records], tmp_path / "whole", **options)
    with pytest.raises(Stopped):
        train_contrastive([records], tmp_path / "parted", **options, on_epoch=stop)
    with pytest.raises(CheckpointError, match="--resume"):
        train_contrastive([records], tmp_path / "parted", **options)
    with pytest.raises(CheckpointError, match="had seed 5, not 6"):
        train_contrastive([records], tmp_path / "parted", **(options | {"seed": 6}), resume=True)
    parted = train_contrastive([records], tmp_path / "parted", **options, resume=True)
    assert [e.loss for e in parted.epochs] == [e.loss for e in whole.epochs]
    assert parted.figures["val"] == whole.figures["val"]
    for role in whole.serve:
        name = "weights.safetensors" if role == "heads" else "model.safetensors"
        both = [(run.into / role / name).read_bytes() for run in (whole, parted)]
        assert both[0] == both[1]


def test_a_run_that_was_ended_at_any_moment_can_go_on(records, tmp_path, monkeypatch):
    options = {"epochs": 1, "batch": 24}
    into = tmp_path / "run"

    def end(*_: object) -> None:
        raise Stopped

    for ended in ("write_state", "draw_curves"):  # nothing to go on with; heads and no report
        with monkeypatch.context() as patched:
            patched.setattr(f"mmedrag.training.contrastive.{ended}", end)
            with pytest.raises(Stopped):
                train_contrastive([records], into, **options)
        (into / "state").mkdir(exist_ok=True)
    with pytest.raises(CheckpointError, match="--resume"):
        train_contrastive([records], into, **options)
    made = train_contrastive([records], into, **options, resume=True)
    assert made.figures["cases"]
    for resume in (False, True):
        with pytest.raises(CheckpointError, match="finished run"):
            train_contrastive([records], into, **options, resume=resume)


def test_a_leak_stops_the_run_and_a_clean_split_is_proposed(phantoms, records, tmp_path):
    held_out = next(case for case in phantoms[:60] if case.split == "val")
    shutil.copy(held_out.image, tmp_path / "again.png")
    copied = replace(
        held_out, id="copied", image=tmp_path / "again.png", split="train", patient_id="9",
        study_id="9", text="A short caption.", meta={},
    )  # fmt: skip
    write_records([copied], tmp_path / "more.jsonl")
    paths, into = [records, tmp_path / "more.jsonl"], tmp_path / "run"
    with pytest.raises(LeakError) as told:
        train_contrastive(paths, into, epochs=1)
    assert f"more/copied and sixty/{held_out.id} (same image file)" in str(told.value)
    assert f"--splits {into / 'splits.json'}" in told.value.remedy
    parts = read_split_pairs(paths, into, splits=into / "splits.json")
    assert "more/copied" not in {c.id for part in (parts.train, parts.tune) for c in part}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"preset": "plip"}, QueryError),
        ({"freeze": "none"}, QueryError),
        ({"models": {"image": "x"}}, QueryError),
        ({"batch": 1}, QueryError),
        ({"epochs": 0}, QueryError),
    ],
)
def test_impossible_settings(records, tmp_path, options, error):
    with pytest.raises(error):
        train_contrastive([records], tmp_path / "run", **options)


def test_too_few_pairs(phantoms, tmp_path):
    write_records(phantoms[:2], tmp_path / "two.jsonl")
    with pytest.raises(CorpusError):
        train_contrastive([tmp_path / "two.jsonl"], tmp_path / "run")
