"""What a context filter changes in what the generator sees (section 3.6), through ``retrieve``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mmedrag.assembly import assemble
from mmedrag.datasets.annotations import findings_of
from mmedrag.datasets.corpus import patient_of, text_key
from mmedrag.definitions import Dictionary
from mmedrag.evaluation.corpus import filled_casebase
from mmedrag.presets import Stages
from mmedrag.protocols import ContextFilter
from mmedrag.reward.scorers import KeepAll
from mmedrag.selection import head
from mmedrag.training.candidates import Candidates
from mmedrag.training.contexts import OFF_TOPIC, Example
from mmedrag.types import Case, Evidence, Question

CASES = 10
"""Cases that reach the filter, as in the pipeline."""


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """A question, the evidence that reaches the filter, and the keys of the right cases in it.

    ``form`` is the example's, or :data:`~mmedrag.training.contexts.OFF_TOPIC`.
    """

    question: Question
    evidence: tuple[Evidence, ...]
    right: frozenset[str]
    form: str


@dataclass(frozen=True, slots=True)
class Effect:
    """A filter over questions.

    Cases kept of each question, the share of them that is right, the share of the right ones that
    is kept, and the share of questions left without any case; NaN where there is nothing to share.
    """

    questions: int
    kept: float
    precision: float
    recall: float
    nothing: float


def serve(
    candidates: Candidates,
    examples: Sequence[Example],
    stages: Stages,
    definitions: Dictionary,
    most: int,
) -> list[Served]:
    """Ask the examples' questions of a casebase of the pool; nothing is filtered yet.

    A question never finds the record that asked it, nor one with its very text. A case is right if
    it is of the same patient or has a finding in common by what annotators wrote.

    Args:
        candidates: all cases of the casebase.
        examples: mined from it; each of the first ``most`` questions is asked once.
        stages: route, embed and rank.
        definitions: recognises and defines.
        most: questions.
    """
    first_examples = {example.number: example for example in examples}
    with (
        TemporaryDirectory() as folder,
        filled_casebase(
            Path(folder) / "cases", candidates.cases, candidates.vectors, stages.embedder
        ) as casebase,
    ):
        everything = replace(stages, context_filter=KeepAll())
        rag = assemble(everything, casebase, definitions)
        served = []
        for example in list(first_examples.values())[:most]:
            context = rag.retrieve(example.question.query)
            seen = [e for e in context.ranked if not _gives_itself_away(e, example)]
            form = OFF_TOPIC if example.kind == OFF_TOPIC else example.form
            evidence = tuple(head(seen, CASES))
            right = frozenset(e.key for e in evidence if form != OFF_TOPIC and _fits(e, example))
            served.append(Served(context.question, evidence, right, form))
    return served


def effect(context_filter: ContextFilter, served: Sequence[Served]) -> Effect:
    """What the filter keeps of what was served; only cases are counted."""
    counts = np.zeros((len(served), 3))
    for row, one in enumerate(served):
        kept = context_filter.keep(one.question, one.evidence)
        keys = {e.key for e in kept if isinstance(e.item, Case)}
        counts[row] = len(keys), len(keys & one.right), len(one.right)
    kept, right, there = counts.sum(axis=0)
    return Effect(
        questions=len(served),
        kept=float(kept / max(1, len(served))),
        precision=float(right / kept) if kept else float("nan"),
        recall=float(right / there) if there else float("nan"),
        nothing=float(np.mean(counts[:, 0] == 0)) if len(served) else float("nan"),
    )


def _gives_itself_away(evidence: Evidence, example: Example) -> bool:
    item, query = evidence.item, example.question.query
    if not isinstance(item, Case):
        return False
    same_text = bool(query.text) and text_key(item.text) == text_key(query.text)
    return item.id == example.anchor.id or same_text


def _fits(evidence: Evidence, example: Example) -> bool:
    item, anchor = evidence.item, example.anchor
    if not isinstance(item, Case):
        return False
    return patient_of(item) == patient_of(anchor) or not findings_of(item).isdisjoint(
        findings_of(anchor)
    )
