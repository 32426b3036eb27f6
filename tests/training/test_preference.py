"""Section 3.6: mining, the fit of eq. 6, calibration, τ, the checkpoint, the DPO export."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.assembly import dictionary
from mmedrag.cli import main
from mmedrag.datasets.corpus import patient_of, study_of, text_key
from mmedrag.datasets.records import write_records
from mmedrag.datasets.splits import write_split
from mmedrag.errors import CorpusError, LeakError
from mmedrag.presets import Stages
from mmedrag.reward.checkpoint import load_reward
from mmedrag.reward.scorers import ContextScorer, PairScorer, sigmoid
from mmedrag.text.laterality import mirrored
from mmedrag.training import preference
from mmedrag.training.bradley_terry import (
    choose_tau,
    fit_context,
    fit_pair,
    loss_and_gradient,
    platt,
    preferences,
    rewards_of,
    right_of,
)
from mmedrag.training.candidates import Pool, embed, findings_of, read_parts
from mmedrag.training.contexts import (
    CHOSEN,
    DEFINITION,
    MIRRORED,
    NEAREST,
    NEGATED,
    OFF_TOPIC,
    OTHER,
    OTHER_DEFINITION,
    OTHER_DOMAIN,
    SAME_FINDINGS,
    SAME_STUDY,
    Example,
    Miner,
)
from mmedrag.training.preference import export, measure
from mmedrag.types import Assertion, Case, Definition
from training.fake_stages import fake_stages

DEFINITIONS = dictionary()


@pytest.fixture(scope="module")
def corpus(phantoms: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The phantoms as a file of the native format."""
    path = tmp_path_factory.mktemp("preference") / "phantoms.jsonl"
    write_records(phantoms, path)
    return path


@pytest.fixture(scope="module")
def stages() -> Stages:
    return fake_stages()


@pytest.fixture(scope="module")
def pool(phantoms: list[Case], stages: Stages) -> Pool:
    return embed(phantoms, stages.embedder, DEFINITIONS)


@pytest.fixture(scope="module")
def examples(pool: Pool, stages: Stages) -> list[Example]:
    miner = Miner(pool, stages.embedder, stages.classifier, DEFINITIONS, seed=3)
    return miner.mine(60)


# Parts


def test_no_patient_is_in_two_parts(corpus):
    parts = read_parts([corpus], most=1000)
    patients = [
        {patient_of(case) for case in cases}
        for cases in (parts.train, parts.calibration, parts.test)
    ]
    assert all(patients)
    assert not patients[0] & patients[1]
    assert not patients[0] & patients[2]
    assert not patients[1] & patients[2]
    assert all(case.split == "val" for case in parts.test)
    assert not any(case.split == "val" for case in (*parts.train, *parts.calibration))


def test_a_file_without_a_validation_part_holds_patients_out(phantoms, tmp_path):
    path = tmp_path / "records.jsonl"
    write_records([replace(case, split="") for case in phantoms], path)
    parts = read_parts([path], most=1000)
    assert len(parts.test) >= 5
    seen = {patient_of(case) for case in (*parts.train, *parts.calibration)}
    assert seen.isdisjoint(patient_of(case) for case in parts.test)


def test_a_limit_takes_whole_patients(corpus):
    parts = read_parts([corpus], most=20)
    everything = read_parts([corpus], most=1000)
    cases = (*parts.train, *parts.calibration)
    assert len(cases) <= 20
    for patient in {patient_of(case) for case in cases}:
        whole = [
            c for c in (*everything.train, *everything.calibration) if patient_of(c) == patient
        ]
        assert len(whole) == sum(patient_of(case) == patient for case in cases)


def test_a_split_that_was_written_can_be_given(corpus, tmp_path):
    written = tmp_path / "splits.json"

    def sides(**options):
        parts = read_parts([corpus], most=1000, **options)
        return [{c.id for c in cases} for cases in (parts.train, parts.calibration, parts.test)]

    drawn = sides(seed=1, write=written)
    assert sides(seed=2, splits=written) == drawn
    assert sides(seed=2) != drawn


def test_a_split_through_a_patient_is_refused(corpus, tmp_path):
    drawn = read_parts([corpus], most=1000)
    sides = {"train": drawn.train, "tune": drawn.calibration, "val": drawn.test}
    patient = next(
        c for c in drawn.train if sum(patient_of(c) == patient_of(o) for o in drawn.train) > 1
    )
    moved = {
        **sides,
        "train": [c for c in drawn.train if c != patient],
        "val": [*drawn.test, patient],
    }
    write_split(tmp_path / "splits.json", moved, share=0.2, seed=0)
    with pytest.raises(LeakError, match="same patient"):
        read_parts([corpus], most=1000, splits=tmp_path / "splits.json")


def test_too_few_patients_are_told(phantoms, tmp_path):
    path = tmp_path / "records.jsonl"
    write_records(phantoms[:2], path)
    with pytest.raises(CorpusError, match="too few patients"):
        read_parts([path], most=10)


def test_findings_are_what_annotators_wrote():
    assert findings_of(Case(id="1", text="drusen, Cataract")) == {"drusen", "cataract"}
    report = " ".join(["word"] * 20)
    assert findings_of(Case(id="1", text=report, labels=("Opacity/lung",))) == {"opacity lung"}
    meta = {"case_diagnosis": "Bladder Diverticulum"}
    assert findings_of(Case(id="1", text=report, labels=("Abdomen",), meta=meta)) == {
        "bladder diverticulum"
    }


# Mining


def test_every_kind_is_mined_for_every_form(examples):
    kinds = Counter(example.kind for example in examples)
    expected = {SAME_STUDY, SAME_FINDINGS, DEFINITION, OTHER, NEAREST, NEGATED, MIRRORED}
    assert set(kinds) == expected | {OTHER_DOMAIN, OTHER_DEFINITION, OFF_TOPIC}
    assert {example.form for example in examples} == {"text", "image", "both"}


def test_contexts_are_what_their_kind_says(examples):
    for example in examples:
        item, asked = example.evidence.item, example.asked_by
        if example.kind == SAME_STUDY:
            assert study_of(item) == study_of(asked)
            assert text_key(item.text) != text_key(example.question.query.text)
        elif example.kind == SAME_FINDINGS:
            assert patient_of(item) != patient_of(asked)
            assert findings_of(item) == findings_of(asked)
        elif example.kind in (OTHER, NEAREST, OTHER_DOMAIN):
            assert patient_of(item) != patient_of(asked)
            assert findings_of(item).isdisjoint(findings_of(asked))
            assert (item.domain == asked.domain) == (example.kind != OTHER_DOMAIN)
        elif example.kind == OTHER_DEFINITION:
            assert item.concept not in {m.concept for m in example.question.mentions}


def test_an_image_never_asks_for_itself(examples):
    for example in examples:
        item, image = example.evidence.item, example.question.query.image
        if image is not None and isinstance(item, Case) and example.kind in CHOSEN:
            assert item.image != image


def test_the_nearest_is_nearer_than_others(examples):
    nearest = [e.evidence.similarity for e in examples if e.kind == NEAREST]
    other = [e.evidence.similarity for e in examples if e.kind == OTHER]
    assert np.mean(nearest) > np.mean(other)


def test_flipped_contexts_contradict_a_right_one(examples):
    for example in examples:
        right = [
            e.evidence.text for e in examples if e.number == example.number and e.kind in CHOSEN
        ]
        if example.kind == MIRRORED:
            assert mirrored(example.evidence.text) in right
        if example.kind in (NEGATED, MIRRORED):
            assert example.question.query.text
            assert example.evidence.text not in right


def test_negated_contexts_conflict_with_the_question(examples):
    """Most of what the flip says is read so by the recogniser that serves."""
    flipped = [e for e in examples if e.kind == NEGATED]
    conflicts = [
        {m.concept for m in e.question.mentions if m.assertion is Assertion.AFFIRMED}
        & {m.concept for m in e.evidence.mentions if m.assertion is Assertion.NEGATED}
        for e in flipped
    ]
    assert np.mean([bool(c) for c in conflicts]) > 0.6


def test_definitions_are_embedded_as_the_pipeline_does(examples, stages):
    defined = [e for e in examples if isinstance(e.evidence.item, Definition)]
    for example in defined[:5]:
        vector = stages.embedder.embed([example.evidence.item])[0]
        assert example.evidence.vector.tolist() == vector.tolist()
        expected = float(vector @ example.question.vector)
        assert example.evidence.similarity == pytest.approx(expected, abs=1e-6)


def test_mining_gives_the_same_again(pool, stages):
    def told(seed):
        miner = Miner(pool, stages.embedder, stages.classifier, DEFINITIONS, seed=seed)
        return [(e.kind, e.question.query.text, e.evidence.text) for e in miner.mine(10)]

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_held_out_off_topic_questions_are_others(pool, stages):
    def asked(held_out):
        miner = Miner(
            pool, stages.embedder, stages.classifier, DEFINITIONS, held_out=held_out, seed=0
        )
        found = miner.mine(60)
        return {e.question.query.text.split()[-1] for e in found if e.kind == OFF_TOPIC}

    assert asked(held_out=True).isdisjoint(asked(held_out=False))


# Fit


def test_the_gradient_is_that_of_finite_differences():
    random = np.random.default_rng(0)
    weights = {
        "hidden": random.normal(size=(3, 4)),
        "hidden_bias": random.normal(size=3),
        "output": random.normal(size=3),
        "bias": random.normal(size=1),
    }
    inputs, pairs = random.normal(size=(6, 4)), random.integers(0, 6, (9, 2))
    for on_sigmoids in (False, True):
        _, gradient = loss_and_gradient(weights, inputs, pairs, on_sigmoids)
        for name, values in weights.items():
            for place in np.ndindex(values.shape):
                moved = {n: v.copy() for n, v in weights.items()}
                moved[name][place] += 1e-6
                above = loss_and_gradient(moved, inputs, pairs, on_sigmoids)[0]
                moved[name][place] -= 2e-6
                below = loss_and_gradient(moved, inputs, pairs, on_sigmoids)[0]
                assert gradient[name][place] == pytest.approx((above - below) / 2e-6, abs=1e-7)


def test_the_query_aware_model_learns_and_the_paper_s_stays_above_its_floor(examples, stages):
    pair = fit_pair(examples, examples, epochs=150, seed=0)
    paper = fit_context(examples, examples, stages.texts.encode, epochs=150, seed=0)
    ours = measure(rewards_of(pair.scorer, examples), examples)
    theirs = measure(rewards_of(paper.scorer, examples), examples)
    assert isinstance(pair.scorer, PairScorer)
    assert isinstance(paper.scorer, ContextScorer)
    assert ours["AUROC"] > 0.85
    assert ours["ECE"] < 0.1
    assert pair.losses[-1] < 0.5 * pair.losses[0]
    assert paper.losses[-1] > 0.3133
    assert theirs["AUROC"] < ours["AUROC"]


def test_training_gives_the_same_again(examples):
    heads = [fit_pair(examples, examples, epochs=5, seed=4).scorer.head for _ in range(2)]
    assert heads[0].hidden.tolist() == heads[1].hidden.tolist()


def test_pairs_are_a_right_and_a_wrong_context_of_one_question(examples):
    pairs = preferences(examples)
    assert len(pairs) > 100
    for i, j in pairs.tolist():
        assert examples[i].number == examples[j].number
        assert examples[i].right
        assert not examples[j].right


def test_nothing_to_prefer_is_told(examples):
    with pytest.raises(CorpusError, match="right and a wrong"):
        fit_pair([e for e in examples if not e.right], examples, epochs=1)


def test_platt_finds_the_scaling_back():
    random = np.random.default_rng(0)
    logits = random.normal(0.0, 2.0, 20_000)
    right = random.random(len(logits)) < sigmoid(0.7 * logits - 0.4)
    found = platt(logits, right)
    assert found.scale == pytest.approx(0.7, abs=0.05)
    assert found.shift == pytest.approx(-0.4, abs=0.05)


def test_platt_never_turns_the_order():
    assert platt(np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, False, False])).scale > 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.floats(0.5, 1.0))
def test_tau_keeps_the_share_that_was_asked_for(rewards, kept):
    values = np.array(rewards)
    tau = choose_tau(values, np.ones(len(values), np.bool_), kept)
    assert 0.0 <= tau < 1.0
    assert tau == 0.0 or np.mean(values > tau) >= kept - 1e-9


def test_tau_is_the_largest_such():
    rewards, right = np.array([0.2, 0.5, 0.8, 0.9]), np.ones(4, np.bool_)
    assert choose_tau(rewards, right, 1.0) == pytest.approx(0.199)
    assert choose_tau(rewards, right, 0.75) == pytest.approx(0.499)


def test_rewards_are_those_of_the_filter(examples):
    trained = fit_pair(examples, examples, epochs=5, seed=0)
    rewards = rewards_of(trained.scorer, examples)
    for place in (0, 7, len(examples) - 1):
        one = examples[place]
        expected = trained.scorer.score(one.question, [one.evidence])[0]
        assert rewards[place] == pytest.approx(expected, abs=1e-9)
    assert right_of(examples).sum() == sum(e.kind in CHOSEN for e in examples)


# Export and command


def test_export_is_in_the_dpo_format(examples, tmp_path):
    path = tmp_path / "out" / "pairs.jsonl"
    count = export(examples, path)
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(rows) == count > 100
    for row in rows:
        assert {"prompt", "chosen", "rejected"} <= row.keys()
        texts = [row[name] for name in ("prompt", "chosen", "rejected")]
        assert all(isinstance(text, str) and text for text in texts)
        assert row["chosen"] != row["rejected"]
        assert row["chosen_kind"] in CHOSEN
        assert row["rejected_kind"] not in CHOSEN
        assert "images" not in row or Path(row["images"][0]).exists()
    assert {len(row.get("images", [])) for row in rows} == {0, 1}


def test_export_that_cannot_be_written_is_told(examples, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusError, match="cannot be written"):
        export(examples, tmp_path / "file" / "pairs.jsonl")


@pytest.mark.parametrize("mode", ["pair", "context"])
def test_the_command_writes_a_model_that_can_be_loaded(
    mode, corpus, stages, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(preference, "build", lambda preset, models: stages)
    told = ["--data", str(corpus), "--into", str(tmp_path / "reward"), "--mode", mode]
    told += ["--epochs", "20", "--export", str(tmp_path / "pairs.jsonl")]
    assert main(["train", "preference", *told]) == 0
    assert "AUROC" in capsys.readouterr().out
    assert (tmp_path / "pairs.jsonl").stat().st_size > 0
    loaded = load_reward(
        tmp_path / "reward", encode=stages.texts.encode, encoder=stages.embedder.fingerprint
    )
    assert isinstance(loaded.scorer, PairScorer if mode == "pair" else ContextScorer)
    config = json.loads((tmp_path / "reward" / "config.json").read_text())
    assert config["training_data"] == ["phantoms"]
    assert {"AUROC", "ECE", "pairwise accuracy"} <= config["settings"]["metrics"].keys()
