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
class Agreement:
    """What agreement of the neighbours is worth.

    ``weights`` (intercept first, then one a feature) give the probability that an image has a
    finding. A reply is given at or above ``yes`` and at or below ``no``; ``right_yes`` and
    ``right_no`` are the shares of such replies that were right. ``leads`` are by rising share, for
    an image alone and for an image with a text.
    """

    weights: tuple[float, ...]
    yes: float
    no: float
    right_yes: float
    right_no: float
    leads: Mapping[str, Sequence[Bin]]
    clear: float = 0.5

    def reply(
        self, yes: int, no: int, unsure: int, of: int, rate: Prevalence | None
    ) -> tuple[Reply, str]:
        """Whether an image has a finding, as far as its neighbours can say."""
        p = self.probability(features(yes, no, unsure, of, rate))
        if yes and p >= self.yes:
            return Reply.YES, f"such a reply was right for {self.right_yes:.0%} of images held out"
        if no + of - yes - unsure and p <= self.no:
            return Reply.NO, f"such a reply was right for {self.right_no:.0%} of images held out"
        if yes and no:
            return Reply.MIXED, "the cases differ, and images that look alike decide nothing here"
        return Reply.UNKNOWN, "the agreement of images that look alike is too small to reply"

    def probability(self, values: Sequence[float]) -> float:
        """Of the finding, by logistic regression."""
        z = self.weights[0] + sum(w * v for w, v in zip(self.weights[1:], values, strict=True))
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, z))))

    def lead(self, first: Candidate, *, has_text: bool) -> tuple[Reply, str]:
        """Whether the first diagnosis is a clear lead, and how often such a one is right."""
        rate = self.lead_rate(len(first.keys) / max(1, first.of), has_text=has_text)
        if rate >= self.clear:
            return Reply.YES, f"such a lead was right for {rate:.0%} of images held out"
        return Reply.MIXED, f"no clear lead: such a one was right for {rate:.0%} of images held out"

    def lead_rate(self, share: float, *, has_text: bool) -> float:
        """How often a lead that this share of the cases has is right."""
        bins = self.leads["image and text" if has_text else "image"]
        return [b.rate for b in bins if b.share <= share + 1e-9][-1]


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
    presence = data["presence"]
    return Agreement(
        weights=tuple(presence["weights"]),
        yes=presence["yes"],
        no=presence["no"],
        right_yes=presence["right_yes"],
        right_no=presence["right_no"],
        leads={kind: [Bin(*row) for row in rows] for kind, rows in data["leads"].items()},
        clear=data["clear"],
    )


def to_json(agreement: Agreement) -> dict[str, Any]:
    """As plain JSON values."""
    return {
        "presence": {
            "features": FEATURES,
            "weights": [round(w, 4) for w in agreement.weights],
            "yes": round(agreement.yes, 4),
            "no": round(agreement.no, 4),
            "right_yes": round(agreement.right_yes, 4),
            "right_no": round(agreement.right_no, 4),
        },
        "leads": {
            kind: [[round(b.share, 3), b.right, b.of] for b in bins]
            for kind, bins in agreement.leads.items()
        },
        "clear": agreement.clear,
    }
