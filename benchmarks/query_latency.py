"""What a query costs from end to end: every stage real, nothing stubbed, warm, one thread and two.

A casebase of 5,000 cases is asked by other cases: by the first words of a report, by an image, by
both. No text or image is asked twice, so that none is remembered. Each number of threads runs in a
process of its own that may use so many cores. Times are those that ``MMedRAG.retrieve`` notes by
stage; generation is not among them. Beside them: processor time of the whole query, which a busy
machine disturbs less, and the bare FAISS call on the index that the casebase wrote.

    python benchmarks/query_latency.py [CORPUS ...] [--cases 5000] [--queries 100] [--keep FOLDER]
        [--enlarged 1000000] [--firsts] [--recall [--at URL ...] [--where FILTER]]

Without a corpus, synthetic cases are drawn. With ``--keep`` the casebase stays in the folder and is
used again by the next run. With ``--enlarged`` it is brought to so many cases by ones that nobody
has to encode: each joins the reports, terms and vectors of two cases of a domain. Of the queries
all is real then, too.

With ``--firsts`` it is measured instead what is not warm: opening, the first question in words and
its answer, questions of findings that were not asked about before, and the first question after a
case was added or deleted, which another connection does; one thread, medians, processor time of
the whole process beside. What opening loads, and the check of the whole file, goes on in the first
rows.

With ``--recall`` it is counted how many of the 50 nearest cases of each domain these queries find,
by the kind of query: a query of words or an image alone lies farther from cases than they do from
one another. Queries that belong to another domain lie farthest and are counted apart. Databases on
servers (``--at``) are asked the same; one that is not there is made and filled with the cases,
without their reports, which takes some milliseconds a case. With ``--where`` the nearest are those
that pass a filter.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmedrag.casebase import Casebase
    from mmedrag.pipeline import MMedRAG
    from mmedrag.stores import CaseDatabase
    from mmedrag.types import Case, Domain, Entry, Matrix, Vector

STAGES = (
    "decoding", "spelling", "modality", "encoding", "terms", "cases", "definitions", "rerank",
    "filter",
)  # fmt: skip
KINDS = ("text", "image", "text and image")
WARM_UP = 10  # queries of each kind
FINDINGS = (
    "pneumonia", "pleural effusion", "cardiomegaly", "pneumothorax", "fracture", "atelectasis",
)  # fmt: skip
WRITES = 12
BATCH = 5_000  # cases that are made and added together
OTHER, NOISE = 0.5, 0.5  # norms of what is added to a case's vector
VARIED = 32  # cases of which a direction is drawn
T = TypeVar("T")
Taken = dict[str, dict[str, list[float]]]
"""Milliseconds of every query, by kind of query and stage."""
Found = dict[str, dict["Domain", tuple[float, float]]]
"""Share of the nearest that was found, and median milliseconds, by kind of query and domain."""


def main() -> None:
    """Make the casebase where there is none, then measure each number of threads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path, nargs="*", help="files or folders (default: drawn)")
    parser.add_argument("--cases", type=int, default=5_000)
    parser.add_argument("--enlarged", type=int, default=0, metavar="CASES")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--firsts", action="store_true", help="measure what is not warm")
    parser.add_argument("--recall", action="store_true", help="count what is found")
    parser.add_argument("--at", nargs="+", default=[], metavar="URL", help="in databases there too")
    parser.add_argument("--where", metavar="FILTER", help="of those alone that pass a filter")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps((firsts if options.firsts else measured)(options.keep)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        if not (folder / "queries.json").exists():
            prepare(options.corpus, folder, options.cases, options.queries, options.enlarged)
        print(f"load average at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        if options.recall:
            recall(folder, options.at, options.where)
            return
        if options.firsts:
            report_firsts(in_process(folder, 1, "--firsts"))
            return
        for threads in options.threads:
            report(threads, in_process(folder, threads))


def prepare(corpus: Sequence[Path], folder: Path, cases: int, queries: int, enlarged: int) -> None:
    """Index the cases that are not asked about, and write down the queries."""
    from mmedrag.assembly import create, definitions_of
    from mmedrag.datasets import read_corpus
    from mmedrag.indexing import index
    from mmedrag.phantoms.corpus import generate
    from mmedrag.types import Case

    wanted = len(KINDS) * (WARM_UP + queries)
    paths = corpus or [generate(cases + 2 * wanted, 7, into=folder / "corpus")]
    found = [row for path in paths for row in read_corpus(path) if isinstance(row, Case)]
    random.Random(0).shuffle(found)
    told = queries_of(found, wanted)
    held_out = {query["id"] for query in told}
    kept = [case for case in found if case.id not in held_out][:cases]
    casebase, stages = create(folder / "benchmark.casebase")
    begin = perf_counter()
    with casebase:
        index(
            kept, casebase, stages.embedder, stages.classifier,
            definitions=definitions_of(casebase),
        )  # fmt: skip
        pictured = sum(case.image is not None for case in kept)
        print(f"{len(kept)} cases, {pictured} with an image, {perf_counter() - begin:.0f} s")
        if enlarged > len(kept):
            enlarge(casebase, enlarged)
    (folder / "queries.json").write_text(json.dumps(told), "utf-8")


def enlarge(casebase: Casebase, cases: int) -> None:
    """Bring a casebase to so many cases without encoding any."""
    known = [entry for entry in casebase.entries() if entry.case.text]
    by_domain: dict[str | None, list[Entry]] = defaultdict(list)
    for entry in known:
        by_domain[entry.case.domain].append(entry)
    vectors = {d: np.stack([entry.vector for entry in those]) for d, those in by_domain.items()}
    rng, held = np.random.default_rng(0), len(list(casebase.ids()))
    for start in range(held, cases, BATCH):
        firsts = rng.integers(len(known), size=min(BATCH, cases - start)).tolist()
        entries = []
        for number, first in enumerate(firsts, start):
            others = by_domain[known[first].case.domain]
            second = others[rng.integers(len(others))]
            shift = varied(vectors[known[first].case.domain], rng)
            entries.append(joined(number, known[first], second, shift))
        casebase.add(entries)
    casebase.publish()


def varied(vectors: Matrix, rng: np.random.Generator) -> Vector:
    """A direction drawn as the cases of a domain vary, ``(dim,)``, of norm 1."""
    some = vectors[rng.integers(len(vectors), size=VARIED)]
    shift = rng.standard_normal(VARIED, np.float32) @ (some - some.mean(axis=0))
    return np.asarray(shift / np.linalg.norm(shift))


def joined(number: int, first: Entry, second: Entry, shift: Vector) -> Entry:
    """A case with the reports and terms of two; its vector lies near that of the first."""
    after = len(first.case.text) + 1
    shifted = [
        replace(mention, start=mention.start + after, end=mention.end + after)
        for mention in second.mentions or ()
    ]
    vector = first.vector + OTHER * second.vector + NOISE * shift
    return replace(
        first,
        case=replace(
            first.case, id=f"joined-{number}", text=f"{first.case.text}\n{second.case.text}",
            patient_id=f"patient-{number // 4}",
        ),
        vector=vector / np.linalg.norm(vector),
        content=f"{first.content}-{number}",
        mentions=(*(first.mentions or ()), *shifted),
    )  # fmt: skip


def queries_of(cases: Sequence[Case], wanted: int) -> list[dict[str, str]]:
    """Cases with image and text to ask with; every text is another, of 5 to 15 words."""
    found: dict[str, dict[str, str]] = {}
    for case in cases:
        text = " ".join(case.text.split()[: 5 + len(found) % 11])
        if case.image and text and text not in found:
            found[text] = {
                "id": case.id, "text": text, "image": str(case.image), "domain": str(case.domain),
            }  # fmt: skip
        if len(found) == wanted:
            break
    return list(found.values())


def in_process(folder: Path, threads: int, *options: str) -> Taken:
    """Measure in a process that may use so many cores."""
    cores = sorted(os.sched_getaffinity(0))[:threads]
    done = subprocess.run(
        [sys.executable, __file__, "--measure", *options, "--keep", str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        stdout=subprocess.PIPE,
        check=True,
    )
    found: Taken = json.loads(done.stdout)
    return found


def measured(folder: Path) -> Taken:
    """Milliseconds of every query by kind and stage, the kinds in turn."""
    from mmedrag.assembly import load
    from mmedrag.types import Query

    taken: Taken = defaultdict(lambda: defaultdict(list))
    told = json.loads((folder / "queries.json").read_text("utf-8"))
    with load(folder / "benchmark.casebase") as rag:
        if rag.notices:
            raise SystemExit("\n".join(rag.notices))
        bare = bare_search(folder / "benchmark.casebase", rag.k_cases)
        for turn, query in enumerate(told):
            kind = KINDS[turn % len(KINDS)]
            text = query["text"] if "text" in kind else ""
            asked = Query(text, query["image"] if "image" in kind else None)
            begin, cpu = perf_counter(), process_time()
            context = rag.retrieve(asked)
            middle, cpu = perf_counter(), process_time() - cpu
            bare(context.question.vector)
            whole, searched = middle - begin, perf_counter() - middle
            stages = {"whole": whole, "processor time": cpu, "bare FAISS": searched}
            stages = {stage: 1000 * seconds for stage, seconds in stages.items()}
            if turn >= WARM_UP * len(KINDS):
                for stage, value in {**context.timings, **stages}.items():
                    taken[kind][stage].append(value)
    return taken


def firsts(folder: Path) -> Taken:
    """Wall and processor milliseconds of what is done for the first time, by its name."""
    from mmedrag.assembly import load
    from mmedrag.casebase import Casebase
    from mmedrag.types import Query

    taken: Taken = defaultdict(lambda: defaultdict(list))

    def timed(name: str, work: Callable[[], T]) -> T:
        wall, processor = perf_counter(), process_time()
        done = work()
        taken[name]["wall"].append(1000 * (perf_counter() - wall))
        taken[name]["processor"].append(1000 * (process_time() - processor))
        return done

    def ask(when: str, finding: str) -> None:
        query = Query(f"Cases of {finding}")
        context = timed(f"{when}: search", lambda: rag.retrieve(query))
        timed(f"{when}: answer", lambda: rag.answer(context))

    path = folder / "benchmark.casebase"
    with timed("opening", lambda: load(path)) as rag, Casebase.open(path) as casebase:
        ask("first question in words", FINDINGS[0])
        list(casebase.entries([]))  # waits for the check of the whole file
        for finding in FINDINGS[1:]:
            ask("a finding for the first time", finding)
        for finding in FINDINGS:
            ask("a finding again", finding)
        entry = next(iter(casebase.entries([next(iter(casebase.ids()))])))
        for i in range(WRITES):
            new = replace(entry, case=replace(entry.case, id=f"first-{i}"))
            timed("adding one", lambda new=new: casebase.add([new]))
            ask("after one was added", FINDINGS[i % len(FINDINGS)])
        for i in range(WRITES):
            timed("deleting one", lambda i=i: casebase.delete([f"first-{i}"]))
            ask("after one was deleted", FINDINGS[i % len(FINDINGS)])
    return taken


def recall(folder: Path, at: Sequence[str], where: str | None) -> None:
    """Print what the casebase finds of the nearest cases, and what databases on servers find."""
    from mmedrag.assembly import load

    path = folder / "benchmark.casebase"
    with load(path) as rag:
        passing = passing_by_domain(rag.cases, where)
        told = json.loads((folder / "queries.json").read_text("utf-8"))
        asked = asked_by_kind(rag, told, list(passing))
        best = {
            key: nearest(path, key[1], vectors, rag.k_cases, passing[key[1]])
            for key, vectors in asked.items()
        }
        report_recall(path.name, found_by(rag.cases, asked, best, where))
        for url in at:
            with copied(rag.cases, url) as store:
                report_recall(store.name, found_by(store, asked, best, where))


def asked_by_kind(
    rag: MMedRAG, told: Sequence[dict[str, str]], domains: Sequence[Domain]
) -> dict[tuple[str, Domain], Matrix]:
    """The vectors of the queries, by kind and the domain that is asked."""
    from mmedrag.types import Query

    vectors = {}
    for number, kind in enumerate(KINDS):
        some = told[number :: len(KINDS)]
        queries = [
            Query(q["text"] if "text" in kind else "", q["image"] if "image" in kind else None)
            for q in some
        ]
        rows = np.concatenate([rag.embedder.embed([query]) for query in queries])
        for domain in domains:
            own = np.array([query["domain"] == domain for query in some])
            vectors[kind, domain] = rows[own]
            vectors[f"{kind}, of another domain", domain] = rows[~own]
    return {key: rows for key, rows in vectors.items() if len(rows)}


def passing_by_domain(casebase: Casebase, where: str | None) -> dict[Domain, NDArray[np.bool_]]:
    """Which cases of each domain pass a filter, in the order of adding."""
    from mmedrag.filters import parse

    passing: dict[Domain, list[bool]] = {domain: [] for domain in casebase.domains()}
    node = None if where is None else parse(where)
    for case in casebase.cases():
        if case.domain is not None:
            passing[case.domain].append(node is None or node.matches(case))
    return {domain: np.array(those) for domain, those in passing.items() if any(those)}


def copied(casebase: Casebase, url: str) -> CaseDatabase:
    """The database at a URL; one that is not there is filled with the cases but their reports."""
    from mmedrag.stores import create_store, open_store, store_exists

    if store_exists(url):
        store = open_store(url)
    else:
        known = {"fingerprint": casebase.fingerprint, "preset": casebase.preset}
        store = create_store(url, dim=casebase.dim, **known)
        entries = casebase.entries()
        while some := list(islice(entries, BATCH)):
            store.add([
                replace(e, case=replace(e.case, text=""), mentions=None, thumbnail=None)
                for e in some
            ])  # fmt: skip
    store.publish()
    return store


def found_by(
    store: CaseDatabase,
    asked: dict[tuple[str, Domain], Matrix],
    best: dict[tuple[str, Domain], Matrix],
    where: str | None,
) -> Found:
    """Share of the nearest cases that a search finds, and its milliseconds, by kind and domain."""
    from mmedrag.testing.questions import question_of
    from mmedrag.types import Query

    found: Found = defaultdict(dict)
    for (kind, domain), vectors in asked.items():
        shares, taken = [], []
        for vector, values in zip(vectors, best[kind, domain], strict=True):
            question = question_of(Query(where=where), vector, domain)
            begin = perf_counter()
            hits = store.search(question, len(values))
            taken.append(1000 * (perf_counter() - begin))
            near = sum(hit.similarity > values[-1] - 1e-6 for hit in hits)
            shares.append(min(near / len(values), 1.0))
        found[kind][domain] = float(np.mean(shares)), float(np.median(taken))
    return found


def nearest(path: Path, domain: str, queries: Matrix, k: int, passing: NDArray[np.bool_]) -> Matrix:
    """The similarities of the ``k`` nearest published cases of a domain that pass, falling.

    ``(n, k)``, or as many columns as pass.
    """
    from scale import published

    _, manifest, vectors = published(path)
    start = manifest["shards"][domain]["start"]
    best = np.empty((len(queries), 0), np.float32)
    for first in range(0, len(passing), 10 * BATCH):
        part = np.flatnonzero(passing[first : first + 10 * BATCH]) + first + start
        best = np.sort(np.hstack([best, queries @ vectors[part].T]))[:, -k:]
    return best[:, ::-1]


def report_recall(name: str, found: Found) -> None:
    """Print a table: a row a kind of query, a column a domain."""
    domains = sorted({domain for figures in found.values() for domain in figures})
    print(f"\n| recall@50, ms: {name} | {' | '.join(domains)} |\n|---|{'---:|' * len(domains)}")
    for kind, figures in found.items():
        cells = ("{:.3f}, {:.1f}".format(*figures[d]) if d in figures else "-" for d in domains)
        print(f"| {kind} | {' | '.join(cells)} |", flush=True)


def report_firsts(taken: Taken) -> None:
    """Print a table: a row for each thing done."""
    print("\n| one thread, ms | p50 | p50, processor time | most, processor time |")
    print("|---|---:|---:|---:|")
    for name, figures in taken.items():
        wall, processor = (np.array(figures[which]) for which in ("wall", "processor"))
        print(f"| {name} | {np.median(wall):,.0f} | {np.median(processor):,.0f} "
              f"| {processor.max():,.0f} |")  # fmt: skip


def bare_search(path: Path, k: int) -> Callable[[np.ndarray], object]:
    """The search call on the FAISS indexes that the casebase wrote, and nothing else."""
    from scale import bare_indexes

    indexes = bare_indexes(path)
    return lambda vector: [index.search(vector[None], k) for index in indexes]


def report(threads: int, taken: Taken) -> None:
    """Print a table: a row a stage, p50 and p95 by kind of query."""
    kinds = list(taken)
    print(f"\n{threads} thread{'s' * (threads > 1)}: p50 / p95 in ms\n")
    print(f"| {'stage':<34} |" + "".join(f" {kind:>16} |" for kind in kinds))
    print(f"|{'-' * 36}|" + f"{'-' * 17}:|" * len(kinds))
    for stage in (*STAGES, "whole", "processor time", "bare FAISS"):
        row(stage, [taken[kind].get(stage, []) for kind in kinds])
    encoders = ("decoding", "modality", "encoding")
    row("whole less decoding and encoders", [without(taken[kind], encoders) for kind in kinds])


def without(taken: dict[str, list[float]], stages: Iterable[str]) -> list[float]:
    """The whole of each query less these stages."""
    parts = zip(*(taken[stage] for stage in stages), strict=True)
    return [whole - sum(part) for whole, part in zip(taken["whole"], parts, strict=True)]


def row(name: str, columns: Sequence[Sequence[float]]) -> None:
    """One row of the table."""
    cells = [
        "-" if not c else "{:.1f} / {:.1f}".format(*np.percentile(c, [50, 95])) for c in columns
    ]
    print(f"| {name:<34} |" + "".join(f" {cell:>16} |" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
