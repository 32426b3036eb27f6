"""The reports of this room as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmedrag.console import table
from mmedrag.evaluation.directions import METRICS

_WIDTH = 140


def retrieval_text(report: Mapping[str, Any]) -> str:
    """The report of ``mmedrag eval retrieval`` as tables."""
    parts = [_heading(report), _directions(report["directions"])]
    if len(report["by_domain"]) > 1:
        parts += [
            f"Within {name}\n{_directions(found)}" for name, found in report["by_domain"].items()
        ]
    if "label_precision" in report:
        parts.append(_label(report["label_precision"]))
    parts.append(_curve(report["curve"]))
    parts += [f"Note: {note}" for note in report["notes"]]
    return "\n\n".join(part for part in parts if part)


def _heading(report: Mapping[str, Any]) -> str:
    split = report["split"] or "all"
    return (
        f"{', '.join(report['data'])}\n"
        f"preset {report['preset']}, split {split}, gallery {report['gallery']},"
        f" {report['records']} records, relevant: same {report['group_by']}"
    )


def _directions(found: Mapping[str, Any]) -> str:
    header = ("direction", *METRICS, "n", "groups", "queries", "chance@1", "ceiling@1")
    rows = [
        (
            name,
            *(_with_interval(f[metric], f["ci95"][metric]) for metric in METRICS),
            f["n"],
            f["groups"],
            f["queries"],
            f"{f['chance@1']:.3f}",
            f"{f['ceiling@1']:.3f}",
        )
        for name, f in found.items()
    ]
    return table(header, rows, 2 * _WIDTH) if rows else "Nothing can be measured on these records."


def _label(found: Mapping[str, Any]) -> str:
    return (
        f"Image to image by {found['label']}, other patients only: precision@10"
        f" {_with_interval(found['precision@10'], found['ci95'])}, chance {found['chance']:.3f},"
        f" {found['queries']} queries, n {found['n']}"
    )


def _curve(points: list[Mapping[str, Any]]) -> str:
    shown = ("R@1", "R@10", "MRR", "chance@1")
    rows = [
        (p["direction"], p["n"], p["groups"], p["galleries"], *(f"{p[key]:.3f}" for key in shown))
        for p in points
    ]
    header = ("direction", "n", "groups", "galleries", *shown)
    return "By gallery size\n" + table(header, rows, _WIDTH) if rows else ""


def _with_interval(value: float, ends: list[float]) -> str:
    return f"{value:.3f} ({ends[0]:.3f}–{ends[1]:.3f})"
