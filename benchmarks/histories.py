"""How histories beside an image are read: by kind of question, for each part of a set.

``python benchmarks/histories.py ../shared/data/medpix2/records.jsonl`` takes ``meta["history"]`` of
every case, gives it to the reader of questions beside a blank image, and counts the kinds. A
history asks nothing, so that nearly all are descriptions; the others are printed with ``--show``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from mmedrag.answers.questions import RuleReader
from mmedrag.assembly import dictionary
from mmedrag.datasets.records import read_records
from mmedrag.presets import question_model
from mmedrag.types import Case, Intent, Query, Question, QuestionKind, Routing


def main() -> None:
    """Read the histories and print a line for each part."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("records", type=Path, nargs="+")
    options.add_argument("--show", action="store_true", help="print those read otherwise")
    chosen = options.parse_args()
    source = dictionary()
    reader = RuleReader(source.concepts.domains, question_model())
    histories: dict[str, str] = {}
    for case in (c for path in chosen.records for c in read_records(path) if isinstance(c, Case)):
        if history := str(case.meta.get("history") or "").strip():
            histories.setdefault(history, case.split or "no part")
    counts: dict[str, Counter[str]] = {}
    image = Image.new("L", (8, 8))
    for history, part in sorted(histories.items(), key=lambda pair: pair[::-1]):
        mentions = source.recognise([history])[0]
        asked = Question(
            Query(history, image), Routing({}, None), np.zeros(1, np.float32), mentions
        )
        intent = reader.read(asked)
        counts.setdefault(part, Counter())[_kind(intent)] += 1
        if chosen.show and _kind(intent) != QuestionKind.DESCRIPTION:
            print(f"{part}: {_kind(intent)} ({intent.rule}): {' '.join(history.split())[:160]}")
    for part, kinds in counts.items():
        print(f"{part}: {kinds.total()} histories: {dict(kinds.most_common())}")


def _kind(intent: Intent) -> str:
    return f"{intent.kind}, in part declined" if intent.unanswered else str(intent.kind)


if __name__ == "__main__":
    main()
