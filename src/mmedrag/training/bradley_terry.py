"""Fitting the reward model (section 3.6, eq. 5 and 6), in the paper's mode and query-aware.

Query-aware: eq. 6 on logits (Bradley and Terry 1952) over pair features of question and context.
The pairs are a right and a wrong context of one question, and, so that one τ serves all questions,
of different questions. The paper's mode: eq. 6 as written, on σ outputs, of contexts alone.

The head is small enough for numpy: its gradient is a few lines.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmedrag.errors import CorpusError
from mmedrag.protocols import Ontology
from mmedrag.reward.pair_features import pair_features
from mmedrag.reward.scorers import (
    Calibration,
    ContextScorer,
    PairScorer,
    RewardHead,
    Scorer,
    TextEncoder,
    preference_loss,
    sigmoid,
)
from mmedrag.training.contexts import Example
from mmedrag.types import Matrix

Numbers: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int64]
Weights: TypeAlias = dict[str, Numbers]

EPOCHS = 600
HIDDEN = 16
"""Width of the hidden layer over pair features."""

HIDDEN_OF_TEXT = 64
"""Width of W in the paper's mode."""

KEPT = 0.98
"""τ is the largest with which so many of the right contexts of the calibration part are kept. What
is doubtful stays and stands last (:class:`~mmedrag.reward.scorers.RewardFilter`); 0.90, which lets
a seventh as many wrong ones through, lost more good cases than it was worth on questions to a whole
corpus (docs/notes/order.md)."""

RATE, DECAY = 0.01, 0.01
"""Of AdamW (Loshchilov and Hutter 2019)."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedReward:
    """A scorer, its threshold, and the mean loss of eq. 6 after each epoch, ``(epochs,)``."""

    scorer: PairScorer | ContextScorer
    tau: float
    losses: Numbers


def fit_pair(
    train: Sequence[Example],
    calibration: Sequence[Example],
    ontology: Ontology | None = None,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
) -> FittedReward:
    """The query-aware model: −log σ(s_i − s_j) on logits s of pair features."""
    features = np.concatenate([pair_features(e.question, [e.evidence], ontology) for e in train])
    fitting = _Fitting(features, np.arange(len(train)), right_of(train), preferences(train))
    head, losses = fitting.run(HIDDEN, epochs, seed, as_paper=False)
    return _finished(PairScorer(head, ontology=ontology), losses, calibration)


def fit_context(
    train: Sequence[Example],
    calibration: Sequence[Example],
    encode: TextEncoder,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
) -> FittedReward:
    """The paper's model: −log σ(r_i − r_j) on r = σ(wᵀ tanh(W f_BERT(c) + b) + b_r)."""
    texts = list(dict.fromkeys(example.evidence.text for example in train))
    index = {text: i for i, text in enumerate(texts)}
    owner = np.array([index[example.evidence.text] for example in train])
    fitting = _Fitting(encode(texts), owner, right_of(train), preferences(train))
    head, losses = fitting.run(HIDDEN_OF_TEXT, epochs, seed, as_paper=True)
    return _finished(ContextScorer(encode, head), losses, calibration)


def rewards_of(scorer: Scorer, examples: Sequence[Example]) -> Numbers:
    """The reward of every example, in order, as the filter would give it. Float64 ``(n,)``."""
    rewards = np.zeros(len(examples))
    for rows in _by_question(examples).values():
        evidence = [examples[row].evidence for row in rows]
        rewards[rows] = scorer.score(examples[rows[0]].question, evidence)
    return rewards


def right_of(examples: Sequence[Example]) -> NDArray[np.bool_]:
    """Which examples are right, ``(n,)``."""
    return np.array([example.right for example in examples], np.bool_)


def preferences(examples: Sequence[Example]) -> Indices:
    """Places of each right and each wrong context of one question, ``(pairs, 2)``."""
    pairs = []
    for rows in _by_question(examples).values():
        right = [row for row in rows if examples[row].right]
        wrong = [row for row in rows if not examples[row].right]
        pairs += [(i, j) for i in right for j in wrong]
    return np.array(pairs, np.int64).reshape(-1, 2)


def platt(logits: Numbers, right: NDArray[np.bool_]) -> Calibration:
    """Platt's scaling by Newton's method, with his targets (Platt 1999; Lin et al. 2007).

    From logits float64 ``(n,)`` and which of them are right, ``(n,)``.

    Where the logits do not rank at all the scale stays just above 0.
    """
    targets = np.where(right, (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2))
    inputs = np.stack([logits, np.ones(len(logits))], axis=1)
    weights = np.zeros(2)
    for _ in range(50):
        predicted = sigmoid(inputs @ weights)
        gradient = inputs.T @ (predicted - targets)
        curvature = predicted * (1 - predicted)
        hessian = (inputs * curvature[:, None]).T @ inputs + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        weights = weights - step / max(1.0, float(np.abs(step).max()))
    return Calibration(max(float(weights[0]), 1e-3), float(weights[1]))


def choose_tau(rewards: Numbers, right: NDArray[np.bool_], kept: float = KEPT) -> float:
    """The largest τ of three decimals with which a share ``kept`` of the right passes r > τ.

    From rewards float64 ``(n,)`` and which of them are right, ``(n,)``.

    0 where even that is not enough.

    Raises:
        CorpusError: where nothing is right.
    """
    if not right.any():
        raise CorpusError("There is no right context to choose tau on", "Give more records.")
    falling = -np.sort(-rewards[right])
    lowest = float(falling[max(1, int(np.ceil(kept * len(falling) - 1e-9))) - 1])
    return max(0.0, float(np.ceil(lowest * 1000) - 1) / 1000)


def _by_question(examples: Sequence[Example]) -> dict[int, list[int]]:
    questions: dict[int, list[int]] = defaultdict(list)
    for row, example in enumerate(examples):
        questions[example.number].append(row)
    return questions


@dataclass(frozen=True, slots=True, eq=False)
class _Fitting:
    """``features`` by row, ``(n, d)``; the row of each example; which are right; pairs of them."""

    features: Matrix
    owner: Indices
    right: NDArray[np.bool_]
    pairs: Indices

    def run(
        self, hidden: int, epochs: int, seed: int, *, as_paper: bool
    ) -> tuple[RewardHead, Numbers]:
        """The head of eq. 5 that minimises eq. 6, and its loss by epoch.

        Raises:
            CorpusError: where there is no pair.
        """
        if not len(self.pairs):
            raise CorpusError("No question has a right and a wrong context", "Give more records.")
        random = np.random.default_rng(seed)
        mean, deviation = self.features.mean(axis=0), np.maximum(self.features.std(axis=0), 1e-3)
        inputs = ((self.features - mean) / deviation).astype(np.float64)
        weights = _random_numbers(inputs.shape[1], hidden, random)
        moments: tuple[Weights, Weights] = ({}, {})
        losses = []
        for epoch in range(epochs):
            pairs = self.pairs if as_paper else np.concatenate([self.pairs, self._across(random)])
            loss, gradient = loss_and_gradient(weights, inputs, self.owner[pairs], as_paper)
            _step(weights, gradient, moments, epoch + 1)
            losses.append(loss)
        return _unscaled(weights, mean, deviation), np.array(losses)

    def _across(self, random: np.random.Generator) -> Indices:
        """As many pairs of a right and a wrong context of any questions, drawn at random."""
        rows = (np.flatnonzero(self.right), np.flatnonzero(~self.right))
        return np.stack([random.choice(side, len(self.pairs)) for side in rows], axis=1)


def loss_and_gradient(
    weights: Mapping[str, Numbers], inputs: Numbers, pairs: Indices, on_sigmoids: bool
) -> tuple[float, Weights]:
    """Mean of eq. 6 over pairs of rows, and its gradient by weight.

    Args:
        weights: ``hidden`` W ``(m, d)``, ``hidden_bias`` b ``(m,)``, ``output`` w ``(m,)``,
            ``bias`` b_r ``(1,)``.
        inputs: h by row, ``(n, d)``.
        pairs: rows of the better and of the other, ``(pairs, 2)``.
        on_sigmoids: eq. 6 as written, on r = σ(logit); else on logits.
    """
    z = np.tanh(inputs @ weights["hidden"].T + weights["hidden_bias"])  # eq. (5)
    logits = z @ weights["output"] + weights["bias"]
    scores = sigmoid(logits) if on_sigmoids else logits
    better, other = scores[pairs[:, 0]], scores[pairs[:, 1]]
    push = -sigmoid(other - better) / len(pairs)  # of eq. (6), by r_i; by r_j it is the opposite
    by_score = np.bincount(pairs[:, 0], push, len(inputs))
    by_score -= np.bincount(pairs[:, 1], push, len(inputs))
    by_logit = by_score * scores * (1 - scores) if on_sigmoids else by_score
    by_z = by_logit[:, None] * weights["output"] * (1 - z**2)
    gradient = {
        "hidden": by_z.T @ inputs,
        "hidden_bias": by_z.sum(axis=0),
        "output": z.T @ by_logit,
        "bias": by_logit.sum(keepdims=True),
    }
    return float(preference_loss(better, other).mean()), gradient


def _random_numbers(width: int, hidden: int, random: np.random.Generator) -> Weights:
    return {
        "hidden": random.normal(0.0, width**-0.5, (hidden, width)),
        "hidden_bias": np.zeros(hidden),
        "output": random.normal(0.0, hidden**-0.5, hidden),
        "bias": np.zeros(1),
    }


def _step(
    weights: Weights, gradient: Mapping[str, Numbers], moments: tuple[Weights, Weights], step: int
) -> None:
    """One step of AdamW, in place."""
    first, second = moments
    for name, slope in gradient.items():
        first[name] = 0.9 * first.get(name, 0.0) + 0.1 * slope
        second[name] = 0.999 * second.get(name, 0.0) + 0.001 * slope**2
        mean, square = first[name] / (1 - 0.9**step), second[name] / (1 - 0.999**step)
        decay = DECAY * weights[name] if name in ("hidden", "output") else 0.0
        weights[name] = weights[name] - RATE * (mean / (np.sqrt(square) + 1e-8) + decay)


def _unscaled(weights: Mapping[str, Numbers], mean: Matrix, deviation: Matrix) -> RewardHead:
    """The head for features as they are: the standardisation goes into W and b."""
    hidden = weights["hidden"] / deviation
    return RewardHead(
        output=weights["output"].astype(np.float32),
        bias=float(weights["bias"][0]),
        hidden=hidden.astype(np.float32),
        hidden_bias=(weights["hidden_bias"] - hidden @ mean).astype(np.float32),
    )


def _finished(
    scorer: PairScorer | ContextScorer, losses: Numbers, calibration: Sequence[Example]
) -> FittedReward:
    """With Platt's scaling and τ of the calibration part."""
    right = right_of(calibration)
    rewards = np.clip(rewards_of(scorer, calibration), 1e-12, 1 - 1e-12)
    fitted = platt(np.log(rewards / (1 - rewards)), right)
    calibrated = replace(scorer, calibration=fitted)
    return FittedReward(calibrated, choose_tau(rewards_of(calibrated, calibration), right), losses)
