"""Small inputs that once failed, in ``shared/cases``: each command is run as it stands there.

What each must give is checked here for files and folders; the other cases are checked where their
rooms are tested.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mmedrag.cli import main

Rows = list[dict[str, Any]]
CASES = Path(os.environ.get("MMEDRAG_SHARED", Path(__file__).parents[2] / "shared")) / "cases"


def texts(rows: Rows) -> list[str]:
    return [row["text"] for row in rows]


def grey(output: str) -> tuple[int, int, int, int]:
    """Extremes, left and right pixel, as the commands print them."""
    low, high, left, right = map(int, re.findall(r"\d+", output.splitlines()[-1])[:4])
    return low, high, left, right


EXPECTED: Mapping[str, Callable[[str, Rows], bool]] = {
    "06": lambda output, rows: len(rows) == 7 and texts(rows)[3] == "No effusion.",
    "07": lambda output, rows: (
        texts(rows) == ["Größe normal", "5° angle", "ähnlich"] and "t.csv:3" in output
    ),
    "08": lambda output, rows: (
        texts(rows) == ["Findings: Lungs clear.\nImpression: Normal.", "Only impression here."]
    ),
    "09": lambda output, rows: (
        texts(rows) == ["", "real text", ""]
        and [row["patient_id"] for row in rows] == ["", "", "P1"]
        and [row["labels"] for row in rows] == [[], ["a", "b"], ["a", "b"]]
    ),
    "10": lambda output, rows: len(rows) == 3 and "missing.jpg" in output,
    "11": lambda output, rows: len(rows) == 1 and rows[0]["image"] is not None,
    "12": lambda output, rows: len(rows) == 2 and all(row["image"] for row in rows),
    "13": lambda output, rows: grey(output)[0] == 0 and grey(output)[1] > 240,
    "15": lambda output, rows: len(rows) == 1 and rows[0]["image"] is not None,
    "17": lambda output, rows: texts(rows) == [""],
    "18": lambda output, rows: (
        texts(rows)[0].startswith("No pneumothorax.") and "NO FRACTURE" in texts(rows)[0]
    ),
    "19": lambda output, rows: grey(output)[2:] == (0, 255),
    "20": lambda output, rows: grey(output)[:2] == (0, 255),
    "21": lambda output, rows: grey(output)[:2] == (0, 255),
}
"""By the number of a case: whether what its command printed and stored is right."""


@pytest.mark.parametrize("number", EXPECTED)
def test_a_case_gives_what_it_expects(number, tmp_path, monkeypatch, capsys):
    folder = next(iter(CASES.glob(f"{number}-*")), None)
    if folder is None:
        pytest.skip(f"{CASES} holds no case {number}")
    work = tmp_path / "case"
    shutil.copytree(folder, work)
    monkeypatch.chdir(work)
    command = (work / "cmd").read_text()
    for one in command.split(" && "):
        run(shlex.split(one))
    printed = "".join(capsys.readouterr())
    if "export" not in command and "x.casebase" in command:
        run(["mmedrag", "export", "x.casebase", "--into", "ex"])
    exported = next(iter((work / "ex").glob("*.jsonl")), None)
    lines = exported.read_text("utf-8").splitlines() if exported else []
    rows = sorted((json.loads(line) for line in lines), key=lambda row: row["id"])
    assert EXPECTED[number](printed, rows), (folder / "expect").read_text()


def run(words: list[str]) -> None:
    """A command of a shell in this process: starting another costs ten times what it does."""
    match words:
        case ["mmedrag", *arguments]:
            assert main(arguments) == 0
        case ["python", "-c", program]:
            exec(program, {})
        case _:
            pytest.fail(f"neither mmedrag nor Python: {words}")
