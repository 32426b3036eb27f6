"""``mmedrag eval retrieval`` as a section: tables, curves over gallery sizes, bars by direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmedrag.datasets.corpus import group_codes, read_corpus
from mmedrag.evaluation.directions import METRICS, arrow
from mmedrag.evaluation.retrieval import CROSS, measure_retrieval
from mmedrag.presets import build
from mmedrag.progress import Progress, silent
from mmedrag.views import plots
from mmedrag.views.section import Figure, Section, Table

SCHEMA = "mmedrag-retrieval/1"

Report = Mapping[str, Any]

PUBLISHED = Table(
    "Published elsewhere, on other galleries (a smaller gallery is easier)",
    ("what", "gallery", "relevant", "figures"),
    (
        (
            "PMC-CLIP on ROCO (Lin et al. 2023)", "2,000", "the pair",
            "image → text R@1/5/10 0.314/0.612/0.719; text → image 0.280/0.583/0.697",
        ),
        (
            "ARL on ROCO (Chen et al. 2022)", "2,000", "the pair",
            "image → text R@1/5/10 0.235/0.506/0.621",
        ),
        (
            "BiomedCLIP on PMC-15M (Zhang et al. 2025)", "725,739", "the pair",
            "R@1 above 0.56, R@5 above 0.77",
        ),
        (
            "BiomedCLIP, image → image (Denner et al. 2024)", "1.6 million", "same label",
            "P@1/3/5/10 0.594/0.590/0.588/0.583",
        ),
    ),
)  # fmt: skip
"""What stands beside a measurement of ours; never of the same gallery and protocol."""


def evaluate_retrieval(
    paths: Sequence[Path],
    *,
    preset: str = "offline",
    models: dict[str, str] | None = None,
    split: str = "",
    group_by: str = "patient_id",
    label: str = "",
    whole_gallery: bool = False,
    limit: int | None = None,
    progress: Progress = silent,
) -> Section:
    """Retrieval in every direction; ``data`` of the section is the report as JSON.

    Args:
        paths: files of the native format, or their folders.
        preset: whose embedder is measured.
        models: by role, in place of the preset's own.
        split: of the queries; all records, where empty.
        group_by: what makes records relevant to each other, one of ``corpus.GROUPINGS``.
        label: also measure precision@10 by this label, as ``labels[1]``.
        whole_gallery: search the records of other splits too.
        limit: use only the first records of the split.
        progress: told how many more records are embedded.

    Raises:
        CorpusError: where a file cannot be read or holds nothing of the split.
        QueryError: for an unknown preset, grouping or label.
        ModelError: where the preset cannot be loaded.
    """
    corpus = read_corpus(paths, split=split, whole_gallery=whole_gallery, limit=limit)
    group_codes(corpus, group_by)  # a wrong option is told before the models are loaded
    measured = measure_retrieval(
        corpus, build(preset, models).embedder, group_by, label=label, progress=progress
    )
    report = {
        "schema": SCHEMA,
        "data": [str(path) for path in paths],
        "preset": preset,
        "split": split or None,
        "gallery": "all" if whole_gallery else "split",
        "group_by": group_by,
        **measured,
    }
    return as_section(report)


def as_section(report: Report) -> Section:
    """A measured report (docs/guide/evaluation.md, JSON) with its words, tables and figures."""
    names = ", ".join(_set_name(Path(path)) for path in report["data"])
    return Section(
        name="retrieval",
        title=f"Retrieval on {names}",
        paper="section 3.3, eq. 2",
        protocol=_protocol(report),
        verdict=_verdict(report["directions"]),
        tables=_tables(report),
        figures=_figures(report),
        notes=tuple(report["notes"]),
        data=report,
    )


def _set_name(path: Path) -> str:
    return path.parent.name if path.name == "records.jsonl" else path.stem


def _protocol(report: Report) -> str:
    split = f"split {report['split']}" if report["split"] else "all records"
    gallery = "every record" if report["gallery"] == "all" else "the same records"
    return (
        f"{', '.join(report['data'])}; preset {report['preset']}; queries: {split}; gallery:"
        f" {gallery} ({report['records']} embedded). Relevant: same {report['group_by']}; the query"
        " itself and exact copies of it are never shown to it. Ties count by their expected rank."
        " In brackets: 95 % bootstrap intervals over groups."
    )


def _verdict(directions: Report) -> str:
    shown = [name for name in CROSS if name in directions] or list(directions)
    sentences = [
        f"{arrow(name)}: R@1 {_percent(d['R@1'])} (chance {_percent(d['chance@1'])}),"
        f" R@10 {_percent(d['R@10'])}"
        for name, d in directions.items()
        if name in shown
    ]
    return "; ".join(sentences) + "." if sentences else "Nothing can be measured on these records."


def _tables(report: Report) -> tuple[Table, ...]:
    tables = [_directions("All records", report["directions"])]
    if len(report["by_domain"]) > 1:
        tables += [
            _directions(f"Within {n}", figures) for n, figures in report["by_domain"].items()
        ]
    if "label_precision" in report:
        tables.append(_label(report["label_precision"]))
    if report["curve"]:
        tables.append(_curve(report["curve"]))
    if any(name in report["directions"] for name in CROSS):
        tables.append(PUBLISHED)
    return tuple(tables)


def _directions(title: str, figures: Report) -> Table:
    header = ("direction", *METRICS, "n", "groups", "queries", "chance@1", "ceiling@1")
    rows = (
        (
            arrow(name),
            *(_with_interval(f[metric], f["ci95"][metric]) for metric in METRICS),
            *(str(f[count]) for count in ("n", "groups", "queries")),
            f"{f['chance@1']:.3f}",
            f"{f['ceiling@1']:.3f}",
        )
        for name, f in figures.items()
    )
    return Table(title, header, tuple(rows))


def _label(precision: Report) -> Table:
    header = ("direction", "precision@10", "chance", "n", "patients", "queries")
    row = (
        arrow(precision["direction"]),
        _with_interval(precision["precision@10"], precision["ci95"]),
        f"{precision['chance']:.3f}",
        *(str(precision[count]) for count in ("n", "groups", "queries")),
    )
    return Table(f"By {precision['label']}, other patients only", header, (row,))


def _curve(points: Sequence[Report]) -> Table:
    shown = ("R@1", "R@10", "MRR", "chance@1")
    rows = (
        (
            arrow(p["direction"]),
            *(str(p[count]) for count in ("n", "groups", "galleries")),
            *(f"{p[key]:.3f}" for key in shown),
        )
        for p in points
    )
    return Table("By gallery size", ("direction", "n", "groups", "galleries", *shown), tuple(rows))


def _figures(report: Report) -> tuple[Figure, ...]:
    points, directions = report["curve"], report["directions"]
    if not directions:
        return ()
    figures = [
        Figure(
            "By direction",
            "Share of queries with a relevant item first, and among the first ten; 95 % intervals;"
            " dotted: R@1 of a random order.",
            lambda: _bars(directions),
        ),
        *(
            Figure(
                f"{metric} over gallery sizes",
                "Mean over random galleries of whole groups."
                + (" Dashed: a random order, in the first direction." if metric == "R@1" else ""),
                lambda metric=metric: _curves(points, metric),  # type: ignore[misc]
            )
            for metric in ("R@1", "R@10")
        ),
    ]
    if len(report["by_domain"]) > 1:
        by_domain = report["by_domain"]
        figures.append(
            Figure(
                "Within each domain",
                "R@1 where queries and gallery are of one domain, as the system searches.",
                lambda: plots.bars(
                    {n: {arrow(d): f["R@1"] for d, f in of.items()} for n, of in by_domain.items()},
                    "R@1",
                ),
            )
        )
    return tuple(figures)


def _bars(directions: Report) -> str:
    shown = ("R@1", "R@10")
    return plots.bars(
        {arrow(name): {m: d[m] for m in shown} for name, d in directions.items()},
        "share of queries",
        intervals={arrow(n): {m: d["ci95"][m] for m in shown} for n, d in directions.items()},
        chance={arrow(name): d["chance@1"] for name, d in directions.items()},
    )


def _curves(points: Sequence[Report], metric: str) -> str:
    series = {}
    for name in dict.fromkeys(p["direction"] for p in points):
        mine = [p for p in points if p["direction"] == name]
        series[arrow(name)] = ([p["n"] for p in mine], [p[metric] for p in mine])
    first = [p for p in points if p["direction"] == points[0]["direction"]]
    if metric == "R@1":
        series["chance"] = ([p["n"] for p in first], [p["chance@1"] for p in first])
    return plots.lines(series, "items in the gallery", metric, reference=("chance",), log_x=True)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _with_interval(value: float, ends: Sequence[float]) -> str:
    return f"{value:.3f} ({ends[0]:.3f}–{ends[1]:.3f})"
