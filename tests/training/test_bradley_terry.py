"""The reward model is fitted as eq. 5 and 6 say, calibrated, and cut at tau."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedrag.errors import CorpusError
from mmedrag.reward.scorers import ContextScorer, PairScorer, sigmoid
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
from mmedrag.training.contexts import (
    CHOSEN,
)
from mmedrag.training.preference import measure


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
