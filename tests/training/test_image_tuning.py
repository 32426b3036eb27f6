"""The late blocks of Lite0 learn, the early ones stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
import torch

from mmedrag.datasets.records import read_records
from mmedrag.networks.lite0 import Lite0
from mmedrag.phantoms.corpus import generate
from mmedrag.training.image_tuning import CUT, averaged, folded, middle_maps, tune
from mmedrag.training.tasks import Task
from mmedrag.types import Case


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
    tune(backbone, [maps], [task], np.full(16, 1 / 16), epochs=3, images=128, log=told.append)
    losses = [float(line.split()[-1]) for line in told]
    assert losses[-1] < 0.9 * losses[0]
    for before, after in zip(early, backbone._blocks[:CUT].parameters(), strict=True):
        assert torch.equal(before, after)
