"""Generators compared: what is counted is what was written, not what the pipeline lets through."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mmedrag.evaluation.generators import compare_generators, generators_table
from mmedrag.pipeline import MMedRAG
from mmedrag.types import Evidence, Query, Question

QUERIES = [
    Query(f"Is there {finding}?") for finding in ("a pleural effusion", "a nodule", "drusen")
]


@dataclass(frozen=True)
class Always:
    """Writes one sentence."""

    text: str
    folder: Path = Path("models/always")

    def generate(self, question: Question, evidence: Sequence[Evidence]) -> Iterator[str]:
        yield self.text.format(evidence[0].key) if evidence else self.text


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("There is an acute appendicitis [{}].",
         {"claims": 3, "supported": 0.0, "without fault": 0.0, "answered nevertheless": 1.0}),
        ("There is an acute appendicitis.", {"uncited": 1.0, "refused": 0.0, "words": 5.0}),
        ("I cannot answer this.", {"refused": 1.0, "claims": 0, "answered nevertheless": 0.0}),
        ("The patient has this [C77].", {"invented marks": 1.0, "over-confident": 0.0}),
    ],
)  # fmt: skip
def test_each_fault_is_counted(rag: MMedRAG, text: str, figures: dict[str, float]) -> None:
    compared = compare_generators(replace(rag, generator=Always(text)), QUERIES)
    assert list(compared) == ["extractive", "always"]
    assert compared["always"] | figures == compared["always"]
    assert compared["always"]["questions"] == len(QUERIES)
    assert compared["always"]["to be declined"] == 1


def test_the_extractive_generator_stands_beside_or_alone(rag: MMedRAG) -> None:
    counts: list[int] = []
    compared = compare_generators(rag, QUERIES, counts.append)
    assert list(compared) == ["extractive"]
    assert len(counts) == len(QUERIES) + 1
    figures = compared["extractive"]
    assert figures["supported"] > 0.95
    low, high = figures["supported ci95"]
    assert low <= figures["supported"] <= high
    assert figures["refused"] == figures["answered nevertheless"] == figures["invented marks"] == 0
    assert figures["words"] > 20
    table = generators_table({"phantoms": {"generators": compared}})
    assert table.rows[0][:3] == ("phantoms", "extractive", "3")
    assert all(len(row) == len(table.header) for row in table.rows)


def test_no_claim_has_no_share(rag: MMedRAG) -> None:
    compared = compare_generators(replace(rag, generator=Always("[{}]")), QUERIES)
    assert math.isnan(compared["always"]["supported"])
    table = generators_table({"phantoms": {"generators": compared}})
    assert table.rows[1][4:6] == ("", "")
