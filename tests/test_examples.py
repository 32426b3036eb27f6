"""The examples run as they stand."""

from __future__ import annotations

import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from patience import PATIENCE

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
ALONE = EXAMPLES / "search_by_image.py"
"""The one that is run in a process of its own; the others share one, which costs less."""

NEEDS = {
    "haystack_pipeline.py": "haystack",
    "langchain_chain.py": "langchain_core",
    "llamaindex_query.py": "llama_index",
    "mcp_client.py": "mcp",
}
"""Examples of other programs, and the package that each needs."""


@pytest.mark.parametrize("script", [s for s in SCRIPTS if s != ALONE], ids=lambda p: p.name)
def test_a_script_runs_and_prints_something(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    if find_spec(NEEDS.get(script.name, "mmedrag")) is None:
        pytest.skip(f"{NEEDS[script.name]} is not installed: run make test, which installs it")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script)])
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out.strip()


def test_a_process_of_its_own_ends_without_a_warning(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", str(ALONE)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.strip()


@pytest.mark.parametrize("notebook", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda p: p.name)
def test_a_notebook_runs(notebook: Path, tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    cells = nbformat.read(notebook, as_version=4)
    nbformat.validate(cells)
    client = nbclient.NotebookClient(
        cells, timeout=PATIENCE, resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    outputs = [cell.outputs for cell in cells.cells if cell.cell_type == "code"]
    assert all(outputs)
