"""The temperature and the threshold of a routing head, by sources that it has not learned from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmedrag.modality import NOT_MEDICAL, Head
from mmedrag.training.softmax import Examples, best_temperature, fit_head, softmax

FOLDS = 8
"""Sources are left out in so many turns, to see what a head says of what it has not met."""

THRESHOLDS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
"""Of the probability above which a picture is called not medical, the lowest first."""


def calibrated_head(classes: tuple[str, ...], examples: Examples, folds: int = FOLDS) -> Head:
    """A head whose temperature fits sources (sets, families) that it has not learned from.

    It has the least log loss over the logits of :func:`left_out` (Guo et al. 2017, but under a
    shift of data sets, as it is in use). Where no row is judged there, the temperature is 1.
    """
    logits, judged = left_out(len(classes), examples, folds)
    return _fitted(classes, examples, logits, judged)


def head_and_threshold(
    classes: tuple[str, ...], examples: Examples, folds: int = FOLDS
) -> tuple[Head, float]:
    """:func:`calibrated_head`, and the probability above which a picture is not medical."""
    logits, judged = left_out(len(classes), examples, folds)
    head = _fitted(classes, examples, logits, judged)
    outside = softmax(logits / head.temperature)[:, classes.index(NOT_MEDICAL)]
    return head, refusal_threshold(outside, judged, classes.index(NOT_MEDICAL))


def refusal_threshold(outside: NDArray[np.float32], examples: Examples, not_medical: int) -> float:
    """The threshold of :data:`THRESHOLDS` with the fewest mistakes of both kinds (Youden 1950).

    Medical images that are refused and pictures that pass are shares, each a mean over sources,
    every one of which was left out when its rows were judged. Of equals the highest.

    Args:
        outside: the probability of "not medical" by row, ``(n,)``.
        examples: the rows.
        not_medical: the number of that class.
    """
    sources = np.array(_sources(examples))
    medical = examples.classes != not_medical

    def refused(of: NDArray[np.bool_], threshold: float) -> float:
        shares = [np.mean(outside[of & (sources == s)] > threshold) for s in set(sources[of])]
        return float(np.mean(shares)) if shares else 0.0

    def mistakes(threshold: float) -> tuple[float, float]:
        both = refused(medical, threshold) - refused(~medical, threshold)
        return round(both, 9), -threshold

    return min(THRESHOLDS, key=mistakes)


def left_out(
    classes: int, examples: Examples, folds: int = FOLDS
) -> tuple[NDArray[np.float32], Examples]:
    """What heads say of sources that they have not learned from, each left out in turn.

    Rows whose class no other source has say nothing of a head, and are not judged.

    Returns:
        Logits ``(m, classes)`` of the judged rows, and those rows.
    """
    sources = _sources(examples)
    fold_of = {source: i % folds for i, source in enumerate(sorted(set(sources)))}
    fold = np.array([fold_of[source] for source in sources])
    logits = np.zeros((len(fold), classes), np.float32)
    judged = np.zeros(len(fold), np.bool_)
    for out in set(fold_of.values()):
        rest = examples.only(fold != out)
        judged |= (fold == out) & np.isin(examples.classes, rest.classes)
        if len(rest.rows):
            weight, bias = fit_head(rest, classes)
            logits[fold == out] = examples.rows[fold == out] @ weight.T + bias
    return logits[judged], examples.only(judged)


def _fitted(
    classes: tuple[str, ...], examples: Examples, logits: NDArray[np.float32], judged: Examples
) -> Head:
    weight, bias = fit_head(examples, len(classes))
    fits = best_temperature(logits, judged) if len(judged.rows) else 1.0
    return Head(classes, weight, bias, fits)


def _sources(examples: Examples) -> list[str]:
    return [group.partition(": ")[0] for group in examples.groups]
