"""The table of proofs: what a run writes, and what runs in pieces add up to."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from proofs import HEADING, ProofTable, today


def page(folder: Path, *rows: str) -> Path:
    file = folder / "page.md"
    file.write_text(f"<!-- proofs -->\n{HEADING}{''.join(rows)}<!-- end of proofs -->\nend\n")
    return file


def run(file: Path, *outcomes: tuple[str, int], adds: bool = False) -> str:
    table = ProofTable(file, adds=adds)
    for outcome, kills in outcomes:
        report = SimpleNamespace(
            user_properties=[("proof", "crash"), ("kills", kills)],
            when="call",
            outcome=outcome,
            passed=outcome == "passed",
            skipped=outcome == "skipped",
        )
        table.pytest_runtest_logreport(report)
    table.pytest_sessionfinish()
    return file.read_text()


def test_a_run_replaces_its_rows_and_leaves_the_others(tmp_path):
    file = page(tmp_path, "| crash | 9 kills | old | 2020-01-01 |\n", "| model | x | y | z |\n")
    text = run(file, ("passed", 1000), ("failed", 234))
    assert f"| crash | 1,234 kills | 1 failures in 2 tests | {today()} |\n| model |" in text
    assert text.endswith("<!-- end of proofs -->\nend\n")


def test_pieces_of_one_day_add_up(tmp_path):
    file = page(tmp_path, f"| crash | 0 checks, 0 kills | 0 failures in 0 tests | {today()} |\n")
    run(file, ("passed", 1000), ("skipped", 0), adds=True)
    text = run(file, ("failed", 234), ("passed", 1), adds=True)
    assert "1,235 kills" in text
    assert "| 1 failures in 3 tests, 1 skipped |" in text


def test_pieces_of_another_day_do_not(tmp_path):
    file = page(tmp_path, "| crash | 9 kills | 3 failures in 4 tests | 2020-01-01 |\n")
    assert "| crash | 5 kills | 0 failures in 1 tests |" in run(file, ("passed", 5), adds=True)
