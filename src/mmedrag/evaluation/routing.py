"""How good the verdicts of a modality classifier are: shares, calibration, out-of-domain, cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmedrag.measures.probabilities import Bins, auroc, calibration_bins
from mmedrag.modality import NOT_MEDICAL
from mmedrag.types import Matrix, Routing

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a classifier said of one picture.

    ``truth`` is the name of a domain or :data:`~mmedrag.modality.NOT_MEDICAL`; ``source`` the set
    or the kind of picture; ``kind`` what makes its neighbours relevant (set and label).
    """

    source: str
    truth: str
    routing: Routing
    kind: str = ""
    patient: str = ""


def shares(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """What became of medical images: routed right, routed wrong, undecided, called not medical.

    An undecided image is searched in every domain; one that is called not medical is not searched.
    """
    n = max(1, len(verdicts))
    decided = [v for v in verdicts if v.routing.decision is not None]
    right = sum(str(v.routing.decision) == v.truth for v in decided)
    refused = sum(not v.routing.medical for v in verdicts)
    return {
        "n": len(verdicts),
        "right": right / n,
        "wrong": (len(decided) - right) / n,
        "undecided": (len(verdicts) - len(decided) - refused) / n,
        "not_medical": refused / n,
    }


def reliability(verdicts: Sequence[Verdict], bins: int = 10) -> Bins:
    """The probability of the best class against how often it is the true one."""
    scored = [v for v in verdicts if v.routing.scores]
    best = [max((score, name) for name, score in v.routing.scores.items()) for v in scored]
    predicted = [score for score, _ in best]
    right = [name == v.truth for v, (_, name) in zip(scored, best, strict=True)]
    return calibration_bins(np.array(predicted, np.float64), np.array(right, bool), bins)


def outside(verdicts: Sequence[Verdict]) -> Floats:
    """How much a picture looks like none of the domains, ``(n,)``.

    The probability of "not medical"; of a classifier without that class, 1 - its best probability.
    """
    return np.array(
        [
            v.routing.scores.get(NOT_MEDICAL, 1 - max(v.routing.scores.values(), default=1.0))
            for v in verdicts
        ],
        np.float64,
    )


def out_of_domain(medical: Sequence[Verdict], others: Sequence[Verdict]) -> dict[str, float]:
    """AUROC of :func:`outside` for pictures that are not medical, and how many are refused."""
    scores = outside([*medical, *others])
    foreign = np.arange(len(scores)) >= len(medical)
    refused = [not v.routing.medical for v in others]
    return {
        "n": len(others),
        "AUROC": auroc(scores, foreign),
        "refused": float(np.mean(refused)) if refused else float("nan"),
    }


def misrouting(verdicts: Sequence[Verdict], rows: Matrix, k: int = 5) -> dict[str, Any]:
    """What routing costs or gains in retrieval: precision@k of each image among all the others.

    A neighbour is relevant where it is of the same ``kind``; images of the same patient are left
    out. ``routed`` searches where the verdict says, ``all domains`` everywhere, ``true domain``
    where the image belongs. ``lost`` is what the images that were routed wrong or refused lose
    against a search over all domains.

    Args:
        verdicts: of medical images.
        rows: their unit vectors, ``(n, dim)``.
        k: of precision.
    """
    truth = np.array([v.truth for v in verdicts])
    similarities = _without_own_patient(rows @ rows.T, [v.patient for v in verdicts])
    kinds = np.array([v.kind for v in verdicts])
    relevant = kinds[:, None] == kinds[None]
    everywhere = np.ones_like(relevant)
    home = truth[:, None] == truth[None]
    routed = np.stack([_searched(v.routing, truth) for v in verdicts])
    precision = {
        name: _precision(similarities, relevant, where, k)
        for name, where in (("all domains", everywhere), ("routed", routed), ("true domain", home))
    }
    astray = np.array([_astray(v) for v in verdicts])
    lost = precision["all domains"] - precision["routed"]
    return {
        "k": k,
        "precision": {name: float(values.mean()) for name, values in precision.items()},
        "astray": int(astray.sum()),
        "lost": float(lost[astray].mean()) if astray.any() else 0.0,
    }


def _astray(verdict: Verdict) -> bool:
    decision = verdict.routing.decision
    return not verdict.routing.medical or (decision is not None and str(decision) != verdict.truth)


def _searched(routing: Routing, truth: NDArray[np.str_]) -> NDArray[np.bool_]:
    if not routing.medical:
        return np.zeros(len(truth), np.bool_)
    if routing.decision is None:
        return np.ones(len(truth), np.bool_)
    return np.asarray(truth == str(routing.decision))


def _without_own_patient(similarities: Matrix, patients: Sequence[str]) -> Matrix:
    names = np.array(patients)
    own = (names[:, None] == names[None]) & (names != "")[:, None]
    np.fill_diagonal(own, True)
    kept: Matrix = np.where(own, -np.inf, similarities).astype(np.float32)
    return kept


def _precision(
    similarities: Matrix, relevant: NDArray[np.bool_], where: NDArray[np.bool_], k: int
) -> Floats:
    """Precision@k of each row among the columns ``where``; what is not found is not relevant."""
    scores = np.where(where, similarities, -np.inf)
    top = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    taken = np.take_along_axis(relevant, top, axis=1)
    taken &= np.isfinite(np.take_along_axis(scores, top, axis=1))
    precision: Floats = taken.sum(axis=1) / k
    return precision
