"""The documentation is true: examples run, commands parse, links lead somewhere."""

from __future__ import annotations

import re
import shlex
import tempfile
from pathlib import Path

import pytest

from mmedrag.cli import parser

ROOT = Path(__file__).parents[1]
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))


def name(page: Path) -> str:
    """A page by its path in the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.S | re.M)


def commands(page: Path) -> list[str]:
    """What follows ``$ mmedrag`` in the console blocks of a page, comments included."""
    return re.findall(r"^\$ mmedrag (.*)", "\n".join(blocks(page, "console")), re.M)


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=name(page)) for page in PAGES if blocks(page, "python")]
)
def test_python_examples_run(page: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    # One namespace a page: an example may go on from the one above it, as its reader does.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = {"__name__": "example"}
    for number, block in enumerate(blocks(page, "python"), 1):
        exec(compile(block, f"{name(page)}, example {number}", "exec", dont_inherit=True), names)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "command",
    [pytest.param(line, id=f"{name(page)}: {line}") for page in PAGES for line in commands(page)],
)
def test_commands_and_their_options_exist(command: str) -> None:
    words = shlex.split(command, comments=True)
    try:
        parser().parse_args(words)
    except SystemExit:
        pytest.fail(f"mmedrag {command} is not understood")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: name(page))
def test_links_to_files_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
