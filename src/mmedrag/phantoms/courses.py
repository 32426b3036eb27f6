"""Synthetic courses: chest films of one patient over time, with the truth of every change.

A patient has one finding that takes a course over three studies. The same anatomy is drawn with
more or less of it, or without. Each report says what its study shows; half of the follow-ups also
use a word of change, the others leave the change to be seen from what both reports assert.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmedrag.durability import write_durably
from mmedrag.errors import CorpusError
from mmedrag.phantoms.corpus import LICENCE, SOURCE, draw
from mmedrag.phantoms.findings import SEVERITIES, Finding, View
from mmedrag.phantoms.reports import expand
from mmedrag.types import Trend

COURSES: Mapping[str, tuple[int, int, int]] = {
    "resolving": (2, 1, 0), "resolved early": (1, 0, 0), "worsening": (1, 2, 3),
    "improving": (3, 2, 1), "stable": (2, 2, 2), "new": (0, 1, 1), "relapsing": (2, 0, 2),
}  # fmt: skip
"""How much of the finding three studies show: 0 is none, 3 severe."""

_SITES: Mapping[str, tuple[str, str]] = {
    "consolidation": ("{right|left}", "lower lobe"),
    "pleural effusion": ("{right|left}", "costophrenic angle"),
    "pneumothorax": ("{right|left}", "apex"),
}
_SHOWN = (
    "{There is|The film shows|Seen is} a {<much> |}<side> <name>",
    "{<Much> <name>|<Name>} on the <side>",
)
_NONE = ("No <name>", "{There is no|No evidence of} <name>", "The lungs are clear, without <name>")
_CHANGED: Mapping[Trend, tuple[str, ...]] = {
    Trend.WORSE: ("The <side> <name> has {increased|progressed|become larger}",
                  "{Interval increase of|Worsening|Enlarging} <side> <name>",
                  "<Name> on the <side>, {now more extensive|bigger than before|larger}"),
    Trend.BETTER: ("The <side> <name> has {decreased|improved|become smaller}",
                   "{Interval decrease of|Improving|Partly resolved} <side> <name>",
                   "<Name> on the <side>, {now less extensive|receding|smaller}"),
    Trend.UNCHANGED: ("{Unchanged|Stable|Persistent} <side> <name>",
                      "The <side> <name> {has not changed|is as before|is stable}"),
    Trend.NEW: ("New <side> <name>", "A <side> <name> has {developed|appeared}"),
    Trend.RESOLVED: ("The <name> has {resolved|cleared|disappeared}",
                     "<Name> is no longer {seen|visible}", "Complete resolution of the <name>"),
}  # fmt: skip
_OTHER = ("The heart is of normal size.", "The bones are intact.", "Supine film.", "")


@dataclass(frozen=True, slots=True)
class _Step:
    """A study of a course: its day, how much it shows, and the change since the one before."""

    day: int
    amount: int
    trend: Trend | None


def generate_courses(n: int = 84, seed: int = 11, *, into: str | Path) -> Path:
    """Write the courses of ``n`` synthetic patients, three studies each.

    Records are in the native format. ``meta.course`` is the kind of course, ``meta.finding`` what
    takes it, ``meta.trend`` the true change since the study before (absent where there is none).

    Args:
        n: patients.
        seed: of everything drawn and written.
        into: a folder; made where it is absent.

    Returns:
        The path of ``records.jsonl``; the images lie beside it in ``images``.

    Raises:
        CorpusError: ``n`` is below 1, or the folder cannot be written.
    """
    if n < 1:
        raise CorpusError(f"cannot generate {n} courses", "Ask for at least 1.")
    into = Path(into)
    try:
        (into / "images").mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(r) for number in range(n) for r in _patient(number, seed, into)]
        write_durably(into / "records.jsonl", "\n".join(lines) + "\n")
    except OSError as error:
        raise CorpusError(
            f"cannot write the courses into {into} ({error.strerror})",
            "Choose a folder that can be written and has room.",
        ) from error
    return into / "records.jsonl"


def _patient(number: int, seed: int, into: Path) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng([seed, number])
    kind = list(COURSES)[number % len(COURSES)]
    name = list(_SITES)[(number // len(COURSES)) % len(_SITES)]
    side = "right" if rng.random() < 0.5 else "left"
    anatomy, offset = int(rng.integers(1 << 31)), int(rng.integers(0, 6))
    for i, step in enumerate(_steps(rng, COURSES[kind], offset), 1):
        finding = Finding(name, side, _SITES[name][1], SEVERITIES[max(step.amount - 1, 0)])
        case_id = f"course-{number:04d}-{i}"
        pixels = draw(View("chest", "chest"), anatomy, [finding] if step.amount else [],
                      int(rng.integers(1 << 31)))  # fmt: skip
        Image.fromarray(pixels).save(into / "images" / f"{case_id}.png", compress_level=1)
        meta = {"synthetic": True, "course": kind, "finding": name}
        yield {
            "id": case_id,
            "image": f"images/{case_id}.png",
            "text": _report(rng, finding, step),
            "domain": "radiology",
            "modality": "xray",
            "license": LICENCE,
            "source": SOURCE,
            "patient_id": f"synthetic-course-{number:04d}",
            "study_id": f"synthetic-course-{number:04d}-{i}",
            "offset_days": step.day,
            "meta": meta | ({"trend": str(step.trend)} if step.trend else {}),
        }


def _steps(rng: np.random.Generator, amounts: tuple[int, int, int], offset: int) -> Iterator[_Step]:
    day, before = offset, None
    for amount in amounts:
        yield _Step(day, amount, None if before is None else _trend(before, amount))
        day, before = day + int(rng.integers(2, 15)), amount


def _trend(before: int, after: int) -> Trend | None:
    if not before:
        return Trend.NEW if after else None
    if not after:
        return Trend.RESOLVED
    if before == after:
        return Trend.UNCHANGED
    return Trend.WORSE if after > before else Trend.BETTER


def _report(rng: np.random.Generator, finding: Finding, step: _Step) -> str:
    """What the study shows; a change of degree is always in words, for nothing else tells it."""
    in_words = step.trend in (Trend.WORSE, Trend.BETTER) or rng.random() < 0.5
    if step.trend is not None and in_words:
        templates = _CHANGED[step.trend]
    else:
        templates = _SHOWN if step.amount else _NONE
    much = finding.severity or "moderate"
    slots = {
        "name": finding.name, "Name": finding.name.capitalize(), "side": finding.side or "",
        "much": much, "Much": much.capitalize(),
    }  # fmt: skip
    sentence = expand(rng, templates[int(rng.integers(len(templates)))], slots)
    other = _OTHER[int(rng.integers(len(_OTHER)))]
    return f"{sentence}. {other}".strip()
