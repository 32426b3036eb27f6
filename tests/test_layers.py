"""Who may import whom (docs/architecture.md), and what importing the package may not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mmedrag

ROOT = Path(mmedrag.__file__).parent

GROUND = {"types", "errors", "progress", "rounding"}
TOOLS = {"protocols", "images", "checkpoint", "passages", "citations", "text"}
STAGES = {
    "modality": {"modality"},
    "encoders": {"encoders", "fusion"},
    "casebase": {"casebase"},
    "definitions": {"definitions"},
    "graph": {"graph", "diversity"},
    "reward": {"reward", "pair_features", "reward_checkpoint"},
    "generation": {"generation", "findings", "prompts", "chat", "completions"},
    "datasets": {"datasets"},
}
DOORS = {
    "indexing", "presets", "assembly", "trace", "console", "page", "demo", "evaluation", "training",
    "commands", "cli",
}  # fmt: skip
"""They may import every room; no room imports them."""

ROOM_OF = {module: room for room, modules in STAGES.items() for module in modules}


def room(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The modules or packages directly under mmedrag that a file imports at its top level."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("mmedrag."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("mmedrag.")}
    return found


FILES = sorted(p for p in ROOT.rglob("*.py") if p.name != "__init__.py" or p.parent != ROOT)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_who_imports_whom(path: Path) -> None:
    me, seen = room(path), imported(path)
    if me in GROUND:
        assert seen <= GROUND
    elif me in TOOLS:
        assert seen <= GROUND | TOOLS
    elif me in ROOM_OF:
        assert seen <= GROUND | TOOLS | STAGES[ROOM_OF[me]]
    elif me == "pipeline":
        assert seen <= GROUND | {"protocols", "citations"}
    else:
        assert me in DOORS


def test_importing_the_package_is_light() -> None:
    heavy = ("torch", "transformers", "faiss", "onnxruntime", "fastapi", "httpx", "pydicom")
    script = f"import mmedrag, sys; print([m for m in {heavy!r} if m in sys.modules])"
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"


def test_help_loads_no_model_library() -> None:
    script = (
        "import sys\nfrom mmedrag.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('numpy.linalg', 'onnxruntime', 'faiss') if m in sys.modules][1:])"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip().endswith("[]")
    assert "ask" in told.stdout


def test_no_file_is_called_by_an_empty_name() -> None:
    empty = {"utils", "helpers", "common", "core", "base", "manager"}
    assert not [p for p in FILES if p.stem in empty]
