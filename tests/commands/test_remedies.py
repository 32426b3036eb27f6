"""Every command that an error, a notice or a help text names can be typed."""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import mmedrag
from mmedrag.cli import parser
from mmedrag.commands.demo import _next

ROOT = Path(mmedrag.__file__).parent
VALUE = "1"
"""Stands for what a message fills in: a path, a name or a number."""

_COMMAND = re.compile(r"(?<![\w./-])mmedrag ([a-z][^'`\"\n;,)…|]*)")
_END = re.compile(r"(?:\.|:)?\s*$|\. [A-Z].*|\.$| \(.*")


def texts(tree: ast.AST) -> Iterator[str]:
    """The strings of a module but its docstrings, with values filled in."""
    nodes = list(ast.walk(tree))
    inside = {id(v) for n in nodes if isinstance(n, ast.JoinedStr) for v in n.values}
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        id(n.body[0].value)
        for n in nodes
        if isinstance(n, documented) and n.body and isinstance(n.body[0], ast.Expr)
    }
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(v.value) if isinstance(v, ast.Constant) else VALUE for v in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield "" if id(node) in inside or id(node) in docstrings else node.value


def named() -> Iterator[tuple[str, str]]:
    sources = {path: path.read_text("utf-8") for path in sorted(ROOT.rglob("*.py"))}
    for path, source in sources.items():
        for text in texts(ast.parse(source)) if "mmedrag " in source else ():
            for match in _COMMAND.finditer(text):
                command = _END.sub("", match[1]).strip()
                yield str(path.relative_to(ROOT)), command.replace(" N ", f" {VALUE} ")


def subcommands(root: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in root._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def is_understood(command: str) -> bool:
    """Whether a command parses; of one named without its arguments, whether it exists."""
    words = shlex.split(command)
    place = parser()
    rest = list(words)
    while rest and (found := subcommands(place).get(rest[0])):
        place = found
        rest.pop(0)
    if not rest:
        return place.prog != "mmedrag"
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            parser().parse_args(words)
    except SystemExit:
        return False
    return True


NAMED = sorted(set(named()))


def test_messages_do_name_commands() -> None:
    assert len(NAMED) > 5


@pytest.mark.parametrize(("where", "command"), NAMED, ids=[f"{w}: {c}" for w, c in NAMED])
def test_a_command_that_a_message_names_can_be_typed(where: str, command: str) -> None:
    assert is_understood(command), f"{where} names 'mmedrag {command}'"


@pytest.mark.parametrize("folder", ["demo", "my demo", "d'emo"])
def test_what_the_demonstration_proposes_can_be_typed(folder: str) -> None:
    lines = _next(Path(folder), [Path("page.html")]).splitlines()
    commands = [line.split("mmedrag ", 1)[1] for line in lines if "  mmedrag " in line]
    assert len(commands) == 3
    assert all(is_understood(command) for command in commands)


@pytest.mark.parametrize("command", ["dictionary compile", "asks x", "ask x --no-such", "ask"])
def test_the_check_would_notice(command: str) -> None:
    assert is_understood(command) == (command == "ask")
