"""RAG-PRM, the preference reward model (section 3.6): scorers and the filters that use them.

Inference only. ``mmedrag.reward.checkpoint`` reads and writes the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmedrag.errors import CheckpointError, QueryError
from mmedrag.protocols import Ontology
from mmedrag.reward.pair_features import embedding_features, pair_features
from mmedrag.rounding import falling, rounded
from mmedrag.types import Assertion, Case, Evidence, Matrix, Question, Vector

Numbers: TypeAlias = NDArray[np.float64]
"""One number a piece of evidence, shape ``(n,)``."""

TextEncoder: TypeAlias = Callable[[Sequence[str]], Matrix]
"""f_BERT of section 3.6: n texts to shape ``(n, d)``."""


_LEAST = 1e-6  # a reward of 0 or 1 has no log-odds


def sigmoid(x: ArrayLike) -> Numbers:
    """σ(x) = 1 / (1 + e⁻ˣ), without overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * np.asarray(x, dtype=np.float64))


def preference_loss(preferred: ArrayLike, other: ArrayLike) -> Numbers:
    """Eq. 6 for each pair: −log σ(r_i − r_j), where i is the better context.

    The paper puts in σ outputs; their difference is at most 1, so that its loss never falls below
    −log σ(1) = 0.313. We put in logits (Bradley & Terry 1952), where it can reach 0.
    """
    difference = np.subtract(preferred, other, dtype=np.float64)
    return np.asarray(np.logaddexp(0.0, -difference))


@dataclass(frozen=True, slots=True, eq=False)
class RewardHead:
    """The network of section 3.6 up to its logit: wᵀ tanh(W h + b) + b_r (eq. 5).

    ``output`` is w, shape ``(m,)``, and ``bias`` b_r; ``hidden`` is W, shape ``(m, d)``, and
    ``hidden_bias`` b, shape ``(m,)``. Without ``hidden`` the logit is linear: wᵀ h + b_r, d = m.

    Raises:
        CheckpointError: if the shapes do not fit each other, or a number is not finite.
    """

    output: Vector
    bias: float
    hidden: Matrix | None = None
    hidden_bias: Vector | None = None

    def __post_init__(self) -> None:
        layer = [weights for weights in (self.hidden, self.hidden_bias) if weights is not None]
        shapes = [weights.shape for weights in (self.output, *layer)]
        fits = [len(shape) for shape in shapes] in ([1], [1, 2, 1])
        if not fits or len({shape[0] for shape in shapes}) > 1:
            raise _bad(f"The reward weights have shapes {shapes}, which do not fit")
        finite = all(np.isfinite(weights).all() for weights in (self.output, *layer))
        if not finite or not math.isfinite(self.bias):
            raise _bad("The reward weights contain numbers that are not finite")

    @property
    def width(self) -> int:
        """d, the number of features that the head takes."""
        return len(self.output) if self.hidden is None else int(self.hidden.shape[1])

    def logits(self, h: Matrix) -> Numbers:
        """The logit of each row of ``h``, shape ``(n, d)``.

        Raises:
            CheckpointError: if ``d`` is not :attr:`width`.
        """
        if h.shape[1] != self.width:
            raise CheckpointError(
                f"The reward model takes {self.width} numbers a context and was given {h.shape[1]}",
                "Use the encoder that it was trained with, or train it again.",
            )
        z = h.astype(np.float64)
        if self.hidden is not None and self.hidden_bias is not None:
            z = np.tanh(z @ self.hidden.T.astype(np.float64) + self.hidden_bias)  # eq. (5)
        return np.asarray(z @ self.output.astype(np.float64) + self.bias)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt's scaling of a logit, r = σ(scale · logit + shift); 1 / scale is a temperature.

    Raises:
        CheckpointError: if ``scale`` is not above 0 or a number is not finite.
    """

    scale: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not (0.0 < self.scale < math.inf and math.isfinite(self.shift)):
            raise _bad(f"The reward calibration is {self.scale} and {self.shift}")

    def __call__(self, logits: Numbers) -> Numbers:
        """The reward of each logit, in 0…1."""
        return sigmoid(self.scale * logits + self.shift)


class Scorer(Protocol):
    """Anything that gives each piece of evidence a reward in 0…1, shape ``(n,)``."""

    def score(self, question: Question, evidence: Sequence[Evidence]) -> Numbers:
        """The rewards, in the order of the evidence."""
        ...


@dataclass(frozen=True, slots=True)
class ContextScorer:
    """The paper's scorer: r_i = σ(wᵀ tanh(W f_BERT(c_i) + b) + b_r). It never sees the question."""

    encode: TextEncoder
    head: RewardHead
    calibration: Calibration = field(default_factory=Calibration)

    def score(self, question: Question, evidence: Sequence[Evidence]) -> Numbers:
        """The reward of each context, whatever the question."""
        if not evidence:
            return np.zeros(0)
        h = self.encode([e.text for e in evidence])
        return self.calibration(self.head.logits(h))


@dataclass(frozen=True, slots=True)
class PairScorer:
    """A query-aware scorer: the head over :func:`~mmedrag.reward.pair_features.pair_features`.

    With ``embedding_dim`` above 0 the head also takes ``[q, c, q∘c, |q−c|]`` of vectors of that
    size. ``ontology`` tells the features what is a kind of what.
    """

    head: RewardHead
    calibration: Calibration = field(default_factory=Calibration)
    embedding_dim: int = 0
    ontology: Ontology | None = None

    def score(self, question: Question, evidence: Sequence[Evidence]) -> Numbers:
        """The reward of each piece of evidence for this question."""
        h = pair_features(question, evidence, self.ontology)
        if self.embedding_dim:
            h = np.hstack([h, embedding_features(question, evidence)])
        return self.calibration(self.head.logits(h))


RANK_COST = 0.3
"""By how much, in log-odds of reward, a case must beat one that stands a rank before it, to pass
it; chosen on patients who are not reported on (docs/notes/order.md)."""


@dataclass(frozen=True, slots=True)
class RewardFilter:
    """C_selected = {c_i | r_i > τ} (section 3.6). Nothing passes: the list is empty.

    Attributes:
        scorer: gives the rewards.
        tau: the threshold.
        rank_cost: C_selected is a set, so its order is ours to choose. Cases stand by the log-odds
            of their reward, less so much for every rank that they had fallen behind. Infinite: they
            keep their order. Definitions keep their places.

    Raises:
        QueryError: if ``tau`` is not in 0 ≤ τ ≤ 1, or ``rank_cost`` is negative.
    """

    scorer: Scorer
    tau: float = 0.5
    rank_cost: float = math.inf

    def __post_init__(self) -> None:
        _check_tau(self.tau)
        if not self.rank_cost >= 0.0:
            raise QueryError(f"The cost of a rank is {self.rank_cost}", "Give one from 0 up.")

    def keep(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The evidence with a reward above τ, the reward filled in."""
        rewards = rounded(self.scorer.score(question, evidence))
        passed = [
            replace(e, reward=float(r))
            for e, r in zip(evidence, rewards, strict=True)
            if r > self.tau
        ]
        return passed if math.isinf(self.rank_cost) else self._ordered(passed)

    def _ordered(self, passed: Sequence[Evidence]) -> list[Evidence]:
        cases = [e for e in passed if isinstance(e.item, Case)]
        r = np.clip([e.reward or 0.0 for e in cases], _LEAST, 1.0 - _LEAST)
        values = np.log(r / (1.0 - r)) - self.rank_cost * np.arange(len(cases))
        best = iter([cases[i] for i in falling(rounded(values))])
        return [next(best) if isinstance(e.item, Case) else e for e in passed]


@dataclass(frozen=True, slots=True)
class SimilarityThreshold:
    """What stands in for a reward model that has not been trained: the similarity itself.

    A case passes if its cosine to the query (eq. 2) is above ``tau``. A definition was looked up by
    its term, not by resemblance: it passes if its concept is affirmed in the question or in a case
    that passed. The reward shown is the cosine, at least 0 and at most 1; it is **no** probability
    that the evidence is right, and the right ``tau`` depends on the encoder.

    Raises:
        QueryError: if ``tau`` is not in 0 ≤ τ ≤ 1.
    """

    tau: float

    def __post_init__(self) -> None:
        _check_tau(self.tau)

    def keep(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The evidence that passes, in its order."""
        near = {e.key for e in evidence if isinstance(e.item, Case) and e.similarity > self.tau}
        read = [question.mentions, *(e.mentions for e in evidence if e.key in near)]
        affirmed = {
            m.concept for mentions in read for m in mentions if m.assertion == Assertion.AFFIRMED
        }
        return [
            replace(e, reward=min(max(e.similarity, 0.0), 1.0))
            for e in evidence
            if e.key in near or (not isinstance(e.item, Case) and e.item.concept in affirmed)
        ]


@dataclass(frozen=True, slots=True)
class KeepAll:
    """No filter: everything passes and no reward is filled."""

    def keep(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The evidence as it came."""
        return list(evidence)


def _check_tau(tau: float) -> None:
    if not 0.0 <= tau <= 1.0:
        raise QueryError(f"The reward threshold is {tau}", "Give a tau from 0 to 1.")


def _bad(what: str) -> CheckpointError:
    return CheckpointError(what, "Train the reward model again, or get the checkpoint anew.")
