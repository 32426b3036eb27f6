"""A generator beside the extractive one: what each writes from the same evidence.

It is judged as it was written, before the pipeline strikes or withholds any of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from time import perf_counter
from typing import Any

import numpy as np

from mmedrag.answers.extractive import ExtractiveGenerator
from mmedrag.answers.grounding import Fault, Grounding, Judge
from mmedrag.definitions import Dictionary
from mmedrag.evaluation.tasks import by_hand
from mmedrag.measures.bootstrap import interval
from mmedrag.pipeline import MMedRAG
from mmedrag.progress import Progress, silent
from mmedrag.protocols import Generator
from mmedrag.types import Evidence, Query, Question
from mmedrag.views.section import Table

DECLINED = 4
"""One question in so many is one that is to be declined."""


@dataclass(frozen=True, slots=True, eq=False)
class _Briefed:
    """A question with its brief, and what it is to be answered from."""

    question: Question
    evidence: Sequence[Evidence]


def compare_generators(
    rag: MMedRAG, queries: Sequence[Query], progress: Progress = silent
) -> dict[str, dict[str, Any]]:
    """Figures of the system's generator and of the extractive one, by name.

    Args:
        rag: its retrieval gives the evidence; its generator is compared.
        queries: to be answered; questions that are to be declined are asked beside them.
        progress: told how many more answers are written.

    Raises:
        GenerationError: a generator cannot answer.
    """
    assert isinstance(rag.definitions, Dictionary)
    declined = [t.query for t in by_hand(rag.definitions) if t.declined]
    chosen = declined[:: max(1, len(declined) // max(1, len(queries) // DECLINED))]
    briefed = [_briefed(rag, q) for q in (*queries, *chosen[: -(-len(queries) // DECLINED)])]
    writers: dict[str, Generator] = {"extractive": ExtractiveGenerator()}
    if not isinstance(rag.generator, ExtractiveGenerator):
        writers[_name(rag.generator)] = rag.generator
    judge = Judge(rag.definitions, rag.definitions.concepts)
    return {
        name: _figures(*_written(writer, briefed, judge, progress))
        for name, writer in writers.items()
    }


def _name(generator: Generator) -> str:
    """The name of its model, where it has one."""
    folder = getattr(generator, "folder", None)
    return str(
        getattr(generator, "model", "") or (folder and folder.name) or type(generator).__name__
    )


def _briefed(rag: MMedRAG, query: Query) -> _Briefed:
    context = rag.retrieve(query)
    assert rag.analyst is not None
    brief = rag.analyst.brief(context.question, context.kept, rag.statistics)
    return _Briefed(replace(context.question, brief=brief), context.kept)


def _written(
    writer: Generator, briefed: Sequence[_Briefed], judge: Judge, progress: Progress
) -> tuple[list[Grounding], list[bool], float]:
    """The verdicts, which questions were to be declined, and the seconds an answer took."""
    verdicts, start = [], perf_counter()
    for one in briefed:
        text = "".join(writer.generate(one.question, one.evidence))
        verdicts.append(judge.of(text, one.question, one.evidence))
        progress(1)
    declined = [bool(one.question.brief and one.question.brief.declined) for one in briefed]
    return verdicts, declined, (perf_counter() - start) / max(1, len(briefed))


def _figures(
    verdicts: Sequence[Grounding], declined: Sequence[bool], seconds: float
) -> dict[str, Any]:
    """Shares of claims with an interval over whole answers; shares of answers."""
    answers = [v for v, out in zip(verdicts, declined, strict=True) if not out]
    n, out = max(1, len(answers)), max(1, sum(declined))
    claims = sum(v.claims for v in answers)
    return {
        "questions": len(answers),
        "claims": claims,
        "supported": _share(sum(v.supported for v in answers), claims),
        "supported ci95": _interval(answers),
        "contradicted": _share(sum(v.contradicted for v in answers), claims),
        "without fault": sum(v.fault is Fault.NONE for v in answers) / n,
        "over-confident": sum(v.fault is Fault.OVERCONFIDENT for v in answers) / n,
        "uncited": sum(v.fault is Fault.UNCITED for v in answers) / n,
        "refused": sum(v.fault is Fault.REFUSED for v in answers) / n,
        "invented marks": sum(v.invented for v in answers) / n,
        "to be declined": sum(declined),
        "answered nevertheless": sum(v.fault is Fault.ANSWERED for v in verdicts) / out,
        "words": float(np.median([v.words for v in answers])) if answers else 0.0,
        "seconds": seconds,
    }


def _interval(answers: Sequence[Grounding]) -> tuple[float, float]:
    """Of the share of supported claims, by the bootstrap over answers."""
    claims = [(i, j < v.supported) for i, v in enumerate(answers) for j in range(v.claims)]
    if not claims:
        return (float("nan"), float("nan"))
    values = np.array([[float(supported)] for _, supported in claims])
    low, high = interval(values, np.array([i for i, _ in claims]))[0]
    return (float(low), float(high))


def _share(count: int, whole: int) -> float:
    return count / whole if whole else float("nan")


_SHARES = (
    "contradicted", "without fault", "over-confident", "uncited", "refused",
    "answered nevertheless",
)  # fmt: skip


def generators_table(results: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row for each corpus and generator."""
    header = ("corpus", "generator", "questions", "claims", "claims supported (95 %)", *_SHARES,
              "invented marks an answer", "words (median)", "seconds an answer")  # fmt: skip
    rows = tuple(
        (
            corpus,
            name,
            str(of["questions"]),
            str(of["claims"]),
            _with_interval(of["supported"], of["supported ci95"]),
            *(_number(of[share]) for share in _SHARES),
            f"{of['invented marks']:.2f}",
            f"{of['words']:.0f}",
            f"{of['seconds']:.2f}",
        )
        for corpus, result in results.items()
        for name, of in result["generators"].items()
    )
    return Table("What generators write, before anything is struck or withheld", header, rows)


def _number(value: float) -> str:
    return "" if isnan(value) else f"{value:.3f}"


def _with_interval(value: float, ends: Sequence[float]) -> str:
    return "" if isnan(value) else f"{value:.3f} ({ends[0]:.3f} to {ends[1]:.3f})"
