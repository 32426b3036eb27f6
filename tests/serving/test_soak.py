"""A service under load for minutes: memory does not grow."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from patience import PATIENCE
from proofs import SCALE

MINUTES = min(30.0, 4.0 * SCALE)
"""A nightly run, of scale 8, lasts half an hour."""
GROWTH = 48
"""Megabytes that may come after the first third: caches fill, and the allocator keeps pieces."""

SAMPLES = 15
"""Of the resident memory, evenly spread over the time; printed."""

SERVE = "import sys; from mmedrag.cli import main; sys.exit(main())"


def resident(process: subprocess.Popen[str]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow(own: Path, phantoms, record_property) -> None:
    words = ["serve", str(own), "--port", "0", "--rate", "1e9"]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, *words], stdout=subprocess.PIPE, text=True
    )
    try:
        address = process.stdout.readline().split()[1]
        images = [c.image.read_bytes() for c in phantoms if c.image][:20]
        end = time.monotonic() + 60 * MINUTES

        def client(number: int) -> int:
            sent = 0
            with httpx.Client(base_url=address, timeout=PATIENCE) as http:
                while time.monotonic() < end:
                    text = f"mass in the left lung {number} {sent}"
                    image = {"image": images[sent % len(images)]}
                    replies = (
                        http.post("/v1/search", json={"text": text}),
                        http.post("/v1/ask", json={"text": text}),
                        http.post("/v1/ask", data={"text": text}, files=image),
                        http.get("/", params={"text": text}),
                    )
                    assert [reply.status_code for reply in replies] == [200] * 4
                    sent += 4
            return sent

        with ThreadPoolExecutor(8) as threads:
            clients = [threads.submit(client, number) for number in range(8)]
            sizes = []
            for _ in range(SAMPLES):
                time.sleep(60 * MINUTES / SAMPLES)
                sizes.append(resident(process))
            sent = sum(future.result() for future in clients)
        print(f"{sent} requests, {MINUTES:g} minutes; MB:", *map(round, sizes))  # noqa: T201
        record_property("requests", sent)
        grown = max(sizes[SAMPLES // 3 :]) - sizes[SAMPLES // 3 - 1]
        assert grown < GROWTH, f"{grown:.0f} MB more in the last two thirds, {sent} requests"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
