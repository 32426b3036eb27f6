"""Proofs of reliability: how large they are, and the table of what they found.

A test that is marked ``proof("area")`` is a part of the proof of that area. What it tried it says
by pytest's own fixture, ``record_property("kills", 500)``; one that says nothing counts as one
check. ``pytest -m proof --proofs docs/reference/reliability.md`` runs the proofs and writes their
rows of the table; rows of proofs that did not run stay as they are, with their date. With
``--in-pieces`` what a run tried and found is added to the rows of the same day, so that a long
proof can be run a few tests at a time.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings

SCALE = float(os.environ.get("MMEDRAG_PROOF_SCALE", "1"))
"""Multiplies the size of every long proof: above 1 for a nightly run, below 1 for a quick one."""

HEADING = "| proof | scale | result | date |\n|---|---|---|---|\n"
TABLE = re.compile(r"(?<=<!-- proofs -->\n).*?(?=<!-- end of proofs -->)", re.DOTALL)

SEED = int(os.environ.get("MMEDRAG_PROOF_SEED", "0"))
"""Another number makes other inputs and moments: for the pieces of a proof."""


def scaled(number: int) -> int:
    """The size of a long proof in this run, at least one."""
    return max(1, round(number * SCALE))


def examples(number: int) -> int:
    """The size of a property in this run: that number in ``make test-long``, fewer otherwise."""
    return max(1, round(number * settings().max_examples / 100))


class ProofTable:
    """Gathers the proofs of one run of pytest and writes their rows."""

    def __init__(self, page: Path, writes: bool = True, adds: bool = False) -> None:
        self._page, self._writes, self._adds = page, writes, adds
        self._scales: dict[str, Counter[str]] = defaultdict(Counter)
        self._outcomes: dict[str, Counter[str]] = defaultdict(Counter)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for mark in item.iter_markers("proof"):
                item.user_properties.append(("proof", mark.args[0]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = list(report.user_properties)
        areas = [value for name, value in properties if name == "proof"]
        if not areas or (report.when != "call" and report.passed):
            return
        self._outcomes[areas[0]][report.outcome] += 1
        sizes = [(name, value) for name, value in properties if name != "proof"]
        if not report.skipped:
            self._scales[areas[0]].update(dict(sizes) or {"checks": 1})

    def pytest_sessionfinish(self) -> None:
        if self._outcomes and self._writes:
            text = self._page.read_text("utf-8")
            self._page.write_text(TABLE.sub(lambda m: self.merged(m[0]), text), "utf-8")

    def pytest_terminal_summary(self, terminalreporter) -> None:
        for row in self.rows().values():
            terminalreporter.write_line(row)

    def rows(self) -> dict[str, str]:
        """A row of the table by area."""
        return {
            area: f"| {area} | {scale_of(self._scales[area])} | {result_of(outcomes)} | {today()} |"
            for area, outcomes in self._outcomes.items()
        }

    def merged(self, table: str) -> str:
        """The table with the rows of this run in the place of older ones."""
        lines = [line for line in table.splitlines()[2:] if line]
        rows = {line.split("|")[1].strip(): line for line in lines}
        if self._adds:
            self._add([row for area, row in rows.items() if area in self._outcomes])
        rows |= self.rows()
        return HEADING + "".join(f"{rows[area]}\n" for area in sorted(rows))

    def _add(self, rows: Iterable[str]) -> None:
        """Count what rows of the same day say into this run."""
        for row in rows:
            area, scale, result, day = (cell.strip() for cell in row.split("|")[1:5])
            if day == today():
                for number, unit in re.findall(r"(\d[\d,]*) ([^,]+)", scale):
                    self._scales[area][unit] += int(number.replace(",", ""))
                failed, ran, *rest = map(int, re.findall(r"\d+", result))
                self._outcomes[area].update(failed=failed, passed=ran - failed, skipped=sum(rest))


def today() -> str:
    """The date in UTC."""
    return datetime.now(UTC).date().isoformat()


def scale_of(sizes: Counter[str]) -> str:
    """``512 kills, 3,021 acknowledged writes``."""
    return ", ".join(f"{number:,} {unit}" for unit, number in sizes.items()) or "nothing ran"


def result_of(outcomes: Counter[str]) -> str:
    """``0 failures in 12 tests``, and what was skipped."""
    ran = outcomes["passed"] + outcomes["failed"]
    skipped = f", {outcomes['skipped']} skipped" if outcomes["skipped"] else ""
    return f"{outcomes['failed']} failures in {ran} tests{skipped}"
