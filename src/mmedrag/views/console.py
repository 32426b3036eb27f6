"""What the command line prints: tables and traces as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from mmedrag.citations import DISCLAIMER
from mmedrag.indexing import IndexReport
from mmedrag.types import Answer, Case, Context, Evidence, Problem
from mmedrag.views.terminal import one_line, printable
from mmedrag.views.trace import ruled_out, understood

WIDTH = 106
"""Characters in a line."""

SHOWN_PROBLEMS = 10


def table(header: Sequence[str], rows: Iterable[Sequence[object]], limit: int = WIDTH) -> str:
    """Columns padded to their widest cell; the last one is cut at ``limit`` characters a line."""
    cells = [[one_line(str(cell)) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(_cut(line.rstrip(), limit) for line in lines)


def context_text(context: Context) -> str:
    """Routing, the cases before and after the graph rerank, and the definitions."""
    lines = (
        routing_text(context),
        _ranking_text(context),
        _definitions_text(context.ranked),
        _timing_text(context),
    )
    return "\n\n".join(line for line in lines if line)


def answer_text(answer: Answer) -> str:
    """Routing, the answer, where it comes from, the ranks, and the disclaimer."""
    sections = (
        routing_text(answer.context),
        "Answer\n" + _body(answer.text),
        _removed_text(answer),
        _sources_text(answer.cited),
        _ranking_text(answer.context),
        _timing_text(answer.context),
        wrapped(DISCLAIMER, ""),
    )
    return "\n\n".join(section for section in sections if section)


def brief_text(answer: Answer) -> str:
    """Routing and the first two sections of the answer."""
    beginning = "\n\n".join(answer.text.split("\n\n")[:2])
    return f"{routing_text(answer.context)}\n\nAnswer\n{_body(beginning)}"


def report_text(report: IndexReport, seconds: float) -> str:
    """What became of a corpus, and the first problems."""
    lines = [
        f"{report.written} cases written, {report.unchanged} unchanged, "
        f"{report.encoded} encoded, in {seconds:.1f} s"
    ]
    if report.replaced:
        named = ", ".join(map(one_line, report.replaced[:SHOWN_PROBLEMS]))
        more = " …" if len(report.replaced) > SHOWN_PROBLEMS else ""
        lines.append(f"{len(report.replaced)} replaced an earlier case of their id: {named}{more}")
    if report.unrouted:
        lines.append(
            f"{report.unrouted} without a domain (found by searches over all: --domain all)"
        )
    return "\n".join([*lines, *problem_lines(report.problems)])


def problem_lines(problems: Sequence[Problem]) -> list[str]:
    """How many rows and files were skipped and how many cases remarked on, the first and last."""
    skipped = [problem for problem in problems if not problem.stored]
    doubtful = [problem for problem in problems if problem.stored]
    return [
        *_listed(("row or file", "rows or files"), "skipped:", skipped),
        *_listed(("remark", "remarks"), "on cases that are stored:", doubtful),
    ]


def _listed(noun: tuple[str, str], heading: str, problems: Sequence[Problem]) -> list[str]:
    if not problems:
        return []
    lines = [f"  {one_line(str(problem))}" for problem in problems]
    hidden = len(lines) - SHOWN_PROBLEMS - 1  # the last may count those that are not here
    if hidden > 0:
        lines[SHOWN_PROBLEMS:-1] = [f"  … and {hidden} more"]
    return [f"{len(problems)} {noun[len(problems) > 1]} {heading}", *lines]


def routing_text(context: Context) -> str:
    """Which domain was searched and why, and how the question was understood."""
    question, routing = context.question, context.question.routing
    decision = routing.decision or ("all domains" if routing.medical else "none")
    scores = ", ".join(f"{name} {p:.2f}" for name, p in routing.scores.items())
    lines = [wrapped(f"Domain  {decision} ({routing.reason})", "", " " * 8)]
    lines += [wrapped(f"Scores  {scores}", "", " " * 8)] if scores else []
    if question.query.frame is not None:
        lines.append(f"Frame   {question.query.frame}, counted from 0; --frame chooses another")
    if question.intent is not None:
        kind = f"Question {question.intent.kind} ({question.intent.rule})"
        lines.append(wrapped(kind, "", " " * 9))
    lines += [wrapped(line, "", " " * 4) for line in understood(question)]
    if negated := ruled_out(question):
        lines.append(wrapped(f"Ruled out in the question: {', '.join(negated)}", ""))
    return "\n".join(lines)


def _timing_text(context: Context) -> str:
    laps = ", ".join(f"{stage} {ms:.0f} ms" for stage, ms in context.timings.items())
    return wrapped(f"Time    {laps}", "", " " * 8)


def _body(text: str) -> str:
    return "\n".join(wrapped(line, "  ", _hanging(line)) for line in text.splitlines())


def _hanging(line: str) -> str:
    """What a continued line begins with: bullets hang."""
    return "    " if line.startswith("- ") else "  "


def _removed_text(answer: Answer) -> str:
    if not answer.removed:
        return ""
    return wrapped(f"Removed, because they name no evidence: {', '.join(answer.removed)}", "")


def _sources_text(cited: Sequence[Evidence]) -> str:
    """Keys by source, each source once."""
    keys: dict[str, list[str]] = {}
    for e in cited:
        origin = ", ".join(word for word in (e.item.source, e.item.licence) if word)
        keys.setdefault(origin or "no source given", []).append(e.key)
    lines = [wrapped(f"{' '.join(k)}: {origin}", "  ", "    ") for origin, k in keys.items()]
    return "\n".join(["Sources", *lines]) if lines else ""


_FIRST = 10
"""Cases of the final order that are shown, beside those that were kept."""


def _ranking_text(context: Context) -> str:
    cases = _cases(context.ranked)
    if not cases:
        return "No case was found."
    before = {e.key: i for i, e in enumerate(_cases(context.gathered), 1)}
    kept = {e.key: e for e in context.kept}
    rows = []
    shown = [(i, e) for i, e in enumerate(cases, 1) if i <= _FIRST or e.key in kept]
    for after, e in shown:
        passed = kept.get(e.key)
        scores = (e.similarity, e.centrality, passed.reward if passed else None)
        state = ("kept" if passed else "-", e.name, _line(e.text))
        rows.append((e.key, after, before[e.key], *map(_score, scores), *state))
    header = ("key", "graph", "standard", "similar", "central", "reward", "", "case", "report")
    listed = "Cases: rank after the graph rerank, and before it (standard)\n" + table(header, rows)
    return "\n\n".join([listed, *_onward_text([e for _, e in shown])])


def _onward_text(shown: Sequence[Evidence]) -> list[str]:
    """Which cases are there because of their neighbours, where there are such."""
    came = [f"{e.key} ({e.proximity:.2f})" for e in shown if e.proximity is not None]
    return [wrapped(f"Found as neighbours of the best cases: {', '.join(came)}", "")] * bool(came)


def _definitions_text(ranked: Sequence[Evidence]) -> str:
    definitions = [e for e in ranked if not isinstance(e.item, Case)]
    lines = [wrapped(f"[{e.key}] {e.name}: {e.text}", "  ", "       ") for e in definitions]
    return "\n".join(["Definitions", *lines]) if definitions else ""


def _cases(evidence: Sequence[Evidence]) -> list[Evidence]:
    return [e for e in evidence if isinstance(e.item, Case)]


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _cut(line: str, limit: int) -> str:
    return line if len(line) <= limit else line[: limit - 1] + "…"


def wrapped(line: str, first: str = "  ", rest: str | None = None) -> str:
    """A line broken at :data:`WIDTH`, ``first`` before it and ``rest`` before what follows."""
    later = first if rest is None else rest
    flat = printable(line).replace("\n", " ")
    return textwrap.fill(flat, WIDTH, initial_indent=first, subsequent_indent=later)
