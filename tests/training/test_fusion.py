"""Training of fusion: torch against numpy, the loss by hand, learning, determinism, the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason='pip install "mmedrag[torch]"')
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedrag.cli import main
from mmedrag.encoders.fusion import (
    load_fusion,
    random_fusion,
)
from mmedrag.encoders.strategies import STRATEGIES
from mmedrag.errors import CheckpointError, CorpusError
from mmedrag.measures.cosines import unit_rows
from mmedrag.phantoms.corpus import generate
from mmedrag.training.fusion import batches, fit_fusion, train_fusion
from mmedrag.training.pairs import Pairs
from mmedrag.training.positives import seen, tune_mrr
from mmedrag.types import Case

IMAGE_DIM, TEXT_DIM, DIM = 12, 7, 16


def made_pairs(seed: int, cases: int = 40, records: int = 3) -> Pairs:
    """Pairs whose image and text are noisy linear pictures of one hidden vector a case."""
    world, random = np.random.default_rng(99), np.random.default_rng(seed)
    to_image, to_text = world.normal(size=(4, IMAGE_DIM)), world.normal(size=(4, TEXT_DIM))
    hidden = np.repeat(random.normal(size=(cases, 4)), records, axis=0)
    hidden += 0.1 * random.normal(size=hidden.shape)
    names = [(f"s/{seed}-{c}", f"s/{seed}-{c}-{r}") for c in range(cases) for r in range(records)]
    return Pairs(
        tuple(Case(id=i, text=f"text {i}", patient_id=p, study_id=p) for p, i in names),
        (3 + hidden @ to_image).astype(np.float32),
        unit_rows(hidden @ to_text),
    )


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few steps are enough for a small world at a higher rate."""
    monkeypatch.setattr("mmedrag.training.fusion.RATE", 0.02)


@pytest.fixture(scope="module")
def parts() -> tuple[Pairs, Pairs, Pairs]:
    """To learn from, to choose by, to report on."""
    return made_pairs(1), made_pairs(2, 15), made_pairs(3, 15)


few = settings(max_examples=10)


@few
@given(st.lists(st.integers(0, 30), min_size=1, max_size=700), st.integers(0, 9))
def test_batches_hold_every_row_once(studies: list[int], seed: int) -> None:
    found = list(batches(np.array(studies), np.random.default_rng(seed)))
    assert sorted(np.concatenate(found)) == list(range(len(studies)))
    assert len(found) == -(-len(studies) // 512)


def test_a_study_stays_together() -> None:
    order = np.concatenate(list(batches(np.arange(60) % 20, np.random.default_rng(0)))) % 20
    assert (order[::3] == order[1::3]).all()


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_learning_helps_cases_that_were_not_seen(
    strategy: str, parts: tuple[Pairs, Pairs, Pairs]
) -> None:
    train, tune, held_out = parts
    trained = fit_fusion(strategy, train, tune, dim=DIM, epochs=15)
    raw = random_fusion(strategy, IMAGE_DIM, TEXT_DIM, 0, dim=DIM)
    # late fusion compares each modality with its own kind: it has little to learn here
    gain = 0.005 if strategy == "late" else 0.2
    assert tune_mrr(trained.fusion, held_out) > tune_mrr(raw, held_out) + gain
    assert trained.best.tune_mrr == pytest.approx(tune_mrr(trained.fusion, tune))


@pytest.mark.usefixtures("fast")
def test_images_find_texts_once_trained(parts: tuple[Pairs, Pairs, Pairs]) -> None:
    train, tune, held_out = parts
    trained = fit_fusion("contrastive", train, tune, dim=DIM, epochs=25).fusion
    images, texts = (seen(trained, held_out, way) for way in ("image", "text"))
    nearest = (images @ texts.T).argmax(axis=1)
    right = held_out.studies[nearest] == held_out.studies
    assert right.mean() > 0.5  # chance is 1 of 15


def test_the_same_seed_gives_the_same_weights(parts: tuple[Pairs, Pairs, Pairs]) -> None:
    def fingerprint(seed: int) -> str:
        return fit_fusion("gated", *parts[:2], dim=DIM, epochs=2, seed=seed).fusion.fingerprint

    assert fingerprint(4) == fingerprint(4)
    assert fingerprint(4) != fingerprint(5)


def test_an_output_head_has_its_width(parts: tuple[Pairs, Pairs, Pairs]) -> None:
    trained = fit_fusion("mlp", *parts[:2], dim=DIM, output_dim=8, epochs=1)
    assert trained.fusion.dim == 8
    assert seen(trained.fusion, parts[2], "both").shape == (len(parts[2]), 8)


def test_an_unknown_strategy_is_an_error(parts: tuple[Pairs, Pairs, Pairs]) -> None:
    with pytest.raises(CheckpointError, match="not a learned fusion strategy"):
        fit_fusion("early", *parts[:2])


def test_command_trains_what_is_served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = generate(40, 5, into=tmp_path / "phantoms")
    told = ["train", "fusion", "--data", str(data), "--into", str(tmp_path / "f")]
    assert main([*told, "--strategy", "weighted", "--epochs", "2", "--output-dim", "256"]) == 0
    assert "weighted: MRR" in capsys.readouterr().out
    fusion = load_fusion(tmp_path / "f" / "weighted")
    assert fusion.dim == 256
    assert main([*told, "--strategy", "weighted"]) == 4  # never written over
    assert "exists already" in capsys.readouterr().err
    assert main([*told, "--strategy", "early"]) == 2


def test_records_of_one_patient_are_too_few(tmp_path: Path) -> None:
    data = generate(6, 5, into=tmp_path / "phantoms")
    rows = [json.loads(line) | {"patient_id": "p"} for line in data.read_text("utf-8").splitlines()]
    data.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    with pytest.raises(CorpusError, match="Nothing to learn from"):
        train_fusion([data], tmp_path / "run", strategies=["gated"])
