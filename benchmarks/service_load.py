"""Text searches a second of ``mmedrag serve`` at several clients, beside the library's own loop.

The service runs in a process of its own, started by the command; clients are threads that send one
search after the other, no text twice. Printed: searches a second, median and 99th percentile of a
search, processor time a search, which a busy machine disturbs less, and the service's resident
memory.

    python benchmarks/service_load.py [CASEBASE] [--cases 5000] [--clients 16] [--seconds 20]

Without a casebase, synthetic cases are drawn and indexed by their reports (text searches do not
read images).
"""

from __future__ import annotations

import argparse
import itertools
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import httpx
import numpy as np

MMEDRAG = "import sys; from mmedrag.cli import main; sys.exit(main())"


def main() -> None:
    """Measure the library, then the service."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("casebase", type=Path, nargs="?")
    parser.add_argument("--cases", type=int, default=5_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        casebase = options.casebase or drawn(Path(folder), options.cases)
        print(f"load average at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        texts = questions(casebase)
        report("library, one thread", *library(casebase, texts, options.seconds))
        with service(casebase) as (address, process):
            before, begin = resident(process), processor(process)
            taken, failed = load(address, texts, options.clients, options.seconds)
            spent = processor(process) - begin
            report(f"service, {options.clients} clients", taken, options.seconds, spent)
            print(f"{'failed':24}{failed}")
            print(f"{'resident memory':24}{before:.0f} MB before, {resident(process):.0f} MB after")


def drawn(folder: Path, cases: int, *, images: bool = False) -> Path:
    """A casebase of the reports of synthetic cases; ``images``: the first 400 with theirs."""
    from mmedrag.assembly import create, dictionary
    from mmedrag.datasets.records import read_records
    from mmedrag.indexing import index
    from mmedrag.phantoms.corpus import generate
    from mmedrag.types import Case

    base = min(cases, 400)  # drawing pictures is slow, and the reports alone are searched
    rows = [
        r for r in read_records(generate(base, 5, into=folder / "corpus")) if isinstance(r, Case)
    ]
    turns = -(-cases // len(rows))
    many = (
        replace(
            row,
            id=f"{row.id}-{turn}",
            image=row.image if images and turn == 0 else None,
            text=f"{row.text} Series {turn}.",
        )
        for turn in range(turns)
        for row in rows
    )
    casebase, stages = create(folder / "load.casebase")
    with casebase:
        index(
            itertools.islice(many, cases), casebase, stages.embedder, stages.classifier,
            definitions=dictionary(),
        )  # fmt: skip
    return folder / "load.casebase"


def questions(casebase: Path) -> Iterator[str]:
    """The first words of reports, each with a number that makes it new."""
    from mmedrag.casebase.casebase import Casebase

    with Casebase.open(casebase, readonly=True) as opened:
        openings = [" ".join(c.text.split()[:8]) for c in itertools.islice(opened.cases(), 500)]
    return (f"{text} {n}" for n, text in enumerate(itertools.cycle(openings)))


def library(
    casebase: Path, texts: Iterator[str], seconds: float
) -> tuple[list[float], float, float]:
    """Times of ``retrieve`` in a loop, how long all took, and its processor time."""
    from mmedrag.assembly import load as opened

    taken = []
    with opened(casebase) as rag:
        start, spent = time.perf_counter(), time.process_time()
        while time.perf_counter() - start < seconds / 2:
            begin = time.perf_counter()
            rag.retrieve(next(texts))
            taken.append(time.perf_counter() - begin)
        return taken, time.perf_counter() - start, time.process_time() - spent


@contextmanager
def service(casebase: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The command, until it is ready and while it is measured."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["serve", str(casebase), "--port", str(port), "--rate", "1e9"]
    process = subprocess.Popen([sys.executable, "-c", MMEDRAG, *words], stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                if httpx.get(f"{address}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield address, process
    finally:
        process.terminate()
        process.wait()


def load(
    address: str, texts: Iterator[str], clients: int, seconds: float
) -> tuple[list[float], int]:
    """Times of the searches that were answered, and how many failed."""
    together = Barrier(clients)

    def client(own: list[str]) -> list[tuple[float, int]]:
        """Send one search after the other until the time is over: their times and statuses."""
        taken = []
        with httpx.Client(base_url=address, timeout=60) as http:
            http.get("/healthz")
            together.wait()
            end = time.perf_counter() + seconds
            for text in itertools.cycle(own):
                begin = time.perf_counter()
                if begin > end:
                    return taken
                reply = http.post("/v1/search", json={"text": text})
                taken.append((time.perf_counter() - begin, reply.status_code))
        return taken

    shares = [list(itertools.islice(texts, 2000)) for _ in range(clients)]
    with ThreadPoolExecutor(clients) as threads:
        replies = [reply for share in threads.map(client, shares) for reply in share]
    answered = [taken for taken, status in replies if status == 200]
    return answered, len(replies) - len(answered)


def report(name: str, taken: list[float], seconds: float, spent: float) -> None:
    """Print one line."""
    median, worst = np.percentile(taken, (50, 99)) * 1000
    print(
        f"{name:24}{len(taken) / seconds:.1f} searches/s, p50 {median:.0f} ms, p99 {worst:.0f} ms, "
        f"processor {1000 * spent / len(taken):.0f} ms a search"
    )


def processor(process: subprocess.Popen[bytes]) -> float:
    """Seconds of processor time that a process has used (Linux)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(process: subprocess.Popen[bytes]) -> float:
    """Megabytes of resident memory (Linux)."""
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
