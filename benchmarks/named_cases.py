"""Cases of a disease found by what their record calls them: with diagnoses and labels, and without.

    python benchmarks/named_cases.py my.casebase [--questions 60] [--seed 3]

Diagnoses of stored cases that name a term of the glossary are asked for, "Cases of X", in the
domain that has them. Printed is for how many a case of that diagnosis is among those found and
among those kept: by vectors, words and reports alone, and by diagnoses and labels too
(:class:`mmedrag.holdings.Names`).
"""

from __future__ import annotations

import argparse
import random
from dataclasses import replace
from pathlib import Path

import mmedrag
from mmedrag.types import Assertion, Case, Evidence, Mention, Query

COMMON = 12
"""Cases of a diagnosis above which it is not asked about: common ones are found anyway."""


def named(mentions: tuple[Mention, ...]) -> str:
    """The concept of the longest finding or disease of a diagnosis."""
    said = [m for m in mentions if m.kind.is_finding and m.assertion is Assertion.AFFIRMED]
    return max(said, key=lambda m: m.end - m.start).concept if said else ""


def among(evidence: list[Evidence], ids: set[str]) -> bool:
    """Whether one of the cases is in the evidence."""
    return any(isinstance(e.item, Case) and e.item.id in ids for e in evidence)


def main() -> None:
    """Ask, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("casebase", type=Path)
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    with mmedrag.load(options.casebase) as rag:
        cases = [c for c in rag.cases.cases() if c.diagnosis and c.domain]
        said = rag.definitions.recognise([c.diagnosis for c in cases])
        texts = rag.definitions.recognise([c.text for c in cases])
        groups: dict[tuple[str, str], set[str]] = {}
        silent = 0
        for case, of_name, of_text in zip(cases, said, texts, strict=True):
            if concept := named(of_name):
                groups.setdefault((case.domain, concept), set()).add(case.id)
                silent += all(
                    m.concept != concept or m.assertion is not Assertion.AFFIRMED for m in of_text
                )
        total = sum(map(len, groups.values()))
        print(f"{silent} of {total} cases have a report that does not affirm their diagnosis")
        rare = sorted(key for key, ids in groups.items() if len(ids) <= COMMON)
        asked = random.Random(options.seed).sample(rare, min(options.questions, len(rare)))
        print(f"\n{len(asked)} diagnoses asked for        found   kept")
        for name, system in (("reports alone", replace(rag, namer=None)), ("with names", rag)):
            contexts = [
                system.retrieve(Query(f"Cases of {rag.definitions.concepts.name(c)}", domain=d))
                for d, c in asked
            ]
            counts = [
                sum(among(list(e), groups[k]) for k, e in zip(asked, part, strict=True))
                for part in ([c.gathered for c in contexts], [c.kept for c in contexts])
            ]
            print(f"{name:<28} {counts[0]:>5} {counts[1]:>6}")


if __name__ == "__main__":
    main()
