"""Fusions as retrievers, and the geometry of their vectors."""

from __future__ import annotations

import numpy as np
import pytest

from mmedrag.encoders.fusion import Concat, Early, SharedSpace
from mmedrag.paper.fusion import DIRECTIONS, Bench, averaged, run
from mmedrag.paper.strategies import (
    CentredEarly,
    Noise,
)
from mmedrag.training.pairs import Pairs


def test_a_shared_space_finds_every_case(pairs: tuple[Pairs, Pairs, Pairs]) -> None:
    held_out = pairs[2]
    centred = Pairs(held_out.cases, held_out.images - 2 / 8, held_out.texts - 2 / 8)
    done = run(SharedSpace(16), Bench.of(centred, "patient_id"))
    assert set(done.directions) == set(DIRECTIONS)
    assert done.figures["image_to_text R@1"] > 0.9
    assert done.figures["both_to_case MRR"] > 0.9
    assert done.figures["auroc"] > 0.95
    assert done.figures["intra_pair"] > done.figures["cross_pair"] + 0.3
    assert done.figures["mean R@10"] == pytest.approx(
        np.mean([done.figures[f"{name} R@10"] for name in DIRECTIONS])
    )


def test_a_direct_sum_is_at_chance_across_modalities(pairs: tuple[Pairs, Pairs, Pairs]) -> None:
    figures = run(Concat(16, 16), Bench.of(pairs[2], "patient_id")).figures
    assert figures["auroc"] == 0.5
    assert figures["image_to_text R@1"] == pytest.approx(3 / 48)
    assert figures["alignment"] == pytest.approx(2)


def test_noise_is_separate_and_finds_nothing(pairs: tuple[Pairs, Pairs, Pairs]) -> None:
    bench = Bench.of(pairs[2], "patient_id")
    figures = run(Noise(), bench).figures
    assert figures["separation"] == pytest.approx(1, abs=0.02)
    assert figures["cross-modal R@10"] == pytest.approx(1 - (45 / 48) ** 10, abs=0.25)
    assert run(Noise(), bench).figures == figures
    early = run(Early(16, 16), bench).figures
    assert early["mean R@10"] > figures["mean R@10"]
    assert early["separation"] < 0.7


def test_subtracting_the_mean_separates(pairs: tuple[Pairs, Pairs, Pairs]) -> None:
    bench = Bench.of(pairs[2], "patient_id")
    early = Early(16, 16)
    means = pairs[0].images.mean(axis=0), pairs[0].texts.mean(axis=0)
    centred = run(CentredEarly(early, *means), bench).figures["separation"]
    assert centred > run(early, bench).figures["separation"] + 0.3


def test_means_over_seeds(pairs: tuple[Pairs, Pairs, Pairs]) -> None:
    bench = Bench.of(pairs[2], "patient_id")
    runs = [run(Noise(8), bench), run(Noise(16), bench)]
    means, deviations = averaged(runs)
    assert means["dim"] == 12
    assert deviations["dim"] == pytest.approx(np.sqrt(32))
