"""Print answers to task questions verbatim, chosen by a seed, for people to read and grade.

    python scripts/sample_answers.py X.casebase --data RECORDS.jsonl… --number 20 --seed 1

The casebase must not hold the patients of the held-out part of the records.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmedrag.assembly import load
from mmedrag.definitions import Dictionary
from mmedrag.evaluation.task_replies import sampled, samples
from mmedrag.evaluation.tasks import by_hand, cases_of, held_out, of_records, readings_of


def main() -> None:
    """Ask, and print question, what would be right, and the answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("casebase", type=Path)
    parser.add_argument("--data", type=Path, nargs="*", default=[], metavar="RECORDS.jsonl")
    parser.add_argument("--number", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with load(options.casebase) as rag:
        source = rag.definitions
        assert isinstance(source, Dictionary)
        apart = [held_out(cases_of(file))[1] for file in options.data]
        made = [t for c in apart for t in of_records(readings_of(c, source), source)]
        tasks = [*by_hand(source), *sampled(made, 20, options.seed)]
        for number, (task, answer) in enumerate(
            samples(rag, tasks, options.number, options.seed), 1
        ):
            right = task.reply or task.detail or ("declined" if task.declined else "")
            right = right or ", ".join(sorted(task.codes))
            image = getattr(task.query.image, "name", "no image")
            sys.stdout.write(
                f"=== {number} · {task.kind} · {image}\n{task.query.text or '(no text)'}\n"
                f"--- would be right: {right}; replied: {answer.brief and answer.brief.reply}\n"
                f"{answer.text}\n\n"
            )


if __name__ == "__main__":
    main()
