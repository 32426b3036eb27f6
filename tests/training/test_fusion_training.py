"""Training of fusion: torch against numpy, the loss by hand, learning, determinism, the command."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedrag.checkpoint import random_tensors
from mmedrag.cli import main
from mmedrag.encoders.fusion import (
    LearnedFusion,
    fusion_layout,
    load_fusion,
    random_fusion,
)
from mmedrag.encoders.strategies import STRATEGIES
from mmedrag.errors import CheckpointError, CorpusError
from mmedrag.measures.cosines import unit_rows
from mmedrag.phantoms.corpus import generate
from mmedrag.training.fusion import batches, fit_fusion
from mmedrag.training.losses import visible_info_nce
from mmedrag.training.pairs import Pairs, read_pair_parts, set_of
from mmedrag.training.positives import WAYS, Kinship, seen, tune_mrr
from mmedrag.training.scaling import Scaling, folded
from mmedrag.training.strategies import FORMULAS, fuse, project
from mmedrag.types import Case

IMAGE_DIM, TEXT_DIM, DIM = 12, 7, 16


def features(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images, texts, and who has them; every item has one at least."""
    random = np.random.default_rng(seed)
    images = random.normal(size=(n, IMAGE_DIM)).astype(np.float32)
    texts = random.normal(size=(n, TEXT_DIM)).astype(np.float32)
    has_image = random.random(n) < 0.6
    return images, texts, has_image, ~has_image | (random.random(n) < 0.5)


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


@pytest.mark.parametrize("strategy", STRATEGIES)
@few
@given(output_dim=st.sampled_from([None, 5]), seed=st.integers(0, 2**31), n=st.integers(1, 9))
def test_torch_agrees_with_numpy(strategy: str, output_dim: int | None, seed: int, n: int) -> None:
    served = random_fusion(strategy, IMAGE_DIM, TEXT_DIM, seed, dim=DIM, output_dim=output_dim)
    assert isinstance(served, LearnedFusion)
    told = features(seed, n)
    w = {name: torch.tensor(tensor) for name, tensor in served.tensors.items()}
    fused = fuse(strategy, w, project(w, *(torch.tensor(part) for part in told)))
    np.testing.assert_allclose(fused.numpy(), served.fuse(*told), atol=1e-5)


def test_every_learned_strategy_has_a_torch_formula() -> None:
    assert list(FORMULAS) == list(STRATEGIES)


@pytest.mark.parametrize("strategy", STRATEGIES)
@few
@given(seed=st.integers(0, 2**31))
def test_scaling_is_folded_into_the_first_layer(strategy: str, seed: int) -> None:
    images, texts, has_image, has_text = features(seed, 8)
    images = 5 + 3 * images
    scalings = Scaling.of(images), Scaling.of(texts)
    learned = random_tensors(fusion_layout(strategy, IMAGE_DIM, TEXT_DIM, DIM), seed)
    on_scaled = LearnedFusion(strategy, IMAGE_DIM, TEXT_DIM, DIM, learned, "")
    on_raw = replace(on_scaled, tensors=folded(learned, *scalings))
    np.testing.assert_allclose(
        on_raw.fuse(images, texts, has_image, has_text),
        on_scaled.fuse(scalings[0](images), scalings[1](texts), has_image, has_text),
        atol=2e-4,
    )


def test_a_constant_feature_is_not_divided_by_zero() -> None:
    rows = np.array([[1.0, 2.0], [1.0, 4.0]], np.float32)
    np.testing.assert_allclose(Scaling.of(rows)(rows), [[0, -1], [0, 1]])


def test_loss_by_hand() -> None:
    rows = torch.eye(3)
    positive = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    visible = ~torch.eye(3, dtype=torch.bool)
    # rows 0 and 1 see each other and row 2, all at similarity 0: ln 2; row 2 has no answer
    loss = visible_info_nce(rows, rows, positive, visible, torch.tensor(10.0))
    assert float(loss) == pytest.approx(math.log(2), abs=1e-6)


def test_loss_without_an_answer_is_zero_and_learns_nothing() -> None:
    rows = torch.eye(2).requires_grad_()
    nothing = torch.zeros(2, 2, dtype=torch.bool)
    loss = visible_info_nce(rows, rows, nothing, ~nothing, torch.tensor(1.0))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not rows.grad.any()


def test_what_a_query_may_see() -> None:
    kin = Kinship.of(np.array([0, 0, 1]), np.array([5, 6, 6]))
    np.testing.assert_array_equal(kin.positive, [[1, 1, 0], [1, 1, 1], [0, 1, 1]])
    assert kin.visible("image", "text").all()  # its own caption is what is looked for
    np.testing.assert_array_equal(kin.visible("image", "both"), ~np.eye(3, dtype=bool))
    same_text = np.array([[1, 0, 0], [0, 1, 1], [0, 1, 1]], dtype=bool)
    np.testing.assert_array_equal(kin.visible("text", "text"), ~same_text)
    np.testing.assert_array_equal(kin.visible("both", "both"), ~same_text)


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


def test_ways_of_seeing_are_units(parts: tuple[Pairs, Pairs, Pairs]) -> None:
    fusion = random_fusion("late", IMAGE_DIM, TEXT_DIM, 0, dim=DIM)
    for way in WAYS:
        norms = np.linalg.norm(seen(fusion, parts[1], way), axis=1)
        np.testing.assert_allclose(norms, 1, atol=1e-5)


def corpus(folder: Path, rows: Sequence[dict[str, object]]) -> Path:
    """Records with a generated image each; ``pixel`` draws it."""
    from PIL import Image

    folder.mkdir()
    for i, row in enumerate(rows):
        noise = np.random.default_rng(row.pop("pixel", i)).integers(0, 255, (48, 48), np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.png")
        row |= {"id": f"r{i}", "image": f"{i}.png", "domain": "radiology"}
    file = folder / "records.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return file


def test_parts_keep_patients_and_copies_apart(tmp_path: Path) -> None:
    divided = [{"text": f"a {i}", "patient_id": f"p{i // 2}", "split": "train"} for i in range(40)]
    divided += [{"text": f"b {i}", "patient_id": f"v{i}", "split": "val"} for i in range(6)]
    divided += [{"text": "copy", "patient_id": "p0", "pixel": 42, "split": "train"}]  # of b 2
    whole = [{"text": f"c {i}", "patient_id": f"p{i // 2}", "pixel": 900 + i} for i in range(40)]
    whole += [{"text": "normal", "text_kind": "label", "pixel": 999}]
    parts = read_pair_parts([corpus(tmp_path / "a", divided), corpus(tmp_path / "b", whole)])
    sides = [{case.patient_id for case in part} for part in (parts.train, parts.tune)]
    held_out = {case.patient_id for case in parts.held_out}
    assert all(sides)
    assert not sides[0] & sides[1]
    assert not (sides[0] | sides[1]) & held_out
    assert {c.id for c in parts.held_out if set_of(c) == "a"} == {f"a/r{i}" for i in range(40, 46)}
    assert 0 < sum(set_of(case) == "b" for case in parts.held_out) < 20
    everyone = [case for part in (parts.train, parts.tune, parts.held_out) for case in part]
    assert "a/p0" not in {case.patient_id for case in everyone}  # tied to a held-out picture
    assert "normal" not in {case.text for case in everyone}


def test_a_split_that_was_written_can_be_given(tmp_path: Path) -> None:
    rows = [{"text": f"c {i}", "patient_id": f"p{i // 2}", "pixel": 900 + i} for i in range(40)]
    file, written = corpus(tmp_path / "a", rows), tmp_path / "splits.json"
    drawn = read_pair_parts([file], write=written)
    swapped = json.loads(written.read_text("utf-8"))
    other = {"train": "val", "val": "train"}
    swapped["cases"] = {k: other.get(side, side) for k, side in swapped["cases"].items()}
    assert read_pair_parts([file], splits=written) == drawn
    written.write_text(json.dumps(swapped), "utf-8")
    assert read_pair_parts([file], splits=written).train == drawn.held_out


def test_nothing_to_learn_from_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text('{"id": "1", "text": "no image"}', "utf-8")
    with pytest.raises(CorpusError, match="image and a text"):
        read_pair_parts([file])


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
