"""How often the cases that look like an image are right: measured on patients held out, then said.

Cases that look alike need not be alike. ``mmedrag eval agreement`` asks about images of patients
whom the searched cases do not hold, and keeps how often a reply or a lead was right at each degree
of the cases' agreement. Without such figures nothing may be claimed of an image.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from mmedrag.errors import CheckpointError
from mmedrag.types import Reply

PRESENCE = ("affirm", "rule out", "normal", "another", "base rate")
NORMALITY = ("affirm", "rule out", "affirm count", "rule out count", "base rate")
"""What presence and normality are judged by, of :func:`mmedrag.answers.support.support_of`. The
similarity of the nearest case is none of it: of sets held out it makes most replies wrong."""

LEAD = ("weight", "margin", "share", "nearest")
"""What a first diagnosis, side or grade is judged by, of
:func:`mmedrag.answers.support.support_of_first`."""

TELLING = 0.25
"""Share of the nearness of cases that affirm a finding below which no odds of it are said: where
hardly any does, how often it was there only shows how often it was asked about."""

LEAST_EXPECTED = 0.1
"""Share of the records of the cases' sources that affirm something, from which on it tells that
none of twenty cases does: where fewer do, none would by chance alone."""

SILENT = 0.02
"""Share of the nearness of cases that may affirm what is said not to be there."""

AGAINST = 0.1
"""Share of the images with such similar cases that had it, up to which that speaks against it."""

_OWN = "cases from the source of this image would help"
_STATING = "cases whose reports say whether it is there would help"
"""What would decide it."""

_HALF = 0.5
FEW = 10
"""Trials below which no share of right ones is given."""


def is_telling(support: Mapping[str, float], *, normality: bool) -> bool:
    """Whether odds are said: of a finding, where cases affirm it; of normality, where they might.

    Sources that hold no normal study say nothing by showing none.
    """
    silent = support["affirm"] <= SILENT and support["expected"] >= LEAST_EXPECTED
    return support["affirm"] >= TELLING or (normality and silent)


@dataclass(frozen=True, slots=True)
class Bin:
    """Trials whose value is at least ``share``: ``right`` of ``of`` were right."""

    share: float
    right: int
    of: int


@dataclass(frozen=True, slots=True)
class Judge:
    """What agreement is worth for one kind of question of yes or no, or one kind of lead.

    ``weights`` (intercept first, then one for each of ``features``) give the probability of yes. A
    reply is given at or above ``yes`` and at or below ``no``; ``right_yes`` and ``right_no`` are
    the shares of such replies that were right. Yes is only said where the nearest case is at least
    as similar as ``nearest``: what comes from elsewhere looks like many things that it is not.
    ``odds`` are, by rising probability, how many images had what was asked for.
    """

    features: tuple[str, ...]
    weights: tuple[float, ...]
    yes: float
    no: float
    right_yes: float
    right_no: float
    nearest: float = 0.0
    odds: Sequence[Bin] = ()

    def probability(self, support: Mapping[str, float]) -> float:
        """Of yes, by logistic regression."""
        values = (support[name] for name in self.features)
        z = self.weights[0] + sum(w * v for w, v in zip(self.weights[1:], values, strict=True))
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, z))))

    def reply(self, support: Mapping[str, float]) -> Reply:
        """Yes, no, or unknown: never yes where more cases rule it out than affirm it."""
        p = self.probability(support)
        is_near = support["nearest"] >= self.nearest
        if support["affirm"] > support["rule out"] and p >= self.yes and is_near:
            return Reply.YES
        return Reply.NO if support["affirm"] < _HALF and p <= self.no else Reply.UNKNOWN

    def tried(self, probability: float) -> Bin | None:
        """The trials of such a probability, where there were enough."""
        fitting = [b for b in self.odds if b.share <= probability]
        return fitting[-1] if fitting and fitting[-1].of >= FEW else None


@dataclass(frozen=True, slots=True)
class Absence:
    """When silence of the similar cases says that an image has not a finding, or is not normal.

    It does where next to none of them affirms it, although at least a share ``expected`` of the
    records of their sources does (:func:`mmedrag.answers.support.expected_share`), and the nearest
    case is at least as similar as ``nearest``: of an image unlike all others, silence says nothing.
    ``right`` is the share of such replies that were right.
    """

    expected: float
    right: float
    nearest: float = 0.0

    def holds(self, support: Mapping[str, float]) -> bool:
        """Whether no is said of a finding, or of normality, of this support."""
        return (
            support["affirm"] <= SILENT
            and support["expected"] >= self.expected
            and support["nearest"] >= self.nearest
        )


NEVER = 1.01
"""A threshold that no probability or share reaches."""

UNTRIED = Absence(NEVER, 0.5)
"""Silence says nothing where it was not measured what it is worth."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What agreement of the similar cases is worth.

    ``presence`` judges whether an image has a finding, ``absence`` whether silence says that it has
    not, ``normality`` whether it is a normal study, ``abnormality`` whether silence says that it is
    none, ``leads`` whether the first of several is right, for each of :data:`LEADS`. ``encoder`` is
    the fingerprint of the embedder that it was measured with; of images whose nearest case is less
    similar than ``known`` nothing was measured.
    """

    presence: Judge
    normality: Judge
    leads: Mapping[str, Judge]
    absence: Absence = UNTRIED
    abnormality: Absence = UNTRIED
    encoder: str = ""
    known: float = 0.0

    def reply(self, support: Mapping[str, float], *, normality: bool = False) -> tuple[Reply, str]:
        """Yes or no of an image, as far as its similar cases can say; else the odds.

        Args:
            support: of :func:`mmedrag.answers.support.support_of`.
            normality: whether it is normality that is asked about.
        """
        judge = self.normality if normality else self.presence
        given = judge.reply(support)
        if given is not Reply.UNKNOWN:
            right = judge.right_yes if given is Reply.YES else judge.right_no
            return given, f"such a reply was right for {right:.0%} of images held out"
        silence = self.abnormality if normality else self.absence
        if silence.holds(support):
            have = "are normal" if normality else "have it"
            return Reply.NO, (
                f"{support['expected']:.0%} of the records of their sources {have} and hardly any "
                f"of these; such a reply was right for {silence.right:.0%} of images held out"
            )
        undecided = Reply.MIXED if support["affirm"] and support["rule out"] else Reply.UNKNOWN
        return undecided, self._why_undecided(judge, support, normality=normality)

    def _why_undecided(self, judge: Judge, support: Mapping[str, float], *, normality: bool) -> str:
        """Why neither yes nor no is said: what is known of such images, or what is missing."""
        if self is UNMEASURED:
            return (
                "it was not measured how often similar cases are right with this encoder; "
                "'mmedrag eval agreement' measures it"
            )
        nearest = f"the nearest case has a similarity of {_down(support['nearest'])}"
        if support["nearest"] < self.known:
            return f"{nearest}, and of images so unlike all cases nothing was measured; {_OWN}"
        had = "were normal" if normality else "had it"
        tells = is_telling(support, normality=normality)
        tried = judge.tried(judge.probability(support)) if tells else None
        if tried is not None and tried.right <= tried.of * AGAINST:
            return f"with such similar cases, {_share(tried)} {had}, which speaks against it"
        # what comes from elsewhere looks like many things that it is not
        if support["affirm"] >= TELLING and support["nearest"] < judge.nearest:
            return (
                f"{nearest}, and what similar cases affirm was right only of images that have one "
                f"at {judge.nearest:.2f} or above; {_OWN}"
            )
        if tried is not None:
            return f"with such similar cases, {_share(tried)} {had}, too few for a yes"
        if tells:
            return "too few images held out had such similar cases to say how often they are right"
        return self._why_silent(support, normality=normality)

    def _why_silent(self, support: Mapping[str, float], *, normality: bool) -> str:
        """Why it is not said to be absent, where few or none of the cases affirm it."""
        are = "are normal" if normality else "affirm it"
        if support["affirm"] > SILENT:
            return f"too few of the nearest cases {are} for a yes, and too many for a no"
        if normality:
            return "that no near case is a normal study is not enough to call an image abnormal"
        if support["rule out"] > SILENT:
            return "too few of the nearest cases rule it out for a no"
        return (
            f"the nearest cases do not mention it, and {_few(support['expected'])} of the "
            f"records of their sources {are}, so that their silence says little; {_STATING}"
        )

    def lead(self, support: Mapping[str, float], kind: str) -> tuple[Reply, str]:
        """Whether the first of several stands out, and how often such a one is right.

        Args:
            support: of :func:`mmedrag.answers.support.support_of_first`.
            kind: what it is, one of :data:`LEADS`.
        """
        judge = self.leads[kind]
        p = judge.probability(support)
        queries = "histories" if kind == TEXT else "images"
        what = f"such a {kind}" if kind in (SIDE, GRADE) else "such a lead"
        if p >= judge.yes:
            return Reply.YES, f"{what} was right for {judge.right_yes:.0%} of {queries} held out"
        tried = judge.tried(p)
        if tried is None:
            return (
                Reply.MIXED,
                f"too few {queries} held out had {what} to say how often it is right",
            )
        if not tried.right:
            return Reply.MIXED, f"{what} was right for none of {tried.of} {queries} held out"
        share = f"{tried.right / tried.of:.0%} of {tried.of} {queries} held out"
        return Reply.MIXED, f"{what} was right for only {share}"


def _down(similarity: float) -> str:
    """With two places, three where they would round it up: 0.739 is below 0.74."""
    places = 2 if round(similarity, 2) <= similarity else 3
    return f"{math.floor(similarity * 10**places) / 10**places:.{places}f}"


def _few(share: float) -> str:
    return f"only {share:.0%}" if share >= 0.01 else "under 1%" if share > 0 else "none"


def _share(tried: Bin) -> str:
    return f"{tried.right / tried.of:.0%} of {tried.of} images held out"


IMAGE, BOTH, TEXT, SIDE, GRADE = "image", "image and text", "text", "side", "grade"
LEADS = (IMAGE, BOTH, TEXT, SIDE, GRADE)
"""First diagnoses by the kind of query, and the side and grade of a finding in an image."""


def _never(features: tuple[str, ...]) -> Judge:
    return Judge(features, (0.0,) * (len(features) + 1), NEVER, 1.0 - NEVER, 0.5, 0.5)


UNMEASURED = Agreement(_never(PRESENCE), _never(NORMALITY), {kind: _never(LEAD) for kind in LEADS})
"""Of an encoder for which nothing was measured: no reply on an image, and no clear lead."""


def shipped() -> Agreement | None:
    """What was measured for the preset that ships; ``None`` where it is not there."""
    file = files("mmedrag") / "answers" / "agreement.json"
    return of_json(json.loads(file.read_text("utf-8"))) if file.is_file() else None


def measured(encoder: str) -> Agreement:
    """What was measured for an encoder; where nothing was, nothing is claimed of an image.

    Args:
        encoder: the fingerprint of the embedder.
    """
    known = shipped()
    return known if known is not None and known.encoder == encoder else UNMEASURED


def of_json(data: Mapping[str, Any]) -> Agreement:
    """From the JSON of :func:`to_json`.

    Raises:
        CheckpointError: it is not of that form.
    """
    try:
        return Agreement(
            presence=_judge(data["presence"]),
            normality=_judge(data["normality"]),
            leads={kind: _judge(lead) for kind, lead in data["leads"].items()},
            absence=Absence(**data["absence"]) if "absence" in data else UNTRIED,
            abnormality=Absence(**data["abnormality"]) if "abnormality" in data else UNTRIED,
            encoder=str(data.get("encoder", "")),
            known=float(data.get("known", 0.0)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"What agreement of similar cases is worth cannot be read ({error!r})",
            "Measure it again: mmedrag eval agreement.",
        ) from None


def _judge(data: Mapping[str, Any]) -> Judge:
    numbers = {name: float(data[name]) for name in _NUMBERS if name in data}
    features, weights = tuple(data["features"]), tuple(data["weights"])
    return Judge(features, weights, odds=_bins(data["odds"]), **numbers)


def _bins(rows: Sequence[Sequence[Any]]) -> list[Bin]:
    return [Bin(*row) for row in rows]


def to_json(agreement: Agreement) -> dict[str, Any]:
    """As plain JSON values."""
    return {
        "presence": _judge_json(agreement.presence),
        "normality": _judge_json(agreement.normality),
        "leads": {kind: _judge_json(judge) for kind, judge in agreement.leads.items()},
        "absence": _absence_json(agreement.absence),
        "abnormality": _absence_json(agreement.abnormality),
        "encoder": agreement.encoder,
        "known": round(agreement.known, 4),
    }


def _absence_json(absence: Absence) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(absence).items()}


_NUMBERS = ("yes", "no", "right_yes", "right_no", "nearest")


def _judge_json(judge: Judge) -> dict[str, Any]:
    return {
        "features": list(judge.features),
        "weights": [round(w, 4) for w in judge.weights],
        **{name: round(getattr(judge, name), 4) for name in _NUMBERS},
        "odds": _rows(judge.odds),
    }


def _rows(bins: Sequence[Bin]) -> list[list[float]]:
    return [[round(b.share, 3), b.right, b.of] for b in bins]
