"""What indexing costs beyond the encoder: ``mmedrag.indexing.index`` against the bare loop.

The bare loop decodes and embeds the same cases in batches of the same size and keeps nothing. The
index, besides, digests files, makes thumbnails and previews for duplicates, and writes all to a
fresh casebase durably. Both take turns block by block (bare, index, index, bare, ...), so that a
busy machine is busy for both; the ratio is the median over the blocks. Each block's index starts
with an empty pipeline and ends with a publication, which counts against it. The column *work* is
the ratio of processor times, which a busy machine changes less; it counts what is done beside the
encoder at the same time. The last column is the index of the same cases without their domains, so
that each must be routed, in processor time of the index with them: routing works on the features
that are embedded.

    python benchmarks/indexing_speed.py [CORPUS] [--cases 360] [--block 120] [--rounds 3]

Without a corpus, synthetic cases are drawn before anything is timed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from mmedrag.assembly import create
from mmedrag.datasets import read_corpus
from mmedrag.datasets.duplicates import Duplicates
from mmedrag.indexing import index
from mmedrag.phantoms.corpus import generate
from mmedrag.preparation import BATCH
from mmedrag.presets import Stages, build
from mmedrag.types import Case


def bare(cases: Sequence[Case], stages: Stages) -> tuple[float, float]:
    """Seconds to decode and embed, nothing else; the encoder decodes ahead in threads."""
    begin, cpu = perf_counter(), process_time()
    for start in range(0, len(cases), BATCH):
        stages.embedder.embed(cases[start : start + BATCH])
    return perf_counter() - begin, process_time() - cpu


def indexed(cases: Sequence[Case], stages: Stages, path: Path) -> tuple[float, float]:
    """Seconds to index into a fresh casebase, its publication included, and processor time."""
    casebase, _ = create(path)
    with casebase:
        begin, cpu = perf_counter(), process_time()
        report = index(cases, casebase, stages.embedder, stages.classifier, duplicates=Duplicates())
        seconds = perf_counter() - begin, process_time() - cpu
    if report.encoded != len(cases):
        raise SystemExit(f"{report.encoded} of {len(cases)} cases were encoded; not comparable")
    return seconds


def corpus(path: Path | None, limit: int, folder: Path) -> list[Case]:
    """The first cases of a corpus that have an image and a text, each image once."""
    rows = read_corpus(path or generate(limit, 7, into=folder / "corpus"))
    whole = (row for row in rows if isinstance(row, Case) and row.image and row.text)
    distinct: dict[bytes, Case] = {}
    for case in islice(whole, 2 * limit):
        distinct.setdefault(case.image.read_bytes(), case)
    return list(distinct.values())[:limit]


def blocks(cases: Sequence[Case], size: int) -> Iterator[Sequence[Case]]:
    """Consecutive blocks; a short rest is left out."""
    yield from (cases[i : i + size] for i in range(0, len(cases) - size + 1, size))


def main() -> None:
    """Print both ways in turn, round by round, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path, nargs="?")
    parser.add_argument("--cases", type=int, default=360)
    parser.add_argument("--block", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    stages = build("offline")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = corpus(asked.corpus, asked.cases, folder)
        bare(cases[:BATCH], stages)  # what is slow only the first time
        print(f"{len(cases)} cases, blocks of {asked.block}, batches of {BATCH}\n")
        print(
            "| round | block | bare loop (cases/s) | index (cases/s) | index / bare | work |"
            " no domain |"
        )
        print(
            "|------:|------:|--------------------:|----------------:|-------------:|-----:|"
            "----------:|"
        )
        measure([*blocks(cases, asked.block)], stages, folder, asked.rounds)


def measure(parts: Sequence[Sequence[Case]], stages: Stages, folder: Path, rounds: int) -> None:
    """Print a line a block, and the median ratios."""
    ratios: list[float] = []
    works: list[float] = []
    routed: list[float] = []
    for turn, (number, part) in product(range(1, rounds + 1), enumerate(parts, 1)):
        path = folder / f"{len(ratios)}.casebase"
        cases = [replace(case, domain=None) for case in part]
        ways: dict[str, Callable[[], tuple[float, float]]] = {
            "bare": lambda part=part: bare(part, stages),
            "with": lambda part=part, path=path: indexed(part, stages, path),
            "without": lambda cases=cases, path=path: indexed(
                cases, stages, path.with_suffix(".routed")
            ),
        }
        order = list(ways)[:: -1 if len(ratios) % 2 else 1]
        taken = {name: ways[name]() for name in order}
        (alone, least), (whole, cpu), (_, more) = (taken[name] for name in ways)
        ratios.append(alone / whole)
        works.append(least / cpu)
        routed.append(more / cpu)
        speeds = f"{len(part) / alone:19.1f} | {len(part) / whole:15.1f}"
        print(
            f"| {turn:5d} | {number:5d} | {speeds} | {ratios[-1]:12.2f} | {works[-1]:4.2f} | "
            f"{routed[-1]:9.2f} |",
            flush=True,
        )
    print(f"\nmedian index / bare: {median(ratios):.2f} ({len(ratios)} blocks)")
    print(f"median bare / index, processor time: {median(works):.2f}")
    print(f"median without / with domains, processor time: {median(routed):.2f}")


if __name__ == "__main__":
    main()
