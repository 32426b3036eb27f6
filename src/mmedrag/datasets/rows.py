"""What the loaders share: lines and rows read under limits, and paths that stay inside a corpus."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from mmedrag.datasets.annotated import begins_annotated, rows_of
from mmedrag.errors import CorpusError
from mmedrag.regular_files import regular_file
from mmedrag.text.encodings import FOREIGN, line_of, utf16_of
from mmedrag.types import Problem

Row: TypeAlias = tuple[int, dict[str, Any]]
"""A line number, from 1, and what stands there."""

Item = TypeVar("Item")

MAX_LINE = 4 * 2**20
"""The longest line that is read: 4 MiB."""

MAX_TEXT = 131_072
"""Characters of the longest report or cell that is read: twenty thousand words."""

MAX_META = 262_144
"""Characters, as JSON, of the largest ``meta`` that a case may have."""

MAX_SIDE_TABLE = 64 * 2**20
"""The largest table that is held in memory as a whole: 64 MiB."""

MAX_BROKEN = 1_000_000
"""Broken rows after which a corpus is read no further, where they outnumber the sound ones."""

ENDED = "the rest was not read, because most rows are broken"

MAX_DEPTH = 32
"""The deepest nesting of JSON that is accepted."""

_SEPARATORS = re.compile(r"[\s,]*")
_ARRAY = re.compile(r"\s*\[\s*\{")
_LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def side_table(path: Path) -> Path:
    """The path of a table that is held in memory beside the one that is streamed.

    Raises:
        CorpusError: where it is larger than :data:`MAX_SIDE_TABLE`, or cannot be read.
    """
    if regular_file(path).stat().st_size > MAX_SIDE_TABLE:
        raise CorpusError(f"{path} is larger than {MAX_SIDE_TABLE // 2**20} MiB", "Split it.")
    return path


def lines(path: Path) -> Iterator[tuple[int, str] | Problem]:
    """The lines of a text file in UTF-8 or UTF-16 with their numbers.

    A line that is too long is a problem; one that is not UTF-8 is read as Windows-1252, with a
    remark.

    Raises:
        CorpusError: where the file cannot be opened.
    """
    with regular_file(path).open("rb") as file:
        if wide := utf16_of(file.read(65536)):
            yield from _wide_lines(path, wide)
            return
        file.seek(0)
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
            line, native = line_of(raw)
            if not native:
                yield Problem(path, number, FOREIGN, stored=True)
            yield number, line


def _wide_lines(path: Path, encoding: str) -> Iterator[tuple[int, str] | Problem]:
    with path.open(encoding=encoding, errors="replace", newline="\n") as file:
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if len(line) <= MAX_LINE:
                yield number, line.removeprefix("\ufeff") if number == 1 else line
                continue
            while line and not line.endswith("\n"):
                line = file.readline(MAX_LINE)
            yield Problem(path, number, f"line longer than {MAX_LINE // 2**20} MiB")


def until_broken(items: Iterator[Item | Problem]) -> Iterator[Item | Problem]:
    """The items of a corpus, to its end or until it is mostly broken (:data:`MAX_BROKEN`).

    A table whose quotation mark is never closed may have hundreds of millions of lines that are no
    rows. The last problem then is :data:`ENDED`.
    """
    sound = broken = 0
    for item in items:
        yield item
        sound += not isinstance(item, Problem)
        broken += isinstance(item, Problem) and not item.stored
        if isinstance(item, Problem) and broken > max(MAX_BROKEN, sound):
            yield Problem(item.file, item.line, ENDED)
            return


def distinct(names: Iterable[str]) -> list[str]:
    """The names of columns; a repeated one counts on, so that no column hides another."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        number = seen[name] = seen.get(name, 0) + 1
        found.append(name if number == 1 or not name else f"{name}.{number}")
    return found


def json_rows(path: Path) -> Iterator[Row | Problem]:
    """The objects of JSON Lines with their lines, or of JSON read as a whole, counted from 1.

    Raises:
        CorpusError: where the file cannot be read, is too large to be held in memory, or is an
            object that holds no rows.
    """
    for row in _objects_of_whole(path) if is_json_whole(path) else _objects_of_lines(path):
        if isinstance(row, Problem) or isinstance(row[1], dict):
            yield row
        else:
            reason = row[1].reason if isinstance(row[1], BadJson) else "not a JSON object"
            yield Problem(path, row[0], reason)


def is_json(path: Path) -> bool:
    """Whether a file is one of JSON Lines by its name, or JSON that is read as a whole."""
    suffix = path.suffix.lower()
    lines_of_json = suffix in (".jsonl", ".ndjson")
    return path.is_file() and (lines_of_json or (suffix == ".json" and is_json_whole(path)))


def first_row(path: Path) -> dict[str, Any]:
    """The first sound object of a JSON file, of its first few; empty where there is none."""
    if not is_json(path):
        return {}
    row = next((row for row in islice(json_rows(path), 5) if not isinstance(row, Problem)), None)
    return row[1] if row else {}


def is_json_whole(path: Path) -> bool:
    """Whether a file begins as an array of JSON objects, or as one object that holds rows."""
    with regular_file(path).open("rb") as file:
        head = decoded(file.read(1024))
    annotated = path.suffix.lower() == ".json" and begins_annotated(head)
    return annotated or _ARRAY.match(head) is not None


def _objects_of_whole(path: Path) -> Iterator[tuple[int, Any]]:
    if path.stat().st_size > MAX_SIDE_TABLE:
        raise CorpusError(
            f"{path} is JSON of one piece, larger than {MAX_SIDE_TABLE // 2**20} MiB",
            "Write its objects one a line (JSON Lines).",
        )
    text = decoded(path.read_bytes()).lstrip()
    values = json_values(text) if text.startswith("[") else _objects_of_object(path, text)
    yield from enumerate(values, start=1)


def _objects_of_object(path: Path, text: str) -> list[object]:
    value = parse_json(text)
    rows = rows_of(value)
    if rows:
        return rows
    reason = value.reason if isinstance(value, BadJson) else "it has no captions of images"
    raise CorpusError(
        f"{path} is no list of cases ({reason})", "Write an array of objects, a case each."
    )


def _objects_of_lines(path: Path) -> Iterator[tuple[int, Any] | Problem]:
    for line in lines(path):
        if isinstance(line, Problem):
            yield line
        elif line[1].strip():
            yield line[0], parse_json(line[1])


def json_values(text: str) -> Iterator[object]:
    """The values of a JSON array, or of values that follow each other, one at a time.

    Each is at most :data:`MAX_LINE` characters long; :class:`BadJson` ends what cannot be read.
    """
    decoder = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite)
    at = 1 if text.startswith("[") else 0
    while (at := _SEPARATORS.match(text, at).end()) < len(text):  # type: ignore[union-attr]
        if text[at] == "]":
            at += 1
            continue
        for length in (2**10, 2**16, MAX_LINE):
            try:
                value, end = decoder.raw_decode(text[at : at + length])
            except (ValueError, RecursionError):
                continue
            break
        else:
            value = BadJson("not valid JSON; the rest of its line was passed over")
            line = text.find("\n", at) + 1
            end = (line or len(text)) - at
        at += end
        yield value if _depth(value) <= MAX_DEPTH else BadJson(f"nested deeper than {MAX_DEPTH}")


class BadJson:
    """Why a text is not JSON that can be used."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def parse_json(text: str) -> Any:  # noqa: ANN401 - JSON is of any type
    """A JSON value; :class:`BadJson` for what is damaged, nested too deep, or not Unicode."""
    try:
        value = json.loads(text, parse_constant=lambda _: None, parse_float=_finite)
        if _LONE_SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return BadJson("holds half a Unicode character")
    except (ValueError, RecursionError) as error:
        return BadJson(f"not valid JSON ({getattr(error, 'msg', None) or 'nested too deep'})")
    return value if _depth(value) <= MAX_DEPTH else BadJson(f"nested deeper than {MAX_DEPTH}")


def inside(folder: Path, name: str) -> Path | None:
    """Where a corpus says that its file lies; ``None`` where that is outside its folder."""
    if "\0" in name:
        return None
    root = os.path.abspath(folder)  # noqa: PTH100 - symbolic links are the user's own: not resolved
    target = os.path.normpath(os.path.join(root, name))  # noqa: PTH118
    return Path(target) if Path(target).is_relative_to(root) else None


def existing_file(folder: Path, name: str) -> Path | None:
    """The file that a corpus names, however it was written: blanks around it, backslashes, NFD.

    The name as it stands comes first. ``None`` where no file is, or only outside the folder.
    """
    plain = name.strip().strip("'\"").strip()
    names = [name, plain, plain.replace("\\", "/")]
    names += [unicodedata.normalize(form, names[-1]) for form in ("NFC", "NFD")]
    for candidate in dict.fromkeys(names):
        path = inside(folder, candidate)
        try:
            if path is not None and path.is_file():
                return path
        except (OSError, ValueError):  # a name too long for the file system, or no Unicode
            continue
    return None


def corpus_key(path: Path, number: int = 0) -> str:
    """A name for a corpus by which ids stay apart: its file name, and a digest of where it lies.

    ``number`` counts corpora that have lain there one after another.
    """
    position = os.path.abspath(path)  # noqa: PTH100 - links are the user's own
    key = position.encode("utf-8", "surrogateescape") + (b"" if not number else b"\0%d" % number)
    digest = hashlib.blake2b(key, digest_size=4)
    name = os.path.basename(position).encode("utf-8", "replace").decode()  # noqa: PTH119
    return f"{name}-{digest.hexdigest()}"


def plain_value(value: object, depth: int = 0) -> Any:  # noqa: ANN401 - JSON is of any type
    """A value that JSON can hold: numbers that are none become ``None``, other kinds text.

    Bytes are no text and become ``None``; what is nested deeper than :data:`MAX_DEPTH` does too.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes | bytearray | memoryview) or depth >= MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        return {str(key): plain_value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain_value(item, depth + 1) for item in value]
    return str(value)


def text_of(value: object) -> str:
    """A cell as text: ``None`` and NaN are empty, white space around it goes."""
    if isinstance(value, float):
        value = None if math.isnan(value) else int(value) if value.is_integer() else value
    return "" if value is None else str(value).replace("\0", "").strip()


def first_text(row: Mapping[str, Any], *names: str) -> str:
    """The first of these columns that holds something."""
    return next((text for name in names if (text := text_of(row.get(name)))), "")


def _finite(number: str) -> float | None:
    value = float(number)
    return value if math.isfinite(value) else None


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


def decoded(data: bytes) -> str:
    """A text as UTF-8 or UTF-16; a line that is neither is Windows-1252.

    So one bad byte garbles one line.
    """
    if wide := utf16_of(data[:65536]):
        return data.decode(wide, "replace").removeprefix("\ufeff")
    lines = data.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True)
    return "".join(line_of(line)[0] for line in lines)
