"""Section 3.5 learned: the first cases of stage 1 in an order fitted to graded questions.

Cosine compares pictures with pictures and texts with texts. What tells a good case is spread over
more: what its report says of the question's concepts, whether the other cases near the query agree
with it, whether it lies in their middle. A linear model adds that up, one for questions by text,
one by image, one by both. It is fitted listwise (Cao et al. 2007, ListNet) by
``recipes/rescorer.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmedrag.checkpoint import read_checkpoint
from mmedrag.errors import CheckpointError
from mmedrag.measures.cosines import unit_rows
from mmedrag.ranking.agreement import below_best, owners, shared_findings
from mmedrag.rounding import falling, rounded
from mmedrag.types import Case, Evidence, Matrix, Question

KIND = "rescorer"
FORMS = ("text", "image", "both")
"""What a question is asked by; each has weights of its own."""

NARROW, WIDE = 0.3, 1.2
"""How far below the best a case still votes, in standard deviations of relevance."""

LIST_FEATURES = ("nearness", "narrow_votes", "wide_votes", "centre", "modality_share")
"""Names of the columns of :func:`list_features`."""

PairFeatures: TypeAlias = Callable[[Question, Sequence[Evidence]], Matrix]
"""What stands in a question and a case beside each other, ``(n, m)``."""


def list_features(evidence: Sequence[Evidence]) -> Matrix:
    """What a case is among the others that were found, float32 ``(n, len(LIST_FEATURES))``.

    ================ ===========================================================================
    nearness         relevance below the best, in standard deviations
    narrow_votes     weighted share of findings that the nearest other patients have in common
                     with it, below the best, in standard deviations
    wide_votes       the same with a wider reach
    centre           mean cosine to the nearest other patients, in standard deviations
    modality_share   share of the first ten that are of its modality
    ================ ===========================================================================

    Args:
        evidence: cases alone, in the order of stage 1.
    """
    if not evidence:
        return np.zeros((0, len(LIST_FEATURES)), np.float32)
    cases = [e.item for e in evidence if isinstance(e.item, Case)]
    nearness = below_best([e.relevance for e in evidence])
    codes = owners(cases)
    foreign = codes[:, np.newaxis] != codes
    narrow, wide = (np.where(foreign, np.exp(nearness / w), 0.0) for w in (NARROW, WIDE))
    jaccard = shared_findings(list(zip(evidence, cases, strict=True)))
    unit = unit_rows(np.stack([e.vector for e in evidence]))
    modalities = [case.modality for case in cases]
    first = modalities[:10]
    columns = (
        nearness,
        below_best(_weighted(narrow, jaccard)),
        below_best(_weighted(wide, jaccard)),
        _standardised(_weighted(narrow, unit @ unit.T)),
        [first.count(modality) / len(first) for modality in modalities],
    )
    return np.stack([np.asarray(column, np.float32) for column in columns], axis=1)


def form_of(question: Question) -> str:
    """One of :data:`FORMS`."""
    if question.query.image is None:
        return "text"
    return "both" if question.query.text.strip() else "image"


@dataclass(frozen=True, slots=True, eq=False)
class LearnedOrder:
    """Sorts cases by the weighted sum of :func:`list_features` and of pair features.

    Args:
        weights: by form, ``(len(LIST_FEATURES) + m,)`` each.
        pair_features: of a question and cases, ``(n, m)``.

    Fills :attr:`Evidence.centrality` with the softmax of the scores: the share of the list's grades
    that the model expects of a case. Definitions stay where they are.
    """

    weights: Mapping[str, NDArray[np.float32]]
    pair_features: PairFeatures

    def rerank(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The evidence by falling score; ties keep the order they came in."""
        cases = [e for e in evidence if isinstance(e.item, Case)]
        if not cases:
            return list(evidence)
        columns = np.hstack([list_features(cases), self.pair_features(question, cases)])
        scores = rounded(columns.astype(np.float64) @ self.weights[form_of(question)])
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        ranked = iter([replace(cases[i], centrality=float(shares[i])) for i in falling(scores)])
        return [next(ranked) if isinstance(e.item, Case) else e for e in evidence]


def load_rescorer(folder: Path, pair_features: PairFeatures, names: Sequence[str]) -> LearnedOrder:
    """Read a checkpoint of kind ``rescorer``.

    Args:
        folder: with ``weights.safetensors`` and ``config.json``.
        pair_features: the same as it was fitted with.
        names: of their columns.

    Raises:
        UntrainedError: where there is none.
        CheckpointError: where it is damaged or was fitted to other features.
    """
    checkpoint = read_checkpoint(folder, KIND)
    checkpoint.require_settings({"features": list})
    features = [*LIST_FEATURES, *names]
    if checkpoint.settings["features"] != features:
        raise CheckpointError(
            f"The rescorer {folder} was fitted to other features", "Fit it again to these."
        )
    checkpoint.require({form: (len(features),) for form in FORMS})
    return LearnedOrder(checkpoint.tensors, pair_features)


def _weighted(weights: NDArray[np.float64], values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Of each row the weighted mean, ``(n,)``; 0 where nothing weighs."""
    return np.asarray((weights * values).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-6))


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-6))
