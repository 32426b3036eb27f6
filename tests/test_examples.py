"""The examples run as they stand, each in a process of its own, as their reader would."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from patience import PATIENCE

EXAMPLES = Path(__file__).parents[1] / "examples"

NEEDS = {
    "haystack_pipeline.py": "haystack",
    "langchain_chain.py": "langchain_core",
    "llamaindex_query.py": "llama_index",
    "mcp_client.py": "mcp",
}
"""Examples of other programs, and the package that each needs."""


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda p: p.name)
def test_a_script_runs_and_prints_something(script: Path, tmp_path: Path) -> None:
    if find_spec(NEEDS.get(script.name, "mmedrag")) is None:
        pytest.skip(f"{NEEDS[script.name]} is not installed: run make test, which installs it")
    run = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
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
