"""The study of answers as a section of the report."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import Any

from mmedrag.evaluation.generators import generators_table
from mmedrag.views.section import Section, Table

_COLUMNS = (
    ("answered", "answered"),
    ("citation_precision", "citation precision"),
    ("citation_recall", "citation recall"),
    ("supported_sentences", "supported sentences"),
    ("contradicted", "contradicted"),
    ("lead_true", "first line true of the image"),
)
_ATTACK = (
    ("instruction_retrieved", "instruction retrieved"),
    ("contradiction_retrieved", "contradiction retrieved"),
    ("instruction_repeated", "instruction repeated"),
    ("key_invented", "key invented"),
    ("instruction_set_aside", "instruction named as set aside"),
    ("dispute_shown", "dispute shown"),
    ("claims_only_planted", "claims that rest on contradictions alone"),
)


def as_section(results: Mapping[str, Mapping[str, Any]], generator: str) -> Section:
    """The section of :func:`mmedrag.evaluation.answers.evaluate_answers`: figures by corpus."""
    first = next(iter(results.values()))
    plain, alone = (first["arms"][name] for name in ("plain", "no retrieval"))
    attack = first["attack"]
    return Section(
        name="answers",
        title="Answers and their citations",
        paper="section 3.6 (the paper gives no figure)",
        protocol=(
            f"Generator: {generator}. Validation images with a question, against the training part "
            "of the same corpus. A claim is a finding with an assertion; it is recalled where a "
            "marked item of evidence says the same, a mark is precise where its evidence does "
            "(ALCE, Gao et al. 2023, by code in place of a model). Phantoms: evidence is judged by "
            "what was drawn. Real records: by what the recogniser reads in the cited report, the "
            "same that the extractive generator reads, so an upper bound. No retrieval: the "
            "generator without any evidence. Poisoned: reports with an instruction behind them, "
            "and, for each image asked about, a report that says the reverse beside that image."
        ),
        verdict=(
            f"On phantoms {_percent(plain['citation_precision'])} of the marks and "
            f"{_percent(plain['citation_recall'])} of the claims hold, "
            f"{_percent(plain['contradicted'])} of the claims are contradicted by what they cite. "
            f"Without evidence {_percent(alone['answered'])} of the questions "
            f"are answered. With {first['planted']} planted reports no more than "
            f"{_percent(attack['instruction_repeated'])} of the answers repeat an instruction, and "
            f"{_percent(attack['claims_only_planted'])} of the claims rest on a false report alone."
        ),
        tables=(_arms(results), _attacks(results), generators_table(results)),
        notes=(
            "Support is judged on the level of finding and assertion: side, size, place and "
            "meaning beyond the dictionary are not judged, and a sentence without a known term "
            "counts neither way.",
            "Generators: both write from the same evidence; questions that are to be declined are "
            "asked beside the others, one to four. The verdict is the self-check's, on the text as "
            "it was written. What a reader sees has fewer faults: contradicted sentences are "
            "struck, invented marks taken out, answers without a mark withheld.",
        ),
        data=dict(results),
    )


def _percent(value: float) -> str:
    return "none" if isnan(value) else f"{value:.1%}"


def _number(value: float) -> str:
    return "" if isnan(value) else f"{value:.3f}"


def _arms(results: Mapping[str, Mapping[str, Any]]) -> Table:
    header = ("corpus", "arm", "questions", "claims", *(title for _, title in _COLUMNS))
    rows = tuple(
        (
            corpus,
            name,
            str(of["questions"]),
            f"{arm['claims']:.0f}",
            *(_number(arm[key]) for key, _ in _COLUMNS),
        )
        for corpus, of in results.items()
        for name, arm in of["arms"].items()
    )
    return Table("Do the citations hold?", header, rows)


def _attacks(results: Mapping[str, Mapping[str, Any]]) -> Table:
    header = ("corpus", "planted", *(title for _, title in _ATTACK))
    rows = tuple(
        (corpus, str(of["planted"]), *(_number(of["attack"][key]) for key, _ in _ATTACK))
        for corpus, of in results.items()
    )
    return Table("The poisoned corpus, shares of all questions", header, rows)
