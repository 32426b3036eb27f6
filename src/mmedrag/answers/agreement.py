"""How often the neighbours of an image are right: measured on patients held out, then said.

Cases that look alike need not be alike. ``mmedrag eval agreement`` asks about images of patients
whom the searched cases do not hold, and keeps how often a reply or a lead was right at each degree
of the neighbours' agreement. Without such figures nothing may be claimed of an image.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from mmedrag.types import Candidate, Prevalence, Reply

FEATURES = ("affirm", "rule out", "in doubt", "base rate")
"""Of a finding: shares of the cases that say so, and the log-odds of its rate in the corpus."""

FEW = 10
"""Leads that must have been tried before their share of right ones is told."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Leads whose share of the cases is at least ``share``: ``right`` of ``of`` were right."""

    share: float
    right: int
    of: int

    @property
    def rate(self) -> float:
        """How often such a lead is right, drawn to one half where few were tried."""
        return (self.right + 1) / (self.of + 2)


@dataclass(frozen=True, slots=True)
class Judge:
    """What agreement is worth for one kind of question of yes or no.

    ``weights`` (intercept first, then one a feature) give the probability of yes. A reply is given
    at or above ``yes`` and at or below ``no``; ``right_yes`` and ``right_no`` are the shares of
    such replies that were right.
    """

    weights: tuple[float, ...]
    yes: float
    no: float
    right_yes: float
    right_no: float

    def probability(self, values: Sequence[float]) -> float:
        """Of yes, by logistic regression."""
        z = self.weights[0] + sum(w * v for w, v in zip(self.weights[1:], values, strict=True))
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, z))))


@dataclass(frozen=True, slots=True)
class Agreement:
    """What agreement of the neighbours is worth.

    ``presence`` judges whether an image has a finding, ``normality`` whether it is a normal study.
    ``leads`` are by rising share, for an image alone and for an image with a text.
    """

    presence: Judge
    normality: Judge
    leads: Mapping[str, Sequence[Bin]]
    clear: float = 0.5

    def reply(
        self,
        counts: tuple[int, int, int],
        of: int,
        rate: Prevalence | None,
        *,
        normality: bool = False,
    ) -> tuple[Reply, str]:
        """Yes or no of an image, as far as its neighbours can say.

        Args:
            counts: cases that affirm it, rule it out, and doubt it.
            of: cases in all.
            rate: its base rate.
            normality: whether it is normality that is asked about.
        """
        judge = self.normality if normality else self.presence
        yes, no, _ = counts
        p = judge.probability(features(*counts, of, rate))
        if yes and p >= judge.yes:
            return Reply.YES, f"such a reply was right for {judge.right_yes:.0%} of images held out"
        if of > yes and p <= judge.no:
            return Reply.NO, f"such a reply was right for {judge.right_no:.0%} of images held out"
        if yes and no:
            return Reply.MIXED, "the cases differ, and images that look alike decide nothing here"
        return Reply.UNKNOWN, "the agreement of images that look alike is too small to reply"

    def lead(self, first: Candidate, *, has_text: bool) -> tuple[Reply, str]:
        """Whether the first diagnosis is a clear lead, and how often such a one is right."""
        rate = self.lead_rate(len(first.keys) / max(1, first.of), has_text=has_text)
        if rate >= self.clear:
            return Reply.YES, f"such a lead was right for {rate:.0%} of images held out"
        return Reply.MIXED, f"no clear lead: such a one was right for {rate:.0%} of images held out"

    def lead_rate(self, share: float, *, has_text: bool) -> float:
        """How often a lead that this share of the cases has is right.

        Where few such leads were tried, those of smaller shares are counted with them.
        """
        bins = self.leads["image and text" if has_text else "image"]
        right, of = 0, 0
        for b in reversed([b for b in bins if b.share <= share + 1e-9]):
            right, of = right + b.right, of + b.of
            if of >= FEW:
                break
        return Bin(share, right, of).rate


def features(yes: int, no: int, unsure: int, of: int, rate: Prevalence | None) -> tuple[float, ...]:
    """The values of :data:`FEATURES`."""
    affirmed = (rate.affirmed + 0.5) / (rate.of + 1.0) if rate is not None else 0.05
    n = max(1, of)
    return yes / n, no / n, unsure / n, math.log(affirmed / max(1e-9, 1.0 - affirmed))


def shipped() -> Agreement | None:
    """What was measured for the preset that ships; ``None`` where it is not there."""
    file = files("mmedrag") / "answers" / "agreement.json"
    return of_json(json.loads(file.read_text("utf-8"))) if file.is_file() else None


def read(path: Path) -> Agreement:
    """An agreement that ``mmedrag eval agreement --into FILE`` wrote."""
    return of_json(json.loads(path.read_text("utf-8")))


def of_json(data: Mapping[str, Any]) -> Agreement:
    """From the JSON of :func:`to_json`."""
    return Agreement(
        presence=_judge(data["presence"]),
        normality=_judge(data["normality"]),
        leads={kind: [Bin(*row) for row in rows] for kind, rows in data["leads"].items()},
        clear=data["clear"],
    )


def _judge(data: Mapping[str, Any]) -> Judge:
    rest = (data[name] for name in ("yes", "no", "right_yes", "right_no"))
    return Judge(tuple(data["weights"]), *rest)


def to_json(agreement: Agreement) -> dict[str, Any]:
    """As plain JSON values."""
    return {
        "features": list(FEATURES),
        "presence": _judge_json(agreement.presence),
        "normality": _judge_json(agreement.normality),
        "leads": {
            kind: [[round(b.share, 3), b.right, b.of] for b in bins]
            for kind, bins in agreement.leads.items()
        },
        "clear": agreement.clear,
    }


def _judge_json(judge: Judge) -> dict[str, Any]:
    rest = {n: round(getattr(judge, n), 4) for n in ("yes", "no", "right_yes", "right_no")}
    return {"weights": [round(w, 4) for w in judge.weights], **rest}
