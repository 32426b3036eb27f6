"""``mmedrag eval fusion``: the bench by hand, every row, the verdict's choice, the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmedrag.cli import main
from mmedrag.encoders.fusion import Concat, Early, Fusion, SharedSpace
from mmedrag.encoders.strategies import STRATEGIES
from mmedrag.errors import CorpusError, UntrainedError
from mmedrag.measures.cosines import unit_rows
from mmedrag.paper.fusion import DIRECTIONS, Bench, averaged, run
from mmedrag.paper.fusion_section import as_section
from mmedrag.paper.fusion_tables import PAPER, Finding, pooled_test
from mmedrag.paper.strategies import (
    CONTROL,
    PLAIN,
    TRAINED,
    UNTRAINED,
    Benches,
    CentredEarly,
    Noise,
    Row,
    checkpoints,
    rows,
)
from mmedrag.phantoms.corpus import generate
from mmedrag.training.pairs import Pairs
from mmedrag.types import Case, Domain
from mmedrag.views.report import section_text


def hidden_pairs(seed: int, folder: Path, cases: int = 12, width: int = 16) -> Pairs:
    """Three records a case whose image and text features are one noisy vector of the case.

    The features share a large common part, as those of a network do.
    """
    random = np.random.default_rng(seed)
    hidden = np.repeat(random.normal(size=(cases, width)), 3, axis=0)
    images, texts = (hidden + 0.3 * random.normal(size=hidden.shape) + 2 for _ in range(2))
    made = []
    for i in range(3 * cases):
        image = folder / f"{seed}-{i}"
        image.write_bytes(b"%d" % i)  # read for its digest only
        case = Case(id=f"set/{seed}-{i}", text=f"text {i}", image=image, domain=Domain.RADIOLOGY)
        made.append(replace(case, patient_id=f"set/{seed}-{i // 3}", study_id=f"{i // 3}"))
    return Pairs(tuple(made), unit_rows(images), unit_rows(texts))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pairs, Pairs, Pairs]:
    """To learn from, to choose by, to report on."""
    folder = tmp_path_factory.mktemp("images")
    return tuple(hidden_pairs(seed, folder, n) for seed, n in ((1, 40), (2, 12), (3, 16)))


@pytest.fixture(scope="module")
def found(pairs: tuple[Pairs, Pairs, Pairs]) -> tuple[Finding, Benches]:
    """Every row on held-out pairs, all strategies trained."""
    train, tune, held_out = pairs
    benches = Benches.of(held_out)
    learned = checkpoints(train, tune, {"image": "i", "text": "t"}, None)
    with pytest.MonkeyPatch.context() as patch:  # few steps, so larger ones
        patch.setattr("mmedrag.training.fusion.RATE", 0.003)
        return Finding(list(rows(train, tune, benches, learned, seeds=2))), benches


def test_a_shared_space_finds_every_case(pairs: tuple[Pairs, Pairs, Pairs]) -> None:
    held_out = pairs[2]
    centred = Pairs(held_out.cases, held_out.images - 2 / 8, held_out.texts - 2 / 8)
    done = run(SharedSpace(16), Bench.of(centred, "patient_id"))
    assert set(done.found) == set(DIRECTIONS)
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


def test_every_strategy_has_its_rows(found: tuple[Finding, Benches]) -> None:
    finding, _ = found
    kinds = {(row.name, row.kind) for row in finding.rows}
    assert {(name, kind) for name in STRATEGIES for kind in (UNTRAINED, TRAINED)} <= kinds
    assert {("early", PLAIN), ("concat", PLAIN), ("noise", CONTROL)} <= kinds
    assert set(PAPER) == {*STRATEGIES, "early"}
    for row in finding.rows:
        assert row.figures["separation"] == pytest.approx(1 - row.figures["random_pair"])
        assert row.figures["self_similarity"] == pytest.approx(1, abs=1e-5)
        assert (row.tune_mrr is not None) == (row.kind in (PLAIN, TRAINED))


def test_training_aligns_image_and_text(found: tuple[Finding, Benches]) -> None:
    finding, _ = found
    for name in ("contrastive", "mlp", "weighted", "gated", "deepset", "cross-attention"):
        trained, raw = (finding.row(name, kind).figures for kind in (TRAINED, UNTRAINED))
        assert trained["auroc"] > raw["auroc"] + 0.05, name
        assert trained["mean MRR"] > raw["mean MRR"], name


def test_the_winner_is_chosen_without_the_held_out_pairs() -> None:
    def row(name: str, tune: float, held_out: float) -> Row:
        return Row(name, TRAINED, {"mean MRR": held_out}, tune_mrr=tune)

    finding = Finding([row("a", 0.4, 0.9), row("b", 0.5, 0.1)])
    assert finding.winner.name == "b"
    assert finding.best.name == "a"


def test_a_fusion_ties_with_itself_and_not_with_noise(
    pairs: tuple[Pairs, Pairs, Pairs],
) -> None:
    bench = Bench.of(pairs[2], "patient_id")

    def row(name: str, fusion: Fusion, tune: float) -> Row:
        done = run(fusion, bench)
        return Row(name, TRAINED, done.figures, done.found, tune_mrr=tune)

    shared = row("shared", SharedSpace(16), 0.9)
    finding = Finding([shared, replace(shared, name="same", tune_mrr=0.8), row("n", Noise(), 0.1)])
    assert pooled_test(shared, shared).difference == 0
    assert [tie.name for tie in finding.ties] == ["same"]


def test_means_over_seeds(pairs: tuple[Pairs, Pairs, Pairs]) -> None:
    bench = Bench.of(pairs[2], "patient_id")
    runs = [run(Noise(8), bench), run(Noise(16), bench)]
    means, deviations = averaged(runs)
    assert means["dim"] == 12
    assert deviations["dim"] == pytest.approx(np.sqrt(32))


def test_section_says_what_was_measured(found: tuple[Finding, Benches]) -> None:
    section = as_section(*found, "120 pairs")
    assert section.data["winner"] == found[0].winner.name
    assert section.data["paper"]["contrastive"]["separation"] == 1.001524
    assert set(section.data["rank_correlation"]) == {"trained", "untrained", "paper"}
    assert len(section.disagreements) == 3
    assert "0.998476" in section.disagreements[0].why
    assert found[0].winner.name in section.verdict
    text = section_text(section)
    assert "cross-attention" in text
    assert "paper" in text
    json.dumps(section.data)
    for shown in section.tables:
        assert all(len(line) == len(shown.header) for line in shown.rows)


def test_figures_draw(found: tuple[Finding, Benches]) -> None:
    pytest.importorskip("matplotlib")
    for figure in as_section(*found, "").figures:
        assert figure.draw().startswith("<svg")


def test_a_folder_without_a_strategy_is_an_error(
    tmp_path: Path, pairs: tuple[Pairs, Pairs, Pairs]
) -> None:
    with pytest.raises(UntrainedError, match="no trained fusion"):
        next(checkpoints(*pairs[:2], {}, tmp_path))


def test_nothing_held_out_is_an_error(pairs: tuple[Pairs, Pairs, Pairs]) -> None:
    nothing = pairs[2].taken(np.zeros(len(pairs[2]), np.bool_))
    with pytest.raises(CorpusError, match="held out"):
        Benches.of(nothing)


def test_command_measures_what_was_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = generate(36, 3, into=tmp_path / "phantoms")
    told = ["--data", str(data)]
    into = ["--into", str(tmp_path / "f"), "--epochs", "1"]
    assert main(["train", "fusion", *told, *into]) == 0
    capsys.readouterr()
    assert main(["eval", "fusion", *told, "--json", "--model", f"fusion={tmp_path / 'f'}"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert {row["strategy"] for row in data["rows"]} >= set(STRATEGIES)
    shipped = next(row for row in data["rows"] if row["weights"] == "shipped")
    assert set(shipped["retrieval"]) <= set(DIRECTIONS)
    assert main(["eval", "fusion", *told, "--model", "heads=x"]) == 2
