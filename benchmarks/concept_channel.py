"""What the concept channel does to stage 1: the same questions with it and without it.

    python benchmarks/concept_channel.py my.casebase [--questions 300] [--longest 8]

A question is the first sentence of a case's report, that case left out. Relevant are the cases
of its patient, of its diagnosis, or with one of its labels. Printed is the discounted cumulative
gain of the first ten cases by length of the question, and the mean difference with its standard
error. ``--longest`` sets the words up to which a text is taken for a request, to see what a limit
does.
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
from mmedrag.definitions import criteria
from mmedrag.types import Case, Context, Query

BUCKETS = ((5, 8), (9, 14), (15, 400))


def gain(context: Context, own: Case) -> float:
    """DCG@10 of the cases in the order of stage 1, with binary relevance."""
    cases = [e.item for e in context.gathered if isinstance(e.item, Case)][:10]
    return float(sum(relevant(c, own) / np.log2(i + 2) for i, c in enumerate(cases)))


def relevant(case: Case, own: Case) -> bool:
    """Of the same patient, of the same diagnosis, or with a label in common."""
    same = bool(own.diagnosis) and case.diagnosis == own.diagnosis
    return case.patient_id == own.patient_id or same or bool(set(own.labels) & set(case.labels))


def opening(case: Case) -> str:
    """The first sentence of the report."""
    return re.split(r"(?<=[.])\s", case.text)[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("casebase", type=Path)
    options.add_argument("--questions", type=int, default=300)
    options.add_argument("--longest", type=int, default=criteria.LONGEST_REQUEST)
    chosen = options.parse_args(arguments)
    criteria.LONGEST_REQUEST = chosen.longest
    with mmedrag.load(chosen.casebase) as rag:
        without = replace(rag, expander=None)
        cases = [c for c in rag.cases.cases() if c.patient_id and len(opening(c).split()) >= 5]
        random.Random(0).shuffle(cases)
        rows = []
        for case in cases:
            query = Query(text=opening(case), domain=case.domain, where=f"id != '{case.id}'")
            context = rag.retrieve(query)
            if context.question.criteria:
                words = len(query.text.split())
                rows.append((words, gain(without.retrieve(query), case), gain(context, case)))
            if len(rows) == chosen.questions:
                break
    table = np.array(rows).reshape(-1, 3)
    print("words     n   without  with  difference")
    for low, high in BUCKETS:
        part = table[(table[:, 0] >= low) & (table[:, 0] <= high)]
        if len(part):
            apart = part[:, 2] - part[:, 1]
            error = apart.std() / len(part) ** 0.5
            print(
                f"{low:>3}-{high:<3} {len(part):>4}   {part[:, 1].mean():.3f}    "
                f"{part[:, 2].mean():.3f}  {apart.mean():+.3f} ± {error:.3f}"
            )


if __name__ == "__main__":
    main()
