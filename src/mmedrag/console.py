"""What the command line prints: tables and traces as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from mmedrag.citations import DISCLAIMER
from mmedrag.indexing import IndexReport
from mmedrag.trace import ruled_out
from mmedrag.types import Answer, Case, Context, Evidence

WIDTH = 100
SHOWN_PROBLEMS = 10


def table(header: Sequence[str], rows: Iterable[Sequence[object]], limit: int = WIDTH) -> str:
    """Columns padded to their widest cell; the last one is cut at ``limit`` characters a line."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(_cut(line.rstrip(), limit) for line in lines)


def context_text(context: Context) -> str:
    """Routing, the cases before and after the graph rerank, and the definitions."""
    return "\n\n".join(part for part in _parts(context) if part)


def answer_text(answer: Answer) -> str:
    """The trace, then the answer, what it cites, and the disclaimer."""
    cited = [f"  [{e.key}] {e.name}{_origin(e)}" for e in answer.cited]
    written = "\n".join(_wrapped(line) for line in answer.text.splitlines())
    parts = [context_text(answer.context), "Answer\n" + written]
    if cited:
        parts.append("\n".join(["Cited", *cited]))
    return "\n\n".join([*parts, DISCLAIMER])


def report_text(report: IndexReport, seconds: float) -> str:
    """What became of a corpus, and the first problems."""
    lines = [
        f"{report.written} cases written, {report.unchanged} unchanged, "
        f"{report.encoded} encoded, in {seconds:.1f} s"
    ]
    if report.unrouted:
        lines.append(f"{report.unrouted} without a domain (found by searches over all domains)")
    if report.problems:
        lines.append(f"{len(report.problems)} rows skipped:")
        lines += [f"  {problem}" for problem in report.problems[:SHOWN_PROBLEMS]]
        hidden = len(report.problems) - SHOWN_PROBLEMS
        lines += [f"  … and {hidden} more"] if hidden > 0 else []
    return "\n".join(lines)


def _parts(context: Context) -> Iterable[str]:
    question = context.question
    yield _routing_text(context)
    if negated := ruled_out(question):
        yield f"Ruled out in the question: {', '.join(negated)}"
    yield _ranking_text(context)
    yield _definitions_text(context.ranked)
    yield "Time  " + "  ".join(f"{stage} {ms:.1f} ms" for stage, ms in context.timings.items())


def _routing_text(context: Context) -> str:
    routing = context.question.routing
    decision = routing.decision or ("all domains" if routing.medical else "none")
    scores = "  ".join(f"{name} {p:.3f}" for name, p in routing.scores.items())
    return f"Domain  {decision}  ({routing.reason}{'; ' + scores if scores else ''})"


def _ranking_text(context: Context) -> str:
    cases = [e for e in context.ranked if isinstance(e.item, Case)]
    if not cases:
        return "No case was found."
    before = {e.key: i for i, e in enumerate(_cases(context.gathered), 1)}
    kept = {e.key: e for e in context.kept}
    rows = []
    for after, e in enumerate(cases[: max(10, len(_cases(context.kept)))], 1):
        passed = kept.get(e.key)
        rows.append(
            (
                e.key,
                after,
                before[e.key],
                f"{e.similarity:.3f}",
                _score(e.centrality),
                _score(passed.reward) if passed else "-",
                "kept" if passed else "",
                e.name,
                _line(e.text),
            )
        )
    header = (
        "key",
        "graph",
        "standard",
        "similarity",
        "centrality",
        "reward",
        "",
        "case",
        "report",
    )
    return "Cases: rank after the graph rerank, and before it (standard)\n" + table(
        header, rows, 140
    )


def _definitions_text(ranked: Sequence[Evidence]) -> str:
    found = [e for e in ranked if not isinstance(e.item, Case)]
    lines = [_wrapped(f"[{e.key}] {e.name}: {e.text}", "  ", "       ") for e in found]
    return "\n".join(["Definitions", *lines]) if found else ""


def _cases(evidence: Sequence[Evidence]) -> list[Evidence]:
    return [e for e in evidence if isinstance(e.item, Case)]


def _origin(e: Evidence) -> str:
    licence = f", {e.item.licence}" if e.item.licence else ""
    return f" ({e.item.source}{licence})" if e.item.source else ""


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _cut(line: str, limit: int) -> str:
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _wrapped(line: str, first: str = "  ", rest: str | None = None) -> str:
    later = first + " " * (len(line) - len(line.lstrip())) if rest is None else rest
    return textwrap.fill(line, WIDTH, initial_indent=first, subsequent_indent=later)
