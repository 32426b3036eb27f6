"""Print answers to task questions verbatim, chosen by a seed, for people to read and grade.

    python scripts/sample_answers.py X.casebase --data RECORDS.jsonl… --number 20 --seed 1

The casebase must not hold the patients of the held-out part of the records. ``--elide`` leaves out
the sentences of reports and histories, which may not be for print.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from mmedrag.assembly import load
from mmedrag.definitions import Dictionary
from mmedrag.evaluation.task_replies import sampled, samples
from mmedrag.evaluation.tasks import by_hand, cases_of, held_out, of_records, readings_of

QUOTED = re.compile(r"“[^”]+”(?= \[C\d+\])")
HISTORY = re.compile(r".+(?=What is the most likely diagnosis\?$)", re.DOTALL)


def elided(text: str) -> str:
    """Without the sentences that are quoted of cases."""
    return QUOTED.sub("“…”", text)


def main() -> None:
    """Ask, and print question, what would be right, and the answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("casebase", type=Path)
    parser.add_argument("--data", type=Path, nargs="*", default=[], metavar="RECORDS.jsonl")
    parser.add_argument("--number", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--elide", action="store_true", help="leave out sentences of records")
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
            asked, told = task.query.text or "(no text)", answer.text
            if options.elide:
                of_record = task.patient and task.kind.startswith(("image", "history"))
                asked = HISTORY.sub("(history of the record) ", asked) if of_record else asked
                told = elided(told)
            sys.stdout.write(
                f"=== {number} · {task.kind} · {image}\n{asked}\n"
                f"--- would be right: {right}; replied: {answer.brief and answer.brief.reply}\n"
                f"{told}\n\n"
            )


if __name__ == "__main__":
    main()
