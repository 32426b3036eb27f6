"""What tuning did to a generator, on pairs and questions of patients that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmedrag.answers.grounding import Fault, Grounding, Judge
from mmedrag.answers.local_model import LanguageModel
from mmedrag.datasets.corpus import codes
from mmedrag.datasets.sampling import evenly_spaced
from mmedrag.measures.bootstrap import PairedTest, paired_test
from mmedrag.progress import Progress, silent
from mmedrag.training.answer_pairs import AnswerPair, by_prompt
from mmedrag.training.likelihood import answer_logits, divergence, log_likelihoods, tokens

PAIRS = 200
"""Held-out pairs that are measured on, at most."""

ANSWER_TOKENS = 400
"""The longest answer that is written to measure."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Written:
    """What answers to held-out questions are worth, by the self-check.

    ``support`` is the share of the claims that one of their marks says the same of,
    ``contradicted`` that of those which one says the opposite of; ``faultless``, ``refused`` and
    ``answered`` are shares of the answers, the last of questions that are to be declined.
    """

    answers: int
    claims: int
    support: float
    contradicted: float
    faultless: float
    refused: float
    answered: float
    words: float

    @classmethod
    def of(cls, verdicts: Sequence[Grounding]) -> Written:
        """Over the verdicts on some answers."""
        claims, n = sum(v.claims for v in verdicts), max(1, len(verdicts))
        share = {f: sum(v.fault is f for v in verdicts) / n for f in Fault}
        return cls(
            answers=len(verdicts),
            claims=claims,
            support=_share(sum(v.supported for v in verdicts), claims),
            contradicted=_share(sum(v.contradicted for v in verdicts), claims),
            faultless=share[Fault.NONE],
            refused=share[Fault.REFUSED],
            answered=share[Fault.ANSWERED],
            words=sum(v.words for v in verdicts) / n,
        )


def _share(count: int, whole: int) -> float:
    return count / whole if whole else float("nan")


@dataclass(frozen=True, slots=True)
class Figures:
    """Before and after tuning, on held-out patients.

    ``prefers`` is the share of the pairs whose chosen answer is likelier a token than the rejected
    one, before and after, ``gain`` their difference. ``moved`` is the share of the pairs whose
    chosen answer gained more (the implicit reward of DPO). ``kinds`` are pairs, before and after by
    kind of fault. ``divergence`` is the KL to the start in nats a token, over what the tuned model
    writes.
    """

    pairs: int
    prefers: tuple[float, float]
    gain: PairedTest
    moved: float
    kinds: Mapping[str, tuple[int, float, float]]
    written: tuple[Written, Written]
    divergence: float

    def data(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        low, high = self.gain.interval
        before, after = self.written
        lines = [
            f"held out: {self.pairs} pairs; the chosen answer is the likelier one in "
            f"{self.prefers[0]:.1%} before, {self.prefers[1]:.1%} after "
            f"({100 * self.gain.difference:+.1f} points, 95 % interval {100 * low:+.1f} to "
            f"{100 * high:+.1f}); it gained more in {self.moved:.1%}",
            *(f"  {kind}: {n} pairs, {was:.1%} before, {now:.1%} after"
              for kind, (n, was, now) in self.kinds.items()),
            f"{before.answers} answers: claims supported {_percent(before.support)} of "
            f"{before.claims} before, {_percent(after.support)} of {after.claims} after; "
            f"contradicted {_percent(before.contradicted)} and {_percent(after.contradicted)}",
            f"  without fault {before.faultless:.1%} and {after.faultless:.1%}, "
            f"refused {before.refused:.1%} and {after.refused:.1%}, answered what is to be "
            f"declined {before.answered:.1%} and {after.answered:.1%}, "
            f"words {before.words:.0f} and {after.words:.0f}",
            f"KL to the start: {self.divergence:.4f} nats a token",
        ]  # fmt: skip
        return "\n".join(lines)


def _percent(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.1%}"


def measure_generator(
    writer: LanguageModel,
    start: Callable[[], AbstractContextManager[object]],
    pairs: Sequence[AnswerPair],
    judge: Judge,
    *,
    answers: int,
    progress: Progress = silent,
) -> Figures:
    """Compare a tuned model with what it was.

    Args:
        writer: the tuned model.
        start: a context within which it is as it was before.
        pairs: held out.
        judge: of the answers that it writes.
        answers: that it writes, at most, each twice.
        progress: told how many more pairs and answers are measured.
    """
    measured = evenly_spaced(pairs, PAIRS)
    after = _likelihoods(writer, measured, progress)
    with start():
        before = _likelihoods(writer, measured, progress)
    groups = codes(pair.prompt_key for pair in measured)
    preferred = [(of[:, 0] > of[:, 1]).astype(np.float64) for of in (before, after)]
    sample = evenly_spaced(by_prompt(pairs), answers)
    texts = _answers(writer, sample, progress)
    with start():
        earlier = _answers(writer, sample, progress)
    return Figures(
        pairs=len(measured),
        prefers=(float(preferred[0].mean()), float(preferred[1].mean())),
        gain=paired_test(preferred[1], preferred[0], groups),
        moved=float(np.mean(after[:, 2] - before[:, 2] > after[:, 3] - before[:, 3])),
        kinds=_by_kind(measured, *preferred),
        written=(_judged(sample, earlier, judge), _judged(sample, texts, judge)),
        divergence=_divergence(writer, start, sample, texts),
    )


def _likelihoods(writer: LanguageModel, pairs: Sequence[AnswerPair], progress: Progress) -> Floats:
    """Log-likelihoods of chosen and rejected, a token and in sum, ``(n, 4)``."""
    rows = []
    for pair in pairs:
        both = [
            log_likelihoods(writer, tokens(writer, pair.prompt, text))
            for text in (pair.chosen, pair.rejected)
        ]
        rows.append([*(float(of.mean()) for of in both), *(float(of.sum()) for of in both)])
        progress(1)
    return np.array(rows)


def _by_kind(
    pairs: Sequence[AnswerPair], before: Floats, after: Floats
) -> dict[str, tuple[int, float, float]]:
    kinds = np.array([f"{pair.origin}, {pair.fault}" for pair in pairs])
    return {
        str(kind): (
            int((kinds == kind).sum()),
            float(before[kinds == kind].mean()),
            float(after[kinds == kind].mean()),
        )
        for kind in np.unique(kinds)
    }


def _answers(writer: LanguageModel, sample: Sequence[AnswerPair], progress: Progress) -> list[str]:
    texts = []
    for pair in sample:
        texts.append("".join(writer.write(pair.prompt, max_tokens=ANSWER_TOKENS)))
        progress(1)
    return texts


def _judged(sample: Sequence[AnswerPair], texts: Sequence[str], judge: Judge) -> Written:
    return Written.of([p.judged(text, judge) for p, text in zip(sample, texts, strict=True)])


def _divergence(
    writer: LanguageModel,
    start: Callable[[], AbstractContextManager[object]],
    sample: Sequence[AnswerPair],
    texts: Sequence[str],
) -> float:
    """The mean over answers that the tuned model wrote; NaN where it wrote none."""
    values = []
    for pair, text in zip(sample, texts, strict=True):
        if text.strip():
            written = tokens(writer, pair.prompt, text)
            now = answer_logits(writer, written)
            with start():
                before = answer_logits(writer, written)
            values.append(divergence(before, now))
    return float(np.mean(values)) if values else float("nan")
