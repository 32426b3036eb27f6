"""What the concept channel does to stage 1: the same questions with it and without it.

    python benchmarks/concept_channel.py my.casebase [--questions 300] [--split val] [--weight 0.1]

A question is the first sentence of a case's report, or all of it, in turn, that case left out.
Relevant are the cases of its patient, of its diagnosis, or, where a set gives no diagnoses, with
one of its labels. Printed is the discounted cumulative gain of the first ten cases by length of the
question and by source, and the mean difference with its standard error. ``--weight`` sets the
weight of what longer texts affirm, ``--longest`` the words up to which a text is a request.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import mmedrag
from mmedrag.casebase import hybrid
from mmedrag.choices import reranker
from mmedrag.definitions import expansion
from mmedrag.types import Case, Context, Query

LENGTHS = ((5, 8), (9, 14), (15, 30), (31, 10_000))
SHOWN = 10


def gain(context: Context, own: Case) -> float:
    """DCG@10 of the cases in the order of stage 1, with binary relevance."""
    cases = [e.item for e in context.gathered if isinstance(e.item, Case)][:SHOWN]
    return float(sum(relevant(c, own) / np.log2(i + 2) for i, c in enumerate(cases)))


def relevant(case: Case, own: Case) -> bool:
    """Of the same patient, of the same diagnosis, or with a label in common."""
    if own.patient_id and case.patient_id == own.patient_id:
        return True
    if own.diagnosis:
        return case.diagnosis == own.diagnosis
    return bool(set(own.labels) & set(case.labels))


def opening(case: Case) -> str:
    """The first sentence of the report."""
    return re.split(r"(?<=[.])\s", case.text)[0]


def line(name: str, rows: np.ndarray) -> str:
    """What one group of questions gave: ``rows`` are gains without and with the channel."""
    apart = rows[:, 1] - rows[:, 0]
    return (
        f"{name:<34} {len(rows):>4}   {rows[:, 0].mean():.3f}    {rows[:, 1].mean():.3f}  "
        f"{apart.mean():+.3f} ± {apart.std() / len(rows) ** 0.5:.3f}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("casebase", type=Path)
    options.add_argument("--questions", type=int, default=300)
    options.add_argument("--split", default="", help="ask with cases of this split alone")
    options.add_argument("--longest", type=int, default=expansion.LONGEST_REQUEST)
    options.add_argument("--weight", type=float, default=hybrid.EVIDENCE_WEIGHT)
    chosen = options.parse_args(arguments)
    expansion.LONGEST_REQUEST, hybrid.EVIDENCE_WEIGHT = chosen.longest, chosen.weight
    found: list[tuple[str, int, float, float]] = []
    with mmedrag.load(chosen.casebase) as loaded:
        rag = replace(loaded, reranker=reranker("none"))
        without = replace(rag, expander=None)
        cases = [c for c in rag.cases.cases() if c.text and chosen.split in ("", c.split)]
        random.Random(0).shuffle(cases)
        for number, case in enumerate(cases):
            text = case.text if number % 2 else opening(case)
            query = Query(text=text, domain=case.domain, where=f"id != '{case.id}'")
            if len(text.split()) < LENGTHS[0][0]:
                continue
            context = rag.retrieve(query)
            if context.question.criteria:
                gains = gain(without.retrieve(query), case), gain(context, case)
                found.append((case.source, len(text.split()), *gains))
            if len(found) == chosen.questions:
                break
    table = np.array([row[2:] for row in found]).reshape(-1, 2)
    words = np.array([row[1] for row in found])
    sources = np.array([row[0] for row in found])
    print(f"{'':<34}    n   without  with  difference")
    for low, high in LENGTHS:
        if (inside := (words >= low) & (words <= high)).any():
            name = f"{low} to {high} words" if high < LENGTHS[-1][1] else f"{low} words or more"
            print(line(name, table[inside]))
    longer = words > chosen.longest
    for source in sorted(set(sources)):
        if (inside := longer & (sources == source)).any():
            print(line(f"longer, {source}"[:34], table[inside]))


if __name__ == "__main__":
    main()
