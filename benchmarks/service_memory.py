"""Resident memory of ``mmedrag serve`` under a steady load.

Searches, answers, images and pages one after the other, at most so many a second, no text twice,
and the service's resident memory every half minute. Printed: the series, and how much it rises in
an hour over the second half (least squares), once caches are full.

    python benchmarks/service_memory.py [CASEBASE] [--cases 5000] [--minutes 30] [--rate 6]

Without a casebase, synthetic cases are drawn; 400 of them have images.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np

from service_load import drawn, questions, resident, service

SAMPLE = 30.0
"""Seconds between two readings of the memory."""


def main() -> None:
    """Load the service for as long as asked, and print what it holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("casebase", type=Path, nargs="?")
    parser.add_argument("--cases", type=int, default=5_000)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=6.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        casebase = options.casebase or drawn(Path(folder), options.cases, images=True)
        print(f"load average at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        texts, pictures = questions(casebase), images(casebase)
        with service(casebase) as (address, process), httpx.Client(base_url=address) as http:
            start, sizes, sent, failed = time.perf_counter(), [resident(process)], 0, 0
            http.timeout = 60
            while (now := time.perf_counter() - start) < 60 * options.minutes:
                if now >= SAMPLE * len(sizes):
                    sizes.append(resident(process))
                failed += ask(http, sent, next(texts), next(pictures)) != httpx.codes.OK
                sent += 1
                time.sleep(max(0.0, now + 1 / options.rate - (time.perf_counter() - start)))
            took = time.perf_counter() - start
            sizes.append(resident(process))
    print(
        f"{sent} requests in {took / 60:.1f} minutes ({sent / took:.1f} a second), {failed} failed"
    )
    print("MB every half minute:", *(f"{size:.0f}" for size in sizes))
    half = sizes[len(sizes) // 2 :]
    slope = np.polyfit(np.arange(len(half)) * SAMPLE / 3600, half, 1)[0]
    print(f"second half: {min(half):.0f} to {max(half):.0f} MB, {slope:+.1f} MB an hour")


def images(casebase: Path) -> Iterator[bytes]:
    """Previews of cases, over and over."""
    from mmedrag.casebase.casebase import Casebase

    with Casebase.open(casebase, readonly=True) as opened:
        found = (opened.preview(case.id) for case in opened.cases())
        return itertools.cycle(list(itertools.islice(filter(None, found), 50)))


def ask(http: httpx.Client, number: int, text: str, picture: bytes) -> int:
    """One request of the four kinds in turn: its status."""
    match number % 4:
        case 0:
            return http.post("/v1/search", json={"text": text}).status_code
        case 1:
            return http.post("/v1/ask", json={"text": text}).status_code
        case 2:
            data, files = {"text": text}, {"image": picture}
            return http.post("/v1/ask", data=data, files=files).status_code
        case _:
            return http.get("/", params={"text": text}).status_code


if __name__ == "__main__":
    main()
