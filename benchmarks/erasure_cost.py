"""What erasing costs: ``delete`` and ``delete --now`` in a casebase of 100,000 cases.

``delete`` returns when text, words, terms and vector have left the database and its log;
``erase`` (the command's ``--now``) when the vector has left the index file too, which is built
again from the database. Random vectors, synthetic reports of 30 words, three domains.

    python benchmarks/erasure_cost.py [--rows 100000] [--dim 1024]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np

from mmedrag.casebase import Casebase
from retrieval_overhead import Reports, build


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    begin = perf_counter()
    call()
    return perf_counter() - begin


def main() -> None:
    """Build the casebase, delete, erase, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=1_024)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "benchmark.casebase"
        with build(path, options.rows, options.dim, rng, Reports(rng)):
            pass
        with Casebase.open(path) as casebase:
            size = (path / "casebase.db").stat().st_size / 1e6
            print(f"{options.rows} cases x {options.dim}, casebase.db {size:.0f} MB")
            print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
            print("| what | seconds |\n|---|---:|")
            first = seconds(lambda: casebase.delete(["case0"]))
            print(f"| delete 1 case | {first:.2f} |")
            again = seconds(lambda: casebase.delete(["case1"]))
            print(f"| delete 1 case, again | {again:.2f} |")
            many = [f"case{i}" for i in range(2, 1_002)]
            print(f"| delete 1,000 cases | {seconds(lambda: casebase.delete(many)):.2f} |")
            print(f"| erase what is left (--now) | {seconds(casebase.erase):.2f} |")
            if casebase.unerased():
                raise SystemExit(f"not erased: {casebase.unerased()}")


if __name__ == "__main__":
    main()
