"""The format of learned parts: what is written is read, and damage is found every time."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mmedrag.checkpoint import (
    CONFIG,
    LARGEST,
    WEIGHTS,
    Checkpoint,
    random_tensors,
    read_checkpoint,
    write_checkpoint,
)
from mmedrag.encoders.projection import Projection, Reduction
from mmedrag.errors import CheckpointError, UntrainedError

LAYOUT = {"mean": (4,), "weight": (3, 4)}


def reduction(seed: int = 0, **changes: object) -> Checkpoint:
    values: dict = {
        "kind": "reduction",
        "tensors": random_tensors(LAYOUT, seed),
        "encoders": {"features": "lite0"},
        "training_data": ("phantoms",),
        "settings": {"method": "pca"},
    }
    return Checkpoint(**{**values, **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "part", reduction())
    return tmp_path / "part"


def test_what_is_written_is_read(folder: Path) -> None:
    found, written = read_checkpoint(folder, "reduction"), reduction()
    for name, tensor in written.tensors.items():
        np.testing.assert_array_equal(found.tensors[name], tensor)
    assert (found.encoders, found.training_data, found.settings, found.trained) == (
        written.encoders,
        written.training_data,
        written.settings,
        True,
    )
    assert found.fingerprint == written.fingerprint
    assert sorted(p.name for p in folder.parent.iterdir()) == ["part"]


def test_fingerprint_names_weights_and_settings() -> None:
    prints = {
        reduction().fingerprint,
        reduction(seed=1).fingerprint,
        reduction(settings={"method": "ica"}).fingerprint,
        reduction(trained=False).fingerprint,
    }
    assert len(prints) == 4
    assert "untrained" in reduction(trained=False).fingerprint


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "remove"])
def test_damage_is_found(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    contents = bytearray(path.read_bytes())
    if damage == "flip":
        contents[0] ^= 0x40
    path.write_bytes({"cut": contents[:-20], "empty": b""}.get(damage, contents))
    if damage == "remove":
        path.unlink()
    gone = UntrainedError if (damage, name) == ("remove", CONFIG) else CheckpointError
    with pytest.raises(gone):
        read_checkpoint(folder, "reduction")


def test_every_flipped_byte_of_the_weights_is_found(folder: Path) -> None:
    path = folder / WEIGHTS
    contents = path.read_bytes()
    for at in range(len(contents)):
        damaged = bytearray(contents)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="digest"):
            read_checkpoint(folder, "reduction")


def test_weights_that_are_not_finite(tmp_path: Path) -> None:
    tensors = {"mean": np.float32([1, np.nan])}
    write_checkpoint(tmp_path / "part", reduction(tensors=tensors))
    with pytest.raises(CheckpointError, match="not finite"):
        read_checkpoint(tmp_path / "part", "reduction")


def test_another_kind_or_format(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="holds a reduction, not a fusion"):
        read_checkpoint(folder, "fusion")
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**config, "format": 99}))
    with pytest.raises(CheckpointError, match="not a checkpoint of format 1"):
        read_checkpoint(folder, "reduction")


@pytest.mark.parametrize("text", ["", "[]", "{", "nul", "[" * 100_000, '{"format": 1}', "\ud800"])
def test_a_config_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / CONFIG).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(CheckpointError, match=CONFIG):
        read_checkpoint(folder, "reduction")


@pytest.mark.parametrize(
    "change",
    [
        {"kind": None},
        {"sha256": 0},
        {"encoders": ["lite0"]},
        {"encoders": {"features": None}},
        {"training_data": "phantoms"},
        {"training_data": [1]},
        {"settings": []},
    ],
    ids=repr,
)
def test_fields_of_another_type_are_refused(folder: Path, change: dict[str, object]) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | change))
    with pytest.raises(CheckpointError, match="no proper"):
        read_checkpoint(folder, "reduction")


@pytest.mark.parametrize("trained", [False, None, "yes", 1])
def test_only_true_is_trained(folder: Path, trained: object) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | {"trained": trained}))
    with pytest.raises(UntrainedError, match="marked as untrained"):
        read_checkpoint(folder, "reduction")


@pytest.mark.parametrize(
    ("value", "kind", "proper"),
    [(1, int, True), (True, int, False), (True, bool, True), (1, float, False), (None, str, False)],
)
def test_settings_are_checked_by_type(value: object, kind: type, proper: bool) -> None:
    checkpoint = reduction(settings={"it": value})
    if proper:
        checkpoint.require_settings({"it": kind})
    else:
        with pytest.raises(CheckpointError, match="reduction checkpoint has no proper 'it'"):
            checkpoint.require_settings({"it": kind})


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG])
def test_a_file_of_a_size_that_is_not_ours_is_not_read(folder: Path, name: str) -> None:
    os.truncate(folder / name, LARGEST[name] + 1)  # sparse: takes no room
    with pytest.raises(CheckpointError, match=f"{name} has .* bytes, more than"):
        read_checkpoint(folder, "reduction")


def test_nothing_is_written_that_could_not_be_read(tmp_path: Path) -> None:
    long = reduction(settings={"notes": "x" * LARGEST[CONFIG]})
    with pytest.raises(CheckpointError, match=f"{CONFIG} has .* bytes, more than"):
        write_checkpoint(tmp_path / "part", long)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32, np.complex64])
def test_weights_of_another_type(folder: Path, dtype: type) -> None:
    replace_weights(folder, save({"mean": np.ones(4, dtype)}))
    with pytest.raises(CheckpointError, match="not float32"):
        read_checkpoint(folder, "reduction")


def test_weights_in_another_format_though_their_digest_holds(folder: Path) -> None:
    replace_weights(folder, b"\x80\x04 no tensors at all")
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        read_checkpoint(folder, "reduction")


def replace_weights(folder: Path, contents: bytes) -> None:
    (folder / WEIGHTS).write_bytes(contents)
    config = json.loads((folder / CONFIG).read_text())
    config["sha256"] = hashlib.sha256(contents).hexdigest()
    (folder / CONFIG).write_text(json.dumps(config))


def test_a_path_through_a_file_holds_nothing_trained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UntrainedError, match="no trained reduction"):
        read_checkpoint(tmp_path / "file" / "part", "reduction")


def test_a_path_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_checkpoint(tmp_path / ("x" * 300), "reduction")


def test_nothing_is_overwritten(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="exists already"):
        write_checkpoint(folder, reduction(seed=5))
    assert read_checkpoint(folder, "reduction").fingerprint == reduction().fingerprint


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        write_checkpoint(tmp_path / "file" / "part", reduction())
    with pytest.raises(CheckpointError, match="cannot be written"):
        write_checkpoint(tmp_path / ("x" * 300), reduction())
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left"):
        write_checkpoint(tmp_path / "part", reduction())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "tensors",
    [
        {"weight": np.ones((3, 4), np.float32)},
        {"mean": np.ones((4, 1), np.float32)},
        {"mean": np.ones(4, np.float32), "weight": np.ones((3, 5), np.float32)},
        {"mean": np.ones(4, np.float32), "scale": np.ones(4, np.float32)},
    ],
)
def test_reductions_of_the_wrong_shape(tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    write_checkpoint(tmp_path / "part", reduction(tensors=tensors))
    with pytest.raises(CheckpointError):
        Reduction.load(tmp_path / "part")


def test_a_reduction_for_another_encoder(folder: Path) -> None:
    assert Reduction.load(folder, "lite0").dim == 3
    with pytest.raises(CheckpointError, match="features encoder lite0, not resnet"):
        Reduction.load(folder, "resnet")


def test_projection_by_hand() -> None:
    head = Projection(np.float32([[1, 0], [0, 2]]), np.float32([0, -1]))
    # [3, 2.5] -> [3, 5 - 1] -> [0.6, 0.8]
    np.testing.assert_allclose(head(np.float32([[3, 2.5]])), [[0.6, 0.8]], atol=1e-6)


def test_random_tensors_repeat_by_seed() -> None:
    layout = {"a.weight": (50, 50), "a.bias": (3,), "norm.gain": (2,), "token": (1000,)}
    one, same, other = (random_tensors(layout, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one["a.weight"], same["a.weight"])
    assert not np.array_equal(one["a.weight"], other["a.weight"])
    assert (one["a.bias"] == 0).all()
    assert (one["norm.gain"] == 1).all()
    assert 0.1 < one["a.weight"].std() < 0.2
    assert 0.015 < one["token"].std() < 0.025
