"""What a phantom can show: kinds of view, findings, and how often they come together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

SEVERITIES = ("mild", "moderate", "severe")
AMOUNT: Mapping[str, float] = {"mild": 0.35, "moderate": 0.65, "severe": 1.0}
"""How much of a finding is drawn, by severity."""

FINDINGS: Mapping[str, tuple[str, ...]] = {
    "chest": ("consolidation", "pleural effusion", "pneumothorax", "cardiomegaly", "nodule",
              "mass"),
    "bone": ("hairline fracture", "displaced fracture", "lytic lesion"),
    "tissue": ("adenocarcinoma", "necrosis", "inflammation", "mitotic figures"),
    "smear": ("target cells", "sickle cells", "hypochromia"),
    "fundus": ("haemorrhages", "hard exudates", "cotton wool spots", "drusen", "disc swelling",
               "enlarged cup"),
}  # fmt: skip
"""The findings that are drawn, by kind of view."""

LOBES: Mapping[str, tuple[str, ...]] = {
    "right": ("upper lobe", "middle lobe", "lower lobe"),
    "left": ("upper lobe", "lower lobe"),
}
BONES: Mapping[str, tuple[str, ...]] = {
    "forearm": ("radial shaft", "ulnar shaft"),
    "lower leg": ("tibial shaft", "fibular shaft"),
    "thigh": ("femoral shaft",),
    "hand": ("second metacarpal", "fifth metacarpal", "distal radius"),
}
CORNERS = ("upper left", "upper right", "lower left", "lower right")
QUADRANTS = ("superotemporal", "inferotemporal", "superonasal", "inferonasal")

_NORMAL = 0.22
_INCOMPATIBLE = (
    {"disc swelling", "enlarged cup"},
    {"nodule", "mass"},
    {"hairline fracture", "displaced fracture"},
    {"hairline fracture", "lytic lesion"},
    {"displaced fracture", "lytic lesion"},
)


@dataclass(frozen=True, slots=True)
class View:
    """What is looked at: its kind (a key of ``FINDINGS``), the body part, and the side if any."""

    kind: str
    region: str
    side: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. ``side`` is the patient's; ``certainty`` is how firmly the report says it."""

    name: str
    side: str | None = None
    location: str | None = None
    severity: str | None = None
    present: bool = True
    certainty: str = "definite"

    @property
    def amount(self) -> float:
        """How much of it is drawn, in (0, 1]."""
        return AMOUNT[self.severity or "moderate"]

    def as_record(self) -> dict[str, Any]:
        """The finding as it stands in ``meta`` of a record."""
        return asdict(self)


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def sample_view(rng: np.random.Generator, kind: str) -> View:
    """A view of this kind; body part and side by chance."""
    side = _pick(rng, ("right", "left"))
    if kind == "bone":
        return View(kind, _pick(rng, tuple(BONES)), side)
    if kind == "fundus":
        return View(kind, "retina", side)
    return View(kind, {"chest": "chest", "tissue": "colon", "smear": "blood"}[kind])


def _side_and_location(
    rng: np.random.Generator, view: View, name: str
) -> tuple[str | None, str | None]:
    """Side and location of a finding in this view."""
    side = _pick(rng, ("right", "left"))
    if name in ("consolidation", "nodule", "mass"):
        return side, _pick(rng, LOBES[side])
    if name in ("pleural effusion", "pneumothorax"):
        return side, "costophrenic angle" if name == "pleural effusion" else "apex"
    if view.kind == "bone":
        return view.side, _pick(rng, BONES[view.region])
    if view.kind == "tissue":
        return None, _pick(rng, CORNERS) if name in ("necrosis", "inflammation") else "diffuse"
    if name in ("haemorrhages", "hard exudates", "cotton wool spots"):
        return view.side, _pick(rng, QUADRANTS)
    if view.kind == "fundus":
        return view.side, "macula" if name == "drusen" else "optic disc"
    return None, None


def _names(rng: np.random.Generator, kind: str) -> list[str]:
    """Which findings a view shows together."""
    if rng.random() < _NORMAL:
        return []
    if kind == "tissue":
        if rng.random() < 0.35:
            return ["inflammation"]
        extra = [n for n in FINDINGS[kind][1:] if rng.random() < 0.4]
        return ["adenocarcinoma", *extra]
    count = 1 + int(rng.random() < 0.35) + int(rng.random() < 0.1)
    chosen: list[str] = []
    for name in rng.permutation(np.array(FINDINGS[kind])).tolist():
        if len(chosen) < count and not any({name, c} in _INCOMPATIBLE for c in chosen):
            chosen.append(name)
    return chosen


def sample_findings(rng: np.random.Generator, view: View) -> tuple[Finding, ...]:
    """Findings by chance, in the order of ``FINDINGS``; empty for a normal view.

    Findings of a chest film with a side fall on different sides where both sides are free, so that
    each can be told from its mirror image.
    """
    names = sorted(_names(rng, view.kind), key=FINDINGS[view.kind].index)
    findings: list[Finding] = []
    for name in names:
        side, location = _side_and_location(rng, view, name)
        if view.kind == "chest" and any(f.side == side for f in findings if f.side):
            side = "left" if side == "right" else "right"
            location = "upper lobe" if location == "middle lobe" else location
        if side and view.kind == "chest" and any(f.side == side for f in findings):
            continue
        severity = _pick(rng, SEVERITIES)
        unsure = severity == "mild" and rng.random() < 0.4
        findings.append(
            Finding(name, side, location, severity, certainty="possible" if unsure else "definite")
        )
    return tuple(findings)


def progressed(
    rng: np.random.Generator, findings: tuple[Finding, ...]
) -> tuple[tuple[Finding, ...], str]:
    """The same findings at a later date, and the course: improved, worsened or unchanged."""
    levels = [SEVERITIES.index(f.severity or "moderate") for f in findings]
    choices = ["unchanged"]
    if min(levels) > 0:
        choices.append("improved")
    if max(levels) < 2:
        choices.append("worsened")
    course = _pick(rng, tuple(choices))
    step = {"unchanged": 0, "improved": -1, "worsened": 1}[course]
    later = tuple(
        replace(f, severity=SEVERITIES[level + step])
        for f, level in zip(findings, levels, strict=True)
    )
    return later, course


def absent(view: View, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings of this kind of view that are not there."""
    shown = {f.name for f in findings}
    return tuple(Finding(n, present=False) for n in FINDINGS[view.kind] if n not in shown)


def lesion_rng(anatomy: int, name: str) -> np.random.Generator:
    """The source of one finding's shape: the same in every film of the same anatomy."""
    kinds = [n for names in FINDINGS.values() for n in names]
    return np.random.default_rng([anatomy, 1, kinds.index(name)])
