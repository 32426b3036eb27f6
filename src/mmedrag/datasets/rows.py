"""What the loaders share: lines and rows read under limits, and paths that stay inside a corpus."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from mmedrag.errors import CorpusError
from mmedrag.types import Problem

Row: TypeAlias = tuple[int, dict[str, Any]]
"""A line number, from 1, and what stands there."""

MAX_LINE = 4 * 2**20
"""The longest line that is read: 4 MiB."""

MAX_DEPTH = 32
"""The deepest nesting of JSON that is accepted."""

_LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def corpus_file(path: Path) -> Path:
    """The path, if a file is there.

    Raises:
        CorpusError: where it is not a file that can be read.
    """
    try:
        with path.open("rb"):
            return path
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CorpusError(f"{path} cannot be read ({reason})", "Check the path.") from None


def lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, str] | Problem]:
    """The lines of a text file with their numbers; a line too long or not text is a problem.

    Raises:
        CorpusError: where the file cannot be opened.
    """
    with corpus_file(path).open("rb") as file:
        number = 0
        while raw := file.readline(MAX_LINE + 1):
            number += 1
            if len(raw) > MAX_LINE:
                while raw and not raw.endswith(b"\n"):
                    raw = file.readline(MAX_LINE)
                yield Problem(path, number, f"line longer than {MAX_LINE // 2**20} MiB")
                continue
            if number == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            try:
                yield number, raw.decode(encoding)
            except UnicodeDecodeError:
                yield Problem(path, number, f"not {encoding} text")


def json_rows(path: Path) -> Iterator[Row | Problem]:
    """The objects of a JSON Lines file; blank lines are passed over."""
    for line in lines(path):
        if isinstance(line, Problem):
            yield line
        elif line[1].strip():
            value = parse_json(line[1])
            if isinstance(value, dict):
                yield line[0], value
            else:
                reason = value.reason if isinstance(value, BadJson) else "not a JSON object"
                yield Problem(path, line[0], reason)


class BadJson:
    """Why a text is not JSON that can be used."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def parse_json(text: str) -> Any:  # noqa: ANN401 - JSON is of any type
    """A JSON value; :class:`BadJson` for what is damaged, nested too deep, or not Unicode."""
    try:
        value = json.loads(text, parse_constant=lambda _: None)
        if _LONE_SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return BadJson("holds half a Unicode character")
    except (ValueError, RecursionError) as error:
        return BadJson(f"not valid JSON ({getattr(error, 'msg', None) or 'nested too deep'})")
    return value if _depth(value) <= MAX_DEPTH else BadJson(f"nested deeper than {MAX_DEPTH}")


def csv_rows(path: Path, delimiter: str = ",", encoding: str = "utf-8") -> Iterator[Row | Problem]:
    """The rows of a table by its header's names, with the line on which each one ends.

    Raises:
        CorpusError: where the file has no header.
    """
    broken: list[Problem] = []
    reader = csv.reader(_texts(path, encoding, broken), delimiter=delimiter)
    header = _next_row(reader)
    if not isinstance(header, list) or not any(name.strip() for name in header):
        raise CorpusError(f"{path} has no header", "Name the columns in its first line.")
    names = [name.strip() for name in header]
    while (row := _next_row(reader)) is not None:
        yield from broken
        broken.clear()
        if isinstance(row, str):
            yield Problem(path, reader.line_num, row)
        elif row and len(row) != len(names):
            reason = f"{len(row)} columns where the header has {len(names)}"
            yield Problem(path, reader.line_num, reason)
        elif row:
            yield reader.line_num, dict(zip(names, row, strict=True))
    yield from broken


def inside(folder: Path, name: str) -> Path | None:
    """Where a corpus says that its file lies; ``None`` where that is outside its folder."""
    if "\0" in name:
        return None
    root = os.path.abspath(folder)  # noqa: PTH100 - symbolic links are the user's own: not resolved
    target = os.path.normpath(os.path.join(root, name))  # noqa: PTH118
    return Path(target) if Path(target).is_relative_to(root) else None


def text_of(value: object) -> str:
    """A cell as text: ``None`` is empty, white space around it goes."""
    return "" if value is None else str(value).replace("\0", "").strip()


def first_text(row: Mapping[str, Any], *names: str) -> str:
    """The first of these columns that holds something."""
    return next((text for name in names if (text := text_of(row.get(name)))), "")


def _next_row(reader: Iterator[list[str]]) -> list[str] | str | None:
    try:
        return next(reader, None)
    except csv.Error as error:
        return f"not a valid row ({error})"


def _texts(path: Path, encoding: str, broken: list[Problem]) -> Iterator[str]:
    for line in lines(path, encoding):
        if isinstance(line, Problem):
            broken.append(line)
            yield "\n"  # keeps the reader's count of lines
        else:
            yield line[1].replace("\0", "")


def _depth(value: object) -> int:
    level, depth = [value], 0
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        if depth > MAX_DEPTH:
            break
        level = [
            child for item in level for child in (item.values() if isinstance(item, dict) else item)
        ]
    return depth
