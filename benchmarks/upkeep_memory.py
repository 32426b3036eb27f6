"""Memory of what reads a whole casebase: publish, rebuild, verify and export, each in a process.

Cases are those of ``benchmarks/scale.py``: 60 words, 256 dimensions, a dozen values to filter by.
The figure is the anonymous memory at its peak beyond that of the opened casebase.

    python benchmarks/upkeep_memory.py [--rows 20000 200000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from time import process_time

from mmedrag.casebase import Casebase
from scale import Corpus, resident

WORK = ("publish", "rebuild", "verify", "export")


def peak(path: Path, work: str, folder: Path) -> str:
    """Megabytes and seconds of processor time that one kind of work takes."""
    with Casebase.open(path) as casebase:
        before, most, done = resident(), 0.0, threading.Event()

        def watch() -> None:
            nonlocal most
            while not done.wait(0.01):
                most = max(most, resident())

        watcher = threading.Thread(target=watch)
        watcher.start()
        begin = process_time()
        if work == "export":
            casebase.export(folder / "export")
        else:
            getattr(casebase, work)()
        spent = process_time() - begin
        done.set()
        watcher.join()
    return f"{max(0.0, most - before) / 1024:,.0f} MB, {spent:.0f} s"


def filled(path: Path, rows: int) -> None:
    """Make a casebase of so many cases."""
    corpus = Corpus(rows, 256)
    with Casebase.create(path, dim=256, fingerprint="f", preset="p") as casebase:
        for entries in corpus.entries():
            casebase.add(entries)
        casebase.publish()


def main() -> None:
    """Print a line for each size and kind of work."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        path, work, folder = options.one
        print(f"{work}: {peak(Path(path), work, Path(folder))}", flush=True)
        return
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "c.casebase"
            filled(path, rows)
            print(f"{rows:,} cases", flush=True)
            for work in WORK:
                command = [sys.executable, __file__, "--one", str(path), work, name]
                subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
