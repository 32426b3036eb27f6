"""The study of courses as a section of the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmedrag.views.section import Section, Table


def as_section(results: Mapping[str, Any], neighbours: int) -> Section:
    """The section of :func:`mmedrag.evaluation.courses.evaluate_courses`."""
    changes, synthetic, outcomes = (results[n] for n in ("changes", "synthetic", "outcomes"))
    sets = {"synthetic: kind of course and finding": synthetic, **outcomes}
    return Section(
        name="courses",
        title="Courses of patients",
        paper="section 7, temporal retrieval (a promise without figures)",
        protocol=(
            "Changes: synthetic chest films of one patient at three times, with the true change of "
            "the finding; worse and better are in words in every report, new, unchanged and "
            "resolved in half of them. Like courses: every patient with two timed studies and more "
            f"is asked, all others are searched; the share of the {neighbours} nearest that have "
            "the same outcome, where outcomes weigh the same however many patients have them. "
            "Trajectory: dynamic time warping over vectors, findings and days; last study alone: "
            "the same costs on the last study. Images alone: no report is read, which matters "
            "where reports tell the outcome. Intervals of 95 % by bootstrap over patients. Weights "
            "and the half-time of 7 days were set beforehand and not tuned."
        ),
        verdict=_verdict(changes, sets),
        tables=(_changes(changes), _arms(sets), _tests(sets)),
        notes=(
            f"Of {changes['none']} follow-ups without a change {changes['spurious']} were read as "
            "having one.",
            f"Changes read in the real reports: {_listed(results['trends'])}."
            if results["trends"]
            else "No real records were given.",
        ),
        data=dict(results),
    )


def _verdict(changes: Mapping[str, Any], sets: Mapping[str, Any]) -> str:
    low, high = changes["ci95"]
    sentences = [
        f"{changes['accuracy']:.1%} of {changes['changes']} synthetic changes are read right "
        f"(95 % {low:.1%} to {high:.1%})."
    ]
    for name, figures in sets.items():
        if not figures.get("patients"):
            continue
        test = next(iter(figures["tests"].values()))
        low, high = test["ci95"]
        word = "finds more" if low > 0 else "finds fewer" if high < 0 else "is not surely better"
        sentences.append(
            f"{name} (n = {figures['patients']}): the trajectory {word} than the last study alone "
            f"({test['difference']:+.3f}, 95 % {low:+.3f} to {high:+.3f})."
        )
    return " ".join(sentences)


def _changes(changes: Mapping[str, Any]) -> Table:
    names = sorted({name for row in changes["confusion"].values() for name in row})
    rows = tuple(
        (truth, *(str(row.get(name, 0)) for name in names))
        for truth, row in sorted(changes["confusion"].items())
    )
    return Table("Synthetic changes: the truth (rows) and what was read", ("truth", *names), rows)


def _arms(sets: Mapping[str, Any]) -> Table:
    rows = tuple(
        (name, str(figures["patients"]), arm, f"{of['share']:.3f}",
         f"{of['ci95'][0]:.3f} to {of['ci95'][1]:.3f}", f"{figures['chance']:.3f}")
        for name, figures in sets.items() if figures.get("patients")
        for arm, of in figures["arms"].items()
    )  # fmt: skip
    header = ("outcome", "patients", "arm", "same among nearest", "95 %", "chance")
    return Table("Do like courses have like outcomes?", header, rows)


def _tests(sets: Mapping[str, Any]) -> Table:
    rows = tuple(
        (name, what, f"{test['difference']:+.3f}",
         f"{test['ci95'][0]:+.3f} to {test['ci95'][1]:+.3f}", f"{test['p']:.3f}")
        for name, figures in sets.items() if figures.get("patients")
        for what, test in figures["tests"].items()
    )  # fmt: skip
    return Table("Differences, paired by patient", ("outcome", "", "difference", "95 %", "p"), rows)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
