"""Who may import whom (docs/architecture.md), and what importing the package may not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

import mmedrag

ROOT = Path(mmedrag.__file__).parent

GROUND = {
    "types", "errors", "progress", "domains", "rounding", "durability", "filters", "dates",
    "text", "measures", "entailment", "threads", "torch_import", "locations", "regular_files",
    "remembering",
}  # fmt: skip
STAGES = {
    "modality", "encoders", "casebase", "definitions", "ranking", "reward", "answers", "datasets",
    "phantoms",
}  # fmt: skip
SHELVES = (
    GROUND,
    {"protocols", "checkpoint", "citations", "imaging", "readings", "selection"},
    {"courses", "holdings", "expansion"},
    STAGES,
    {"backends"},
    {"stores"},
    {"routing", "knowledge", "preparation"},
    {"networks", "pipeline", "indexing", "presets", "images", "pseudonym_key", "dicomweb"},
    {"choices", "corpora", "provenance"},
    {"filling", "copying"},
    {"assembly", "patients"},
    {"bulk"},
    {"mmedrag"},
    {"views"},
    {"integrations"},
    {"training", "evaluation"},
    {"paper"},
    {"testing"},
    {"serving"},
    {"commands"},
    {"cli"},
    {"__main__"},
)
"""Rooms from the lowest up: a room imports lower shelves, and on its own shelf itself alone. The
ground is one shelf whose rooms may stand on each other."""

ONLY = {
    "types": {"domains", "errors"},
    "errors": set(),
    "measures": {"types", "errors"},
    "pipeline": GROUND | {"protocols", "citations", "imaging", "selection", "expansion"},
    "views": GROUND | {"protocols", "citations", "imaging", "courses", "indexing", "mmedrag"},
}
"""Rooms that keep to less than their shelf allows."""

SHELF_OF = {room: number for number, rooms in enumerate(SHELVES) for room in rooms}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = sorted(ROOT.rglob("*.py"))
MODULES = {module_name(path): path for path in FILES}


def room(module: str) -> str:
    """The module or package directly under mmedrag; mmedrag itself for the package."""
    return [*module.split("."), "mmedrag"][1]


def imported(path: Path) -> Iterator[str]:
    """Every module of ours that a file imports, at its top, within functions and for types."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            if node.module and node.module.split(".")[0] == "mmedrag":
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from (name if name in MODULES else node.module for name in names)
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            yield from (name for name in names if name.split(".")[0] == "mmedrag")


def cycles(graph: Mapping[str, Iterable[str]]) -> list[set[str]]:
    """Strongly connected components of two and more nodes (Kosaraju and Sharir)."""

    def walk(start: str, edges: Mapping[str, Iterable[str]], seen: set[str]) -> list[str]:
        seen.add(start)
        after = [n for to in edges[start] if to not in seen for n in walk(to, edges, seen)]
        return [*after, start]

    back: dict[str, list[str]] = {node: [] for node in graph}
    for node, others in graph.items():
        for other in others:
            back[other].append(node)
    seen: set[str] = set()
    order = [n for node in graph if node not in seen for n in walk(node, graph, seen)]
    seen = set()
    parts = [set(walk(node, back, seen)) for node in reversed(order) if node not in seen]
    return [part for part in parts if len(part) > 1]


@cache
def graph() -> dict[str, set[str]]:
    """What every module of ours imports of ours."""
    return {name: set(imported(path)) - {name} for name, path in MODULES.items()}


@pytest.mark.parametrize("module", MODULES)
def test_who_imports_whom(module: str) -> None:
    mine = room(module)
    assert mine in SHELF_OF, f"{mine} has no place in the order"
    seen = {room(other) for other in graph()[module]} - {mine}
    lower = {name for name in seen if SHELF_OF[name] < SHELF_OF[mine]}
    assert seen - lower <= (GROUND if mine in GROUND else set())
    assert seen <= ONLY.get(mine, seen)


def test_no_circle_of_rooms() -> None:
    rooms: dict[str, set[str]] = {room(module): set() for module in graph()}
    for module, others in graph().items():
        rooms[room(module)] |= {room(other) for other in others} - {room(module)}
    assert cycles(rooms) == []


def test_no_circle_of_modules() -> None:
    assert cycles(graph()) == []


def test_circles_are_found() -> None:
    graph = {"a": ["b"], "b": ["c"], "c": ["b", "d"], "d": ["e"], "e": ["d"], "f": ["a"]}
    assert sorted(map(sorted, cycles(graph))) == [["b", "c"], ["d", "e"]]


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
