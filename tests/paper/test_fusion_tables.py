"""The winner is chosen without what is reported on, and tied with whom."""

from __future__ import annotations

from dataclasses import replace

from mmedrag.encoders.fusion import Fusion, SharedSpace
from mmedrag.paper.fusion import Bench, run
from mmedrag.paper.fusion_tables import FusionStudy, pooled_test
from mmedrag.paper.strategies import (
    TRAINED,
    FusionRow,
    Noise,
)
from mmedrag.training.pairs import Pairs


def test_the_winner_is_chosen_without_the_held_out_pairs() -> None:
    def row(name: str, tune: float, held_out: float) -> FusionRow:
        return FusionRow(name, TRAINED, {"mean MRR": held_out}, tune_mrr=tune)

    finding = FusionStudy([row("a", 0.4, 0.9), row("b", 0.5, 0.1)])
    assert finding.winner.name == "b"
    assert finding.best.name == "a"


def test_a_fusion_ties_with_itself_and_not_with_noise(
    pairs: tuple[Pairs, Pairs, Pairs],
) -> None:
    bench = Bench.of(pairs[2], "patient_id")

    def row(name: str, fusion: Fusion, tune: float) -> FusionRow:
        done = run(fusion, bench)
        return FusionRow(name, TRAINED, done.figures, done.directions, tune_mrr=tune)

    shared = row("shared", SharedSpace(16), 0.9)
    finding = FusionStudy(
        [shared, replace(shared, name="same", tune_mrr=0.8), row("n", Noise(), 0.1)]
    )
    assert pooled_test(shared, shared).difference == 0
    assert [tie.name for tie in finding.ties] == ["same"]
