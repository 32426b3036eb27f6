"""What a casebase costs as it grows: 10,000 to 1,000,000 cases, beside bare FAISS.

Each size is built in a process of its own and opened in another: clustered unit vectors, reports of
60 words whose frequencies fall like Zipf's law, three findings a report, metadata, three domains.
Times are medians of single calls by one thread (publishing alone uses all cores); the processor
time of the same calls stands beside the wall time, which a busy machine lengthens. Before the rows
of searches, the check of the whole file that goes on after opening is waited for, and 300 other
questions are asked; "the same searches again" are the 50 of the row before, whose cases are
remembered.

    python benchmarks/scale.py [--rows 10000 100000 1000000] [--dim 256] [--lean] [--into FILE.md]

With ``--folder`` the casebases are kept there, and what searching and writing take can be measured
again without building them again. With ``--into`` the table is written between the marks
``<!-- scale -->`` of a page. With ``--lean`` the cases have no words and no findings, so that more
of them fit on a disk; its marks are ``<!-- scale without reports -->``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import faiss
import numpy as np

from mmedrag.casebase import Casebase, Entry
from mmedrag.testing.questions import question_of
from mmedrag.types import Assertion, Case, Domain, Hit, Kind, Matrix, Mention, Query

DOMAINS = list(Domain)
MODALITIES = ("ct", "mr", "xray", "us", "histology", "fundus", "endoscopy", "dermoscopy")
K, CENTRES, SPREAD, CHUNK = 50, 2_000, 0.6, 5_000
FINDINGS, STATED, WORDS = 300, 3, 60  # different findings; findings and words of a report
NO_REPORTS = {"words": 0, "stated": 0}
MARKS = ("<!-- scale -->", "<!-- end of scale -->")
LEAN_MARKS = ("<!-- scale without reports -->", "<!-- end of scale without reports -->")


class Corpus:
    """Synthetic cases, the same for the same seed and size; ``stated`` findings a report."""

    def __init__(
        self, rows: int, dim: int, seed: int = 0, words: int = WORDS, stated: int = STATED
    ) -> None:
        self.rows, self.dim, self._length, self._stated = rows, dim, words, stated
        self._rng = np.random.default_rng([seed, rows])
        self._centres = unit(self._rng.standard_normal((CENTRES, dim), np.float32))
        self._words = np.array([f"term{i}" for i in range(20_000)])
        weights = 1 / np.arange(10, len(self._words) + 10)
        self._weights = np.cumsum(weights / weights.sum())

    def vectors(self, n: int) -> Matrix:
        """Unit vectors around the centres, ``(n, dim)``."""
        noise = unit(self._rng.standard_normal((n, self.dim), np.float32))
        return unit(self._centres[self._rng.integers(CENTRES, size=n)] + SPREAD * noise)

    def texts(self, n: int, length: int) -> list[str]:
        """Texts of ``length`` words."""
        drawn = np.searchsorted(self._weights, self._rng.random((n, length)))
        return [" ".join(row) for row in self._words[np.minimum(drawn, len(self._words) - 1)]]

    def entries(self) -> Iterator[list[Entry]]:
        """All entries, chunk by chunk."""
        for start in range(0, self.rows, CHUNK):
            yield self.chunk(start, min(CHUNK, self.rows - start))

    def chunk(self, start: int, n: int) -> list[Entry]:
        """Some entries, numbered from ``start``."""
        vectors, texts = self.vectors(n), self.texts(n, self._length)
        drawn = self._rng.integers(1 << 30, size=(n, 6)).tolist()
        stated = self._mentions(texts) if self._stated else [None] * n
        recogniser = "recogniser" if self._stated else ""
        return [
            Entry(
                self._case(start + i, texts[i], drawn[i]), vectors[i], f"content{start + i}", None,
                stated[i], recogniser,
            )
            for i in range(n)
        ]  # fmt: skip

    def _mentions(self, texts: list[str]) -> list[tuple[Mention, ...]]:
        """Findings of each report, two of three affirmed; the most frequent stands in a tenth."""
        common = FINDINGS ** self._rng.random((len(texts), self._stated))
        numbers, odds = common.astype(int).tolist(), self._rng.random(common.shape).tolist()
        return [
            tuple(
                Mention(
                    text[6 * j : 6 * j + 5], 6 * j, 6 * j + 5, f"F:{number}", f"finding {number}",
                    Assertion.AFFIRMED if odd < 2 / 3 else Assertion.NEGATED, Kind.FINDING,
                )
                for j, (number, odd) in enumerate(zip(row, chances, strict=True))
            )
            for text, row, chances in zip(texts, numbers, odds, strict=True)
        ]  # fmt: skip

    def _case(self, number: int, text: str, drawn: list[int]) -> Case:
        return Case(
            id=f"case{number}",
            text=text,
            domain=DOMAINS[number % 3],
            modality=MODALITIES[drawn[0] % 8],
            patient_id=f"patient{drawn[1] % max(self.rows // 4, 1)}",
            date=str(date(2015, 1, 1) + timedelta(days=drawn[2] % 3_650)),
            source=f"site-{drawn[3] % 20}",
            labels=(f"label{drawn[4] % 40}", f"label{40 + drawn[4] % 27}"),
            split=("train", "val", "test")[drawn[5] % 3],
            meta={"age": drawn[0] % 90, "scanner": f"scanner {drawn[3] % 50}"},
        )


def unit(rows: Matrix) -> Matrix:
    """Rows of norm 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def medians(call: Callable[[int], object], n: int, warm: int = 3) -> tuple[float, float]:
    """Median wall and processor milliseconds of ``n`` calls."""
    for i in range(warm):
        call(i)
    taken = []
    for i in range(warm, warm + n):
        wall, processor = perf_counter(), process_time()
        call(i)
        taken.append((perf_counter() - wall, process_time() - processor))
    wall, processor = np.median(np.array(taken) * 1000, axis=0)
    return float(wall), float(processor)


def filters(i: int) -> str:
    """A filter on indexed fields that no earlier one was; about a tenth of the cases pass."""
    day = date(2016, 1, 1) + timedelta(days=7 * i)
    return f"labels in ('label{i % 40}', 'label{40 + i % 27}') and date >= '{day}'"


def published(path: Path) -> tuple[Path, dict[str, Any], Matrix]:
    """The folder of a casebase's generation, what its manifest says, and all its vectors."""
    folder = path / "generations" / (path / "CURRENT").read_text().strip()
    manifest = json.loads((folder / "manifest.json").read_text())
    shape = tuple(manifest["vectors"]["shape"])
    return folder, manifest, np.memmap(folder / "vectors", "<f4", "r", shape=shape)


def bare_indexes(path: Path, domains: Sequence[str] | None = None) -> list[faiss.Index]:
    """The FAISS indexes that a casebase searches, read whole, or made of its vectors."""
    folder, manifest, vectors = published(path)
    indexes = []
    for entry in (manifest["shards"][name] for name in domains or manifest["shards"]):
        if "faiss" in entry:
            indexes.append(faiss.read_index(str(folder / entry["faiss"]["file"])))
            continue
        flat = faiss.IndexFlatIP(vectors.shape[1])
        flat.add(vectors[entry["start"] : entry["start"] + entry["count"]])
        indexes.append(flat)
    return indexes


class Nearest:
    """The exact 50 nearest of all cases to some queries, kept as the cases come."""

    def __init__(self, queries: Matrix) -> None:
        self._queries = queries
        self._values = np.full((len(queries), K), -np.inf, np.float32)
        self._numbers = np.full((len(queries), K), -1, np.int64)

    def add(self, first: int, vectors: Matrix) -> None:
        """Take cases in that are numbered from ``first``."""
        values = np.hstack([self._values, self._queries @ vectors.T])
        numbers = np.arange(first, first + len(vectors))
        numbers = np.hstack([self._numbers, np.tile(numbers, (len(values), 1))])
        best = np.argpartition(-values, K, axis=1)[:, :K]
        self._values = np.take_along_axis(values, best, axis=1)
        self._numbers = np.take_along_axis(numbers, best, axis=1)

    def recall(self, casebase: Casebase) -> float:
        """Share of them that a search finds."""
        shares = []
        for query, numbers in zip(self._queries, self._numbers, strict=True):
            hits = casebase.search(question_of(Query(), query), K)
            shares.append(len({f"case{i}" for i in numbers} & {hit.case.id for hit in hits}) / K)
        return float(np.mean(shares))


def measure(rows: int, dim: int, lean: bool, folder: Path) -> dict[str, tuple[float, ...]]:
    """Every row of the table for one size: wall figure first, processor time second."""
    path = folder / f"{rows}x{dim}{'-lean' if lean else ''}.casebase"
    kept = path.with_suffix(".json")
    corpus = Corpus(rows, dim, **(NO_REPORTS if lean else {}))
    noise = np.random.default_rng(1).standard_normal((400, dim), np.float32)
    queries = unit(corpus.vectors(400) + 0.5 * unit(noise))
    if not kept.exists():
        kept.write_text(json.dumps(built(path, corpus, queries)))
    figures: dict[str, tuple[float, ...]] = json.loads(kept.read_text())
    with ProcessPoolExecutor(1, get_context("spawn")) as anew:  # whose memory is its own
        return figures | anew.submit(opened, path, queries, rows, lean).result()


def built(path: Path, corpus: Corpus, queries: Matrix) -> dict[str, tuple[float, ...]]:
    """The rows of making a casebase, and what is found in it before any case comes or goes."""
    nearest = Nearest(queries[:60])
    figures: dict[str, tuple[float, ...]] = {}
    with Casebase.create(path, dim=corpus.dim, fingerprint="f", preset="p") as casebase:
        spent = 0.0
        for n, entries in enumerate(corpus.entries()):
            nearest.add(n * CHUNK, np.stack([entry.vector for entry in entries]))
            begin = perf_counter()
            casebase.add(entries)
            spent += perf_counter() - begin
        figures["add (cases/s)"] = (corpus.rows / spent,)
        faiss.omp_set_num_threads(os.cpu_count() or 1)  # as it is where nobody says otherwise
        begin, processor = perf_counter(), process_time()
        casebase.publish()
        figures["publish, all cores (s)"] = (perf_counter() - begin, process_time() - processor)
        faiss.omp_set_num_threads(1)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    figures["disk (KB a case)"] = (size / corpus.rows / 1024,)
    with Casebase.open(path) as casebase:
        figures["recall@50"] = (nearest.recall(casebase),)
    return figures


def opened(path: Path, queries: Matrix, rows: int, lean: bool) -> dict[str, tuple[float, ...]]:
    """The rows that a user feels, on a casebase of so many cases that is opened anew."""
    faiss.omp_set_num_threads(1)
    shape = NO_REPORTS if lean else {}
    corpus = Corpus(rows, queries.shape[1], seed=1, **shape)  # of what is asked and added
    figures: dict[str, tuple[float, ...]] = {}
    before = resident()
    begin, processor = perf_counter(), process_time()
    casebase = Casebase.open(path)
    casebase.search(question_of(Query(), queries[0]), K)
    figures["open → first search (s)"] = (perf_counter() - begin, process_time() - processor)
    casebase.recognisers()  # waits until the whole file is checked, beside which searches go on
    figures["open → whole file checked (s)"] = (perf_counter() - begin, process_time() - processor)

    def search(
        i: int, domain: Domain | None = None, text: str = "", where: str | None = None
    ) -> list[Hit]:
        question = question_of(Query(text, where=where), queries[i % len(queries)], domain)
        return casebase.search(question, K)

    short, long = corpus.texts(64, 5), corpus.texts(64, 60)
    for i in range(100, len(queries)):  # other questions than those that are timed
        search(i)
    for i in range(20):
        search(i, text="" if lean else long[i], where=filters(i))
    figures["memory (KB a case)"] = ((resident() - before) / corpus.rows,)
    for name, domains in (("one domain", [DOMAINS[0]]), ("all domains", DOMAINS)):
        domain = domains[0] if len(domains) == 1 else None
        indexes = bare_indexes(path, [str(d) for d in domains])

        def bare(i: int, indexes: list[faiss.Index] = indexes) -> None:
            for index in indexes:
                index.search(queries[i % len(queries)][None], K)

        figures[f"bare FAISS, {name} (ms)"] = medians(bare, 50)
        figures[f"vector search, {name} (ms)"] = medians(lambda i, d=domain: search(i, d), 50)
        figures[f"the same searches again, {name} (ms)"] = medians(
            lambda i, d=domain: search(i, d), 50
        )
        del indexes
    if not lean:
        figures["text of 5 words (ms)"] = medians(lambda i: search(i, text=short[i % 64]), 50)
        figures["text of 60 words (ms)"] = medians(lambda i: search(i, text=long[i % 64]), 50)
    figures["new filter, indexed fields (ms)"] = medians(lambda i: search(i, where=filters(i)), 20)
    figures["same filter again (ms)"] = medians(lambda i: search(i, where=filters(0)), 20)
    for field in () if lean else ("affirms", "rules_out"):
        figures[f"new filter, {field} (ms)"] = medians(
            lambda i, field=field: search(i, where=f"{field} = 'F:{i + 1}'"), 20
        )
    figures["new filter, meta (ms)"] = medians(lambda i: search(i, where=f"meta.age = {i}"), 10)
    like = "source like 'site-{}%' and meta.scanner like '%r {}%'"
    figures["new filter, like (ms)"] = medians(
        lambda i: search(i, where=like.format(i % 10, i // 10)), 10
    )
    patient = "patient_id = 'patient{}'"
    figures["new filter, one patient (ms)"] = medians(
        lambda i: search(i, where=patient.format(i)), 10
    )
    figures |= written(casebase, corpus, search)
    begin = perf_counter()
    casebase.close()
    figures["close after writes (s)"] = (perf_counter() - begin,)
    return figures


def written(
    casebase: Casebase, corpus: Corpus, search: Callable[[int], list[Hit]]
) -> dict[str, tuple[float, ...]]:
    """What adding and deleting one case takes, and the first search after each."""
    runs = next(n for n in count() if casebase.get(f"case{corpus.rows + 64 * n}") is None)
    new = corpus.chunk(corpus.rows + 64 * runs, 64)
    found = dict.fromkeys(hit.case.id for i in range(9) for hit in search(i))
    old = [name for name in found if int(name.removeprefix("case")) < corpus.rows]
    writes = {
        "add one": lambda i: casebase.add([new[i]]),
        "delete one": lambda i: casebase.delete([old[i]]),
    }
    figures: dict[str, tuple[float, ...]] = {}
    for name, write in writes.items():
        changes, firsts = [], []
        for i in range(23):
            changes.append(timed(lambda i=i, write=write: write(i)))
            firsts.append(timed(lambda i=i: search(i)))
        figures[f"{name} (ms)"] = tuple(np.median(changes[3:], axis=0))
        figures[f"first search after {name} (ms)"] = tuple(np.median(firsts[3:], axis=0))
    return figures


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor milliseconds of one call."""
    wall, processor = perf_counter(), process_time()
    call()
    return (perf_counter() - wall) * 1000, (process_time() - processor) * 1000


def resident() -> float:
    """Memory of this process that no file backs, in KB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return float(line.split()[1])
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def table(results: dict[int, dict[str, tuple[float, ...]]], dim: int, lean: bool) -> str:
    """The Markdown table: a row a figure, a column a size, processor time in brackets."""
    sizes = sorted(results)
    lines = [
        f"{dim} dimensions, {'no reports, ' if lean else ''}k = {K}, one thread, {date.today()}, "
        f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores; processor time in brackets.",
        "",
        f"| | {' | '.join(f'{size:,}' for size in sizes)} | slope |",
        f"|---|{'---:|' * (len(sizes) + 1)}",
    ]
    for name in results[sizes[0]]:
        cells = [" ".join(shown(results[size][name])) for size in sizes]
        lines.append(f"| {name} | {' | '.join(cells)} | {slope(results, name)} |")
    return "\n".join(lines)


def shown(figure: tuple[float, ...]) -> Iterator[str]:
    """A figure and its processor time."""
    yield f"{figure[0]:,.0f}" if figure[0] >= 100 else f"{figure[0]:.3g}"
    if len(figure) > 1:
        yield f"({figure[1]:.3g})"


def slope(results: dict[int, dict[str, tuple[float, ...]]], name: str) -> str:
    """Of the processor time (else the figure) over the size, both logarithmic."""
    sizes = sorted(results)
    values = [results[size][name][-1] for size in sizes]
    if len(sizes) < 2 or min(values) <= 0:
        return "–"
    return f"{np.polyfit(np.log10(sizes), np.log10(values), 1)[0]:.2f}"


def write_into(page: Path, content: str, marks: tuple[str, str]) -> None:
    """Put the table between the marks of a page."""
    before, _, rest = page.read_text("utf-8").partition(marks[0])
    page.write_text(f"{before}{marks[0]}\n{content}\n{marks[1]}{rest.partition(marks[1])[2]}")


def main() -> None:
    """Measure each size in a process of its own and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--into", type=Path, help="a page with the marks of the table")
    parser.add_argument("--lean", action="store_true", help="cases without words and findings")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where casebases are kept, and used again")
    asked = parser.parse_args()
    faiss.omp_set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = str(asked.folder or temporary)
        if asked.one:
            print(json.dumps(measure(asked.one, asked.dim, asked.lean, Path(folder))))
            return
        results = {}
        for rows in asked.rows:
            command = [sys.executable, __file__, "--one", str(rows), "--dim", str(asked.dim)]
            command += ["--folder", folder, *(["--lean"] if asked.lean else [])]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            results[rows] = json.loads(done.stdout.splitlines()[-1])
    written = table(results, asked.dim, asked.lean)
    print(written)
    if asked.into:
        write_into(asked.into, written, LEAN_MARKS if asked.lean else MARKS)


if __name__ == "__main__":
    main()
