"""Milliseconds that reading a text takes: ``python benchmarks/text_reading.py [RECORDS.jsonl]``.

First, reports of about 60 words: terms and assertions, and assertions alone. With a file of records
its texts of 50 to 70 words are read, else sentences of our own, eight at a time. Then texts made to
be slow, at 250,000 characters and at twice that: what is linear takes about twice as long.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from statistics import median
from time import perf_counter

from mmedrag.answers.passages import clean, instruction_like
from mmedrag.definitions import glossary
from mmedrag.evaluation.definitions import SETS, sentences
from mmedrag.text.assertions import assertions
from mmedrag.text.characters import Reading
from mmedrag.text.language import language
from mmedrag.text.sentences import spans

RUNS = 200
LENGTH = 250_000
UNITS = (
    "a", "A", "0", ".", "\n", " \n", "-", "(", "'", "é", "\u00ad", "x-\n", "e\u0301", "ﬁ", "1.",
    "9,", "no ", "not ", "no no effusion. ", "effusion, ", "no effusion or ",
    "the heart is not very ",
    "e.g. A ", "Dr. ", "No. ", "? ", ": no ", "- no effusion\n", "w/o ", "s p a c e ", "send ",
    "ignore the ", "system", "[a](", "0/", "sin ", "não ", "mother ", "history of ", "n't ",
)  # fmt: skip


def reports(path: Path | None) -> list[str]:
    """Texts of 50 to 70 words."""
    if path is None:
        texts = [row.text for name in SETS for row in sentences(name)]
        return [" ".join(texts[i : i + 8]) for i in range(0, len(texts), 8)]
    texts = [json.loads(line)["text"] or "" for line in path.open(encoding="utf-8")]
    return [text for text in texts if 50 <= len(text.split()) <= 70]


def milliseconds(call: Callable[..., object], *arguments: object) -> float:
    """What one call takes."""
    start = perf_counter()
    call(*arguments)
    return (perf_counter() - start) * 1000.0


def main() -> None:
    """Print both tables."""
    source = glossary()
    texts = reports(Path(sys.argv[1]) if len(sys.argv) > 1 else None)[:RUNS]
    places = [[(m.start, m.end) for m in said] for said in source.recognise(texts)]
    language.cache_clear()
    whole = median(milliseconds(source.recognise, [text]) for text in texts)
    language.cache_clear()
    alone = median(map(milliseconds, repeat(assertions), texts, places))
    words = median(len(text.split()) for text in texts)
    print(f"{len(texts)} reports, median {words:.0f} words")
    print(f"terms and assertions {whole:.2f} ms, assertions alone {alone:.2f} ms\n")
    print(f"{'':32} {LENGTH:>9,} {2 * LENGTH:>9,} characters, ms; slowest of {len(UNITS)} texts")
    for name, call in (
        ("characters", Reading.of),
        ("sentences", spans),
        ("language", language.__wrapped__),
        ("terms and assertions", lambda text: source.recognise([text])),
        ("clean", clean),
        ("instruction_like", instruction_like.__wrapped__),
    ):
        rows = []
        for unit in UNITS:
            text = unit * (2 * LENGTH // len(unit))
            rows.append((milliseconds(call, text), milliseconds(call, text[:LENGTH]), unit))
        double, single, unit = max(rows)
        print(f"{name:32} {single:9.0f} {double:9.0f}  {unit!r}")


if __name__ == "__main__":
    main()
