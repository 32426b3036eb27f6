"""What 10,000,000 to 1,000,000,000 cases take: memory, disk, machines, hours, from measured bytes.

    python benchmarks/sizing.py [--cases 100] [--rows 100000] [--into docs/reference/sizing.md]

Two things are measured: synthetic cases with pictures, read, encoded and stored by the ``offline``
preset (seconds of encoding, previews, terms, shards), and a casebase of ``--rows`` cases with
vectors of the same length and texts of 60 words, with the index that large casebases have (bytes by
file, seconds of adding and publishing). All else is multiplication, and the table says so.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import process_time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import faiss

from mmedrag.assembly import create, dictionary
from mmedrag.bulk.encoder import Encoder
from mmedrag.bulk.pieces import pieces
from mmedrag.bulk.plan import Plan, Source, begun
from mmedrag.casebase import Casebase
from mmedrag.casebase.derivation import EXACT_UP_TO, choose_keys
from mmedrag.datasets import read_corpus
from mmedrag.indexing import index
from mmedrag.phantoms.corpus import generate
from mmedrag.presets import Stages, build
from scale import Corpus, write_into

MARKS = ("<!-- sizing -->", "<!-- end of sizing -->")
SIZES = (10_000_000, 100_000_000, 1_000_000_000)
GROUPS = {
    "casebase.db": "database",
    "vectors": "vectors",
    "faiss": "index",
    "thumbnails": "previews",
}


@dataclass(frozen=True)
class Machine:
    """What a machine has; a share of it is left free."""

    cores: int
    memory: int  # GB
    disk: int  # GB
    used: float = 0.75

    def __str__(self) -> str:
        return f"{self.cores} cores, {self.memory} GB of memory and {self.disk:,} GB of disk"


def measured_cases(number: int, folder: Path, stages: Stages) -> dict[str, float]:
    """Seconds and bytes a case of what only real cases have: encoding, previews, terms, shards."""
    corpus = generate(number, 7, into=folder / "corpus").parent
    plan = begun(
        Plan(folder / "shards", (Source(corpus),)), fingerprint=stages.embedder.fingerprint
    )
    encoder = Encoder(plan, threads=1)
    begin = process_time()
    cases = sum(encoder(piece).cases for piece in pieces(plan))
    spent = process_time() - begin
    sizes = {}
    for name, definitions in (("without", None), ("with", dictionary())):
        casebase, _ = create(folder / f"{name}.casebase")
        with casebase:
            index(
                read_corpus(corpus), casebase, stages.embedder, stages.classifier,
                definitions=definitions,
            )  # fmt: skip
        sizes[name] = by_group(folder / f"{name}.casebase")
    known = definitions_in(folder / "with.casebase")
    shards = sum(file.stat().st_size for file in plan.into.glob("*.parquet"))
    terms = sizes["with"]["database"] - sizes["without"]["database"] - known
    return {
        "encoding": spent / cases,
        "shards": shards / cases,
        "previews": sizes["with"]["previews"] / cases,
        "terms": terms / cases,
    }


def definitions_in(path: Path) -> int:
    """Bytes of the vectors of definitions: as many as dictionaries have, not as there are cases."""
    with closing(sqlite3.connect(path / "casebase.db")) as connection:
        sql = "SELECT sum(length(digest) + length(vector) + 16) FROM definition_vectors"
        return int(connection.execute(sql).fetchone()[0] or 0)


def measured_casebase(rows: int, dim: int, folder: Path) -> dict[str, float]:
    """Seconds and bytes a case of a casebase with an inverted index."""
    corpus, path = Corpus(rows, dim, stated=0), folder / "large.casebase"
    adding = 0.0
    with Casebase.create(path, dim=dim, fingerprint="f", preset="p") as casebase:
        for entries in corpus.entries():
            begin = process_time()
            casebase.add(entries)
            adding += process_time() - begin
        publishing = []
        lists = f"IVF{2 * int((rows / 3) ** 0.5)}"
        chosen = re.sub(r"IVF[0-9]+", lists, choose_keys(EXACT_UP_TO + 1, dim)[0])
        for key in ("Flat", chosen):
            begin = process_time()
            casebase.publish(key)
            publishing.append(process_time() - begin)
    sizes = by_group(path)
    return {
        **{name: size / rows for name, size in sizes.items()},
        "rows": rows,
        "adding": adding / rows,
        "publishing": publishing[0] / rows,
        "inverting": max(publishing[1] - publishing[0], 0.0) / rows,
    }


def by_group(path: Path) -> Counter[str]:
    """Bytes of a casebase by what they hold."""
    sizes: Counter[str] = Counter()
    for file in path.rglob("*"):
        if file.is_file():
            name = file.relative_to(path).as_posix()
            key = next((group for part, group in GROUPS.items() if part in name), "words, columns")
            sizes[key] += file.stat().st_size
    return sizes


def table(
    figures: Mapping[str, float], machine: Machine, sizes: Sequence[int] = SIZES
) -> list[str]:
    """The Markdown lines: a row a figure, a column a number of cases."""
    disk = ("database", "terms", "vectors", "index", "words, columns", "previews")
    hot = ("index", "words, columns")
    lines = [
        f"| | measured, a case | {' | '.join(f'{size:,}' for size in sizes)} |",
        f"|---|{'---:|' * (len(sizes) + 1)}",
    ]

    def row(name: str, per_case: float, bold: bool = False) -> None:
        cells = [f"{per_case * size / 1e9:,.0f} GB" for size in sizes]
        mark = "**" if bold else ""
        lines.append(f"| {mark}{name}{mark} | {per_case:,.0f} bytes | {' | '.join(cells)} |")

    for name in disk:
        row(name, figures[name])
    row("disk", sum(figures[name] for name in disk), bold=True)
    row("disk while publishing", sum(figures[n] for n in disk) + generation(figures))
    row("memory that keeps searches off the disk", sum(figures[name] for name in hot), bold=True)
    row("shards of `mmedrag encode`, until they are added", figures["shards"])

    def hours(name: str, per_case: float, *seconds: float) -> None:
        cells = " | ".join(map(duration, seconds))
        lines.append(f"| {name} | {1000 * per_case:.2f} ms | {cells} |")

    encoding, adding, published = (figures[n] for n in ("encoding", "adding", "publishing"))
    all_cores = [encoding * size / machine.cores for size in sizes]
    hours("encoding, all cores of one machine", encoding, *all_cores)
    hours("adding, one core", adding, *(adding * size for size in sizes))
    # Each case is compared with all lists of the index, whose number grows with the square root.
    lists = [(size / figures["rows"]) ** 0.5 for size in sizes]
    each = [published + figures["inverting"] * growth for growth in lists]
    hours(
        "publishing, one core", published + figures["inverting"],
        *(seconds * size for seconds, size in zip(each, sizes, strict=True)),
    )  # fmt: skip
    counts = [
        machines(size * sum(figures[n] for n in hot), size * sum(figures[n] for n in disk), machine)
        for size in sizes
    ]
    lines.append(f"| **machines to search** | | {' | '.join(counts)} |")
    return lines


def generation(figures: Mapping[str, float]) -> float:
    """Bytes a case of a generation: the old and the new one lie side by side for a while."""
    return figures["vectors"] + figures["index"] + figures["words, columns"]


def machines(memory: float, disk: float, machine: Machine) -> str:
    """How many machines hold so many bytes, and what decides."""
    by = {
        "memory": -(-memory // (machine.memory * 1e9 * machine.used)),
        "disk": -(-disk // (machine.disk * 1e9 * machine.used)),
    }
    decides = max(by, key=by.__getitem__)
    return f"{by[decides]:.0f} ({decides})" if by[decides] > 1 else "1"


def duration(seconds: float) -> str:
    """Hours, or days where they are many."""
    hours = seconds / 3_600
    return f"{hours:,.1f} hours" if hours < 48 else f"{hours / 24:,.0f} days"


def main() -> None:
    """Measure, multiply, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100, help="synthetic cases that are encoded")
    parser.add_argument("--rows", type=int, default=100_000, help="of the casebase that is weighed")
    parser.add_argument("--cores", type=int, default=16, help="of one machine")
    parser.add_argument("--memory", type=int, default=128, help="GB of one machine")
    parser.add_argument("--disk", type=int, default=8_000, help="GB of one machine")
    parser.add_argument("--folder", type=Path, help="where casebases are made")
    parser.add_argument("--into", type=Path, help="a page with the marks of the table")
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)
    machine = Machine(options.cores, options.memory, options.disk)
    stages = build("offline")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        figures = measured_cases(options.cases, Path(name), stages)
        previews = figures["previews"]
        figures |= measured_casebase(options.rows, stages.embedder.dim, Path(name))
        figures["previews"] = previews
    lines = [
        f"Measured on {date.today()} with {options.cases} encoded cases and a casebase of "
        f"{options.rows:,}, {stages.embedder.dim} dimensions, processor time of one core of a "
        f"{platform.machine()} machine (load {os.getloadavg()[0]:.0f}). Everything under a number "
        f"of cases is extrapolated. A machine has {machine}, three quarters of which are used.",
        "",
        *table(figures, machine),
    ]
    print("\n".join(lines))
    if options.into:
        write_into(options.into, "\n".join(lines), MARKS)


if __name__ == "__main__":
    main()
