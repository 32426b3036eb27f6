"""Rows of delimited text (CSV, TSV) as real programs write it.

Quotation marks are read by RFC 4180 where they follow it, and as plain characters where they do
not: an unclosed or stray mark costs at most its own row. Every line is decoded by itself, so that
one bad byte garbles one line. Memory is bounded by the longest line that is read.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TypeAlias

from mmedrag.datasets.rows import MAX_LINE, MAX_TEXT, Row, distinct
from mmedrag.errors import CorpusError
from mmedrag.regular_files import check_is_no_container, regular_file
from mmedrag.text.characters import INVISIBLE
from mmedrag.text.encodings import STRAY, utf16_of
from mmedrag.types import Problem

_DELIMITERS = ",;\t|"
_MAX_LINES = 10_000  # of one row: more lines than that between two quotation marks are no cell
_MIN_LINES = 10  # of a quoted cell that are looked for whatever the file holds
_REREAD = 2  # times a line may be read again, on average, in search of a mark that closes
_FOREIGN = "not UTF-8 text: from this line on it was read as Windows-1252"
_SEPARATOR = re.compile(r"sep=(.)\s*", re.IGNORECASE)  # Excel's first line
_REMARK = re.compile(r"#[^,;\t|]*")  # before the header
_QUOTED = re.compile(r'"[^"]*"?')
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_FORMULA = re.compile(r'\A="([^"]*)"\Z')  # how a number is kept as text in Excel
_BEFORE = 10  # lines that are looked through for the header
_QUOTES = re.compile('"+')
_OPENING = re.compile(' *"')
_END = re.compile(r" *[\r\n]*\Z")

_Line: TypeAlias = tuple[int, str]
_Cells: TypeAlias = list[str]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table is written; ``mixed`` where its lines are not all in one encoding.

    ``titles`` are the lines that stand before its header, less blank ones.
    """

    delimiter: str
    encoding: str
    newline: str
    mixed: bool = False
    titles: int = 0


def csv_rows(path: Path, known: frozenset[str] = frozenset()) -> Iterator[Row | Problem]:
    """The rows of a table by its header's names, with the line on which each one begins.

    Lines before the header are passed over where one of the first ten names a column of ``known``
    and these are shorter; so are later lines that repeat the header. The rows of a table of one
    column are not divided.

    Delimiter (``,`` ``;`` tab ``|``, or as ``sep=`` says), line ends and encoding (UTF-8, UTF-16,
    else Windows-1252) are recognised. Columns without a name are left out.

    Raises:
        CorpusError: where the file cannot be read, is no text, or has no header.
    """
    dialect = _dialect(path, known)
    notes: list[Problem] = []
    lines = _Lines(path, _decoded(path, dialect), notes)
    header = _header(path, lines, dialect)
    names = distinct(" ".join(_INVISIBLE.sub("", cell).split()) for cell in header)
    for row in _rows(path, lines, dialect.delimiter, header):
        yield from notes
        notes.clear()
        if isinstance(row, Problem):
            yield row
        else:
            cells = zip(names, row[1], strict=True)
            yield row[0], {name: _FORMULA.sub(r"\1", cell) for name, cell in cells if name}
    yield from notes


class _Lines:
    """Lines of text that can be put back; what is doubtful in them is set aside in ``notes``.

    ``ahead`` is how many lines a row may look ahead: what is put back is read again, so that marks
    that open on every line and never close would cost the square of the file.
    """

    def __init__(self, path: Path, source: Iterator[_Line | Problem], notes: list[Problem]) -> None:
        self._path, self._source, self._notes = path, source, notes
        self._returned: deque[_Line] = deque()
        self.ahead = 2 * _MAX_LINES

    def next(self) -> _Line | None:
        if self._returned:
            return self._returned.popleft()
        for line in self._source:
            if isinstance(line, tuple):
                self.ahead += _REREAD
                return line
            self._notes.append(line)
        return None

    def note(self, number: int, reason: str) -> None:
        self._notes.append(Problem(self._path, number, reason, stored=True))

    def put_back(self, lines: list[_Line]) -> None:
        self.ahead -= len(lines)
        self._returned.extendleft(reversed(lines))


def _dialect(path: Path, known: frozenset[str]) -> Dialect:
    check_is_no_container(path)
    with regular_file(path).open("rb") as file:
        head = file.read(65536)
    wide = utf16_of(head)
    if wide:
        encoding, mixed, text = wide, False, head[: len(head) & ~1].decode(wide, "replace")
    elif head.count(b"\0") > max(STRAY, len(head) // 1000):
        raise CorpusError(f"{path} is not a table", "Use CSV, TSV or Parquet.")
    else:
        encoding, mixed = _encoding(path)
        text = head.decode(encoding, "replace")
    newline = "\r" if "\r" in text and "\n" not in text else "\n"
    lines = [line for line in text.lstrip("\ufeff").split(newline) if line.strip()]
    declared = _SEPARATOR.fullmatch(lines[0].strip("\r")) if lines else None
    if declared:
        return Dialect(declared[1], encoding, newline, mixed)
    lines = [line for line in lines if not _REMARK.fullmatch(line.strip("\r"))]
    titles = _titles(lines[:_BEFORE], known)
    delimiter = _delimiter(lines[titles]) if lines else _DELIMITERS[0]
    return Dialect(delimiter, encoding, newline, mixed, titles)


def _delimiter(line: str) -> str:
    return max(_DELIMITERS, key=_QUOTED.sub("", line).count)


def _titles(lines: list[str], known: frozenset[str]) -> int:
    """How many lines stand before the first that names columns: two, or one and it is longer."""
    for number, line in enumerate(lines):
        delimiter = _delimiter(line)
        cells = {cell.strip('\ufeff" \r').lower() for cell in line.split(delimiter)}
        if len(cells) > 1 and not cells.isdisjoint(known):
            width = line.count(delimiter)
            longer = all(before.count(delimiter) < width for before in lines[:number])
            return number if longer or len(cells & known) > 1 else 0
    return 0


def _encoding(path: Path) -> tuple[str, bool]:
    """UTF-8, or Windows-1252 where no line beyond ASCII is UTF-8; and whether both occur."""
    valid = broken = False
    with path.open("rb") as file:
        while block := file.read(2**20) + file.readline(MAX_LINE):  # a line may have gigabytes
            if block.isascii():
                continue
            for line in (block,) if _is_utf8(block) else block.splitlines(keepends=True):
                if not line.isascii():
                    valid, broken = (True, broken) if _is_utf8(line) else (valid, True)
            if valid and broken:
                return "utf-8", True
    return ("cp1252" if broken else "utf-8"), False


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decoded(path: Path, dialect: Dialect) -> Iterator[_Line | Problem]:
    wide = dialect.encoding.startswith("utf-16")
    encoding = dialect.encoding if wide else "latin-1"  # Latin-1: a byte a letter
    foreign = dialect.encoding == "cp1252"
    with TextIOWrapper(path.open("rb"), encoding, "replace", dialect.newline) as file:
        number = 0
        while text := file.readline(MAX_LINE + 1):
            number += 1
            if len(text) > MAX_LINE:
                while text and not text.endswith(dialect.newline):
                    text = file.readline(MAX_LINE)
                yield Problem(path, number, f"line longer than {MAX_LINE // 2**20} MiB")
                yield number, "\n"
                continue
            if not wide:
                if foreign and not text.isascii():
                    foreign = False
                    yield Problem(path, number, _FOREIGN, stored=True)
                text, doubtful = _decode(text.encode("latin-1"), dialect)
                if doubtful:
                    yield Problem(path, number, doubtful, stored=True)
            yield number, (text.lstrip("\ufeff") if number == 1 else text).replace("\0", "")


def _decode(line: bytes, dialect: Dialect) -> tuple[str, str]:
    """A line as text, and what is doubtful about it."""
    try:
        return line.decode(dialect.encoding), ""
    except UnicodeDecodeError:
        text = line.decode("cp1252", "replace")
    doubt = "and not Windows-1252 either" if "\ufffd" in text else "it was read as Windows-1252"
    return text, f"not UTF-8 text: {doubt}"


def _header(path: Path, lines: _Lines, dialect: Dialect) -> _Cells:
    titles = dialect.titles
    while (line := lines.next()) is not None:
        text = line[1].strip("\r\n")
        if not text.strip() or _SEPARATOR.fullmatch(text) or _REMARK.fullmatch(text):
            continue
        if titles:
            titles -= 1
            lines.note(line[0], "stands before the header and was passed over")
            continue
        lines.put_back([line])
        row = _row(lines, dialect.delimiter, None)
        if row is not None and not isinstance(row[1], str) and any(c.strip() for c in row[1]):
            return row[1]
        break
    raise CorpusError(f"{path} has no header", "Name the columns in its first line.")


def _rows(
    path: Path, lines: _Lines, delimiter: str, header: _Cells
) -> Iterator[tuple[int, _Cells] | Problem]:
    width = len(header)
    while (row := _row(lines, delimiter, width)) is not None:
        number, cells = row
        if isinstance(cells, str):
            yield Problem(path, number, cells)
        elif cells == header and width > 1:
            yield Problem(path, number, "the header again")
        elif cells:
            cells = cells if width > 1 else [delimiter.join(cells)]
            surplus = cells[width:]
            if len(cells) < width or any(cell.strip() for cell in surplus):
                reason = f"{len(cells)} columns where the header has {width}"
                yield Problem(path, number, reason)
            else:
                yield number, cells[:width]


def _row(lines: _Lines, delimiter: str, width: int | None) -> tuple[int, _Cells | str] | None:
    """The next row and its first line, or why it is none; no cells for a blank line."""
    first = lines.next()
    if first is None:
        return None
    number, text = first
    text = text.rstrip("\r\n")
    if '"' not in text:
        return number, _limited(text.split(delimiter) if text.strip() else [])
    block = _block(first, lines, delimiter)
    if len(block) > 1 and width is not None and _are_rows(block, delimiter, width):
        reason = f"lines to {block[-1][0]} stand between two quotation marks"
        lines.note(number, f"{reason}; they were read as rows of their own")
        lines.put_back(block[1:])
        block = [first]
    whole = "".join(line for _, line in block).rstrip("\r\n")
    return number, _limited(_cells(whole, delimiter, width))


def _limited(cells: _Cells) -> _Cells | str:
    long = any(len(cell) > MAX_TEXT for cell in cells)
    return f"field larger than {MAX_TEXT:,} characters" if long else cells


def _cells(text: str, delimiter: str, width: int | None) -> _Cells:
    """Read a row by RFC 4180, else with escaped marks, else with its marks as they stand."""
    readings: list[_Cells] = []
    for escape in (None, "\\") if '\\"' in text else (None,):
        with suppress(csv.Error):
            return next(
                csv.reader(
                    [text],
                    delimiter=delimiter,
                    strict=True,
                    skipinitialspace=True,
                    escapechar=escape,
                    doublequote=escape is None,
                )
            )
    readings.append(text.split(delimiter))
    with suppress(csv.Error):
        readings.append(next(csv.reader([text], delimiter=delimiter)))
    return next((cells for cells in readings if len(cells) == width), readings[0])


def _block(first: _Line, lines: _Lines, delimiter: str) -> list[_Line]:
    """The lines of the row that begins with ``first``: several, where a quoted cell has several.

    A mark that is never closed, or closed where no cell ends, was none: the row is its first line.
    """
    block, inside, size = [first], _inside(first[1], False, delimiter), len(first[1])
    most = min(_MAX_LINES, max(_MIN_LINES, lines.ahead))
    while inside:
        line = lines.next()
        if line is None or size + len(line[1]) > MAX_LINE or len(block) >= most:
            inside = None
            lines.note(first[0], "a quotation mark that is never closed was read as it stands")
        else:
            inside = _inside(line[1], True, delimiter)
        if line is not None:
            block.append(line)
            size += len(line[1])
    if inside is None:
        lines.put_back(block[1:])
        return [first]
    return block


def _inside(text: str, inside: bool, delimiter: str) -> bool | None:
    """Whether a line ends within a quoted cell; ``None`` where a mark stands against the rules."""
    at = 0
    while True:
        if not inside:  # at the start of a cell
            opening = _OPENING.match(text, at)
            if opening is None:
                at = text.find(delimiter, at) + 1
                if not at:
                    return False
                continue
            at, inside = opening.end(), True
        quotes = _QUOTES.search(text, at)
        if quotes is None:
            return True
        at = quotes.end()
        if len(quotes[0]) % 2 == 0:
            continue
        inside = False
        if _END.match(text, at):
            return False
        if not text.startswith(delimiter, at):
            return None
        at += 1


def _are_rows(block: list[_Line], delimiter: str, width: int) -> bool:
    """Whether lines that a pair of marks holds together are rows of their own.

    They are where each has as many columns as the header, and a first cell like that of the first
    line. Prose that was broken into lines has not.
    """
    first, *others = [line.rstrip("\r\n") for _, line in block]
    others = [line for line in others if line.strip()]
    return (
        width > 1
        and bool(others)
        and all(line.count(delimiter) == width - 1 for line in others)
        and all(_alike(first, line, delimiter) for line in others)
    )


def _alike(one: str, other: str, delimiter: str) -> bool:
    cells = [line.split(delimiter, 1)[0].strip(' "') for line in (one, other)]
    shapes = {re.sub(r"\d+", "9", re.sub(r"[^\W\d_]+", "a", cell)) for cell in cells}
    return len(shapes) == 1 and all(cells) and abs(len(cells[0]) - len(cells[1])) <= 2
