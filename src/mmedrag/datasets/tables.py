"""Tables with named columns: CSV, TSV, Parquet and JSON of one's own names.

Which column is which comes from a mapping, ``{"image": "file_name", "text": "report"}``, or from
the names that people commonly use.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any

from mmedrag.datasets.delimited import csv_rows
from mmedrag.datasets.dialogues import Asked, Dialogue, dialogue_of
from mmedrag.datasets.findings import finding_columns, shown
from mmedrag.datasets.records import BadRow, case_from
from mmedrag.datasets.rows import (
    Row,
    corpus_key,
    existing_file,
    first_row,
    first_text,
    inside,
    is_json_whole,
    json_rows,
    lines,
    text_of,
    until_broken,
)
from mmedrag.errors import CorpusError
from mmedrag.regular_files import regular_file
from mmedrag.text.html import without_html
from mmedrag.types import Case, Domain, Problem

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "case_id", "image_id", "uid", "case", "name"),
    "text": (
        *("text", "report", "caption", "description", "report_text", "full_report"),
        *("radiology_report", "pathology_report", "narrative", "transcription", "informe", "laudo"),
        *("descripcion", "descricao"),
    ),
    "image": (
        *("image", "image_path", "path", "file", "filename", "file_name", "image_file"),
        *("image_name", "img", "img_path", "photo", "picture", "file_path", "dicom", "imagen"),
        *("imagem", "images", "image_paths", "image_files", "img_paths", "img_name"),
    ),
    "domain": ("domain",),
    "modality": ("modality", "imaging_modality"),
    "patient_id": ("patient_id", "patient", "subject_id", "subject", "mrn", "paciente"),
    "study_id": ("study_id", "study", "accession", "accession_number", "study_instance_uid"),
    "date": ("date", "study_date", "exam_date", "scan_date", "acquisition_date", "fecha"),
    "labels": ("labels", "label", "finding_labels", "tags", "keywords"),
    "diagnosis": (
        *("diagnosis", "final_diagnosis", "dx", "final_dx", "diagnoses", "primary_diagnosis"),
        *("case_diagnosis", "disease", "diagnostico"),
    ),
    "source": ("source", "source_repo"),
    "licence": ("licence", "license"),
    "split": ("split", "subset", "partition"),
    "frame": ("frame",),
}
"""A case's fields, and the column names by which they are recognised."""

SECTIONS = (
    *("findings", "finding", "impression", "impressions", "conclusion", "conclusions"),
    *("interpretation", "opinion", "opinions"),
)
"""Columns of a report in parts, in the order in which they make its text."""

MISSING = frozenset(
    [
        *("nan", "-nan", "null", "none", "n/a", "na", "<na>", "nat", "nil"),
        *("#n/a", "#na", "#null!", "#value!", "#ref!", "#div/0!", "#name?", "#num!", "#error!"),
        *("#spill!", "#calc!", "1.#qnan", "-1.#ind"),
    ]
)
"""What programs write into an empty cell, in any case."""

_NAMING = ("image_id", "image_index")
"""Columns by which pictures are called, where a table has neither their files nor a text."""

_OF_A_QUESTION = ("id", "labels", "diagnosis")
"""Fields that rows of one picture need not share."""

_KNOWN = frozenset({*SECTIONS, *(name for names in COLUMNS.values() for name in names)})

_DASHES = frozenset("-–— ")
"""A cell of nothing else holds no value of a field; elsewhere it may be a result."""

_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NAME, _NAMES = 60, 30  # characters of a column's name, and columns, in a message
_LONGEST, _MOST = 1000, 10_000  # characters of a name in JSON, and names, that are looked at
_LIST = 10_000  # characters of a list written as text
_ENTRIES = 200_000  # of folders in which names are looked for


def read_table(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    domain: Domain | None = None,
    folder: Path | None = None,
) -> Iterator[Case | Problem]:
    """Read a CSV, TSV, Parquet or JSON file: one case a row.

    JSON (objects one a line, an array of them, or an object that holds rows: see
    :mod:`~mmedrag.datasets.annotated`) is read as a table whose columns are all their names. A cell
    such as ``NaN`` or ``NULL`` is empty. Where no column holds a whole text, the columns findings,
    impression and conclusion make it, in this order; else questions with their answers do (see
    :mod:`~mmedrag.datasets.dialogues`), those of rows that follow each other with one picture
    together. Labels in one cell are parted by ``;`` or
    ``|``. Columns that name no field are kept in ``meta``. Without an id column the id is made of
    the file's place and the row's line. Images that are not where the table says are looked for in
    folders of pictures beside it; without an image column, those named after the id. A row with
    several images, in a list or parted as labels are, is a case for each; they share a study.

    Args:
        path: the file; image paths in it are relative to its folder.
        columns: which column holds each field, for those that are not recognised.
        domain: for rows that name none.
        folder: to which image paths are relative, where it is another one.

    Raises:
        CorpusError: where the file, its header or a column that ``columns`` names is absent.
        MissingExtra: for Parquet without pyarrow.
    """
    named = columns or {}
    rows, names = _opened(path, named)
    table: _Table | None = None
    for row in rows:
        if isinstance(row, Problem):
            yield row
            continue
        line, cells = row
        table = table or _Table(path, names or cells, named, folder or path.parent)
        yield from table.cases(line, cells, domain)
    if table is not None:
        yield from table.last(domain)
        yield from table.unlinked()


def column_names(path: Path) -> frozenset[str]:
    """The names of a table's columns; none where it has no row.

    Raises:
        CorpusError: where the file cannot be read.
        MissingExtra: for Parquet without pyarrow.
    """
    rows, names = _opened(path, {})
    return frozenset(names or next((list(row[1]) for row in rows if isinstance(row, tuple)), []))


def _opened(
    path: Path, columns: Mapping[str, str]
) -> tuple[Iterator[Row | Problem], Sequence[str]]:
    """The rows of a table, and the names of its columns where its first row may lack some."""
    with regular_file(path).open("rb") as file:
        parquet = file.read(4) == b"PAR1"
    if parquet:
        from mmedrag.datasets.parquet import parquet_rows

        return parquet_rows(path), ()
    if _is_json(path):
        return json_rows(path), _names_in(path)
    return csv_rows(path, _KNOWN | {name.strip().lower() for name in columns.values()}), ()


def is_native(path: Path) -> bool:
    """Whether a JSON file is in the native format, by its first row.

    It has an id, no text or image under another of their names than their own, and one image.
    """
    row = first_row(path)
    return "id" in row and not _names_otherwise(row)


def _names_otherwise(row: Mapping[str, Any]) -> bool:
    plain = _plain_names(row)
    texts = any(name in plain for name in (*COLUMNS["text"], *SECTIONS)) or dialogue_of(plain)
    images = any(_pictures(row[plain[name]]) for name in COLUMNS["image"] if name in plain)
    several = isinstance(row.get("image"), list)
    return bool(texts and "text" not in row) or (images and "image" not in row) or several


def _is_json(path: Path) -> bool:
    texts = (line[1].strip() for line in lines(path) if not isinstance(line, Problem))
    return next(filter(None, texts), "").startswith("{") or is_json_whole(path)


def _names_in(path: Path) -> list[str]:
    """The names in all rows of a JSON file, in the order in which they come up.

    One row may lack what another one has. Where there are very many, they name no columns.
    """
    names: dict[str, None] = {}
    for row in until_broken(json_rows(path)):
        if not isinstance(row, Problem):
            names |= dict.fromkeys(name for name in row[1] if len(name) <= _LONGEST)
        if len(names) > _MOST:
            break
    return list(names)


class _Table:
    """What the columns of a table mean, and which ids it has given out."""

    def __init__(
        self, path: Path, names: Iterable[str], columns: Mapping[str, str], folder: Path
    ) -> None:
        self._path, self._folder, self._key = path, folder, corpus_key(path)
        self._fields, self._sections, self._dialogue = _fields(path, names, columns)
        labelled = not {"labels", "diagnosis"}.isdisjoint(self._fields)
        self._findings = () if labelled else finding_columns(_plain_names(names))
        self._shared = [c for field, c in self._fields.items() if field not in _OF_A_QUESTION]
        self._image, self._id = (self._fields.get(field, "") for field in ("image", "id"))
        self._asked: Asked | None = None
        self._seen: dict[str, int] = {}
        by_id = "image" not in self._fields and "id" in self._fields
        self._beside = _picture_folders(path, folder)
        self._folders = [*filter(_holds_pictures, self._beside)] if by_id else []
        self._below: Mapping[str, Path | None] | None = None
        self._names: dict[Path, Mapping[str, Path | None]] = {}
        self._linked = False
        self._unused = ""  # a column that names pictures, where none is the image's

    def cases(
        self, line: int, cells: dict[str, Any], domain: Domain | None
    ) -> Iterator[Case | Problem]:
        """A row as a case, or one for each of its pictures; or why it is none.

        Rows with a dialogue are waited for until one is about another picture.
        """
        if self._dialogue is None:
            yield from self._cases(line, cells, domain)
            return
        text = self._dialogue.text(cells)
        if self._asked and cells.get(self._image) and self._asked.is_about(cells, self._shared):
            self._asked = self._asked.with_row(cells, text, self._id)
        else:
            yield from self.last(domain)
            self._asked = Asked(line, cells, (text,))

    def last(self, domain: Domain | None) -> Iterator[Case | Problem]:
        """The case that was waited for."""
        asked, self._asked = self._asked, None
        if asked is not None and self._dialogue is not None:
            text = "\n".join(filter(None, asked.texts))
            used = self._dialogue.columns if text else ()
            cells = {name: cell for name, cell in asked.cells.items() if name not in used}
            yield from self._cases(asked.line, cells, domain, text)

    def _cases(
        self, line: int, cells: dict[str, Any], domain: Domain | None, text: str = ""
    ) -> Iterator[Case | Problem]:
        try:
            record = self._record(line, cells)
            for own in self._each({**record, "text": text} if text else record):
                yield self._case(line, own, domain)
        except BadRow as error:
            yield Problem(self._path, line, str(error))

    def _each(self, record: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The record, or one for each of the pictures that it lists: a study, then, is the row."""
        image = record.get("image") or None  # an empty list names none
        pictures = _pictures(image)
        if len(pictures) == 1:
            image = pictures[0]
        if len(pictures) < 2 or (isinstance(image, str) and existing_file(self._folder, image)):
            yield {**record, "image": self._located(image)}
            return
        row = text_of(record["id"])
        shared = {**record, "study_id": record.get("study_id") or row}
        for number, picture in enumerate(pictures, start=1):
            own = {"id": row if number == 1 else f"{row}/{number}"}
            yield {**shared, **own, "image": self._located(picture)}

    def _case(self, line: int, record: dict[str, Any], domain: Domain | None) -> Case | Problem:
        try:
            case = case_from(record, self._folder, domain)
        except BadRow as error:
            return Problem(self._path, line, str(error))
        first = self._seen.setdefault(case.id, line)
        again = f"id {case.id!r} is that of line {first}"
        if case.image is not None and self._id and not case.patient_id:
            again = f"{again}; if it is the patient's, say patient_id={self._id}"
        return case if first == line else Problem(self._path, line, again)

    def unlinked(self) -> Iterator[Problem]:
        """A problem, where pictures lie beside a table that names none of them."""
        if self._unused:
            reason = f"column {self._unused[:_NAME]} names pictures and was not read as the image"
            yield Problem(self._path, None, f"{reason}: say image={self._unused}", stored=True)
        elif self._folders and not self._linked:
            reason = "has no image column, and no picture beside it is named after an id"
            reason = f"{reason}: the cases have text only"
            yield Problem(self._path, None, reason, stored=True)

    def _record(self, line: int, cells: dict[str, Any]) -> dict[str, Any]:
        record, rest = _record(cells, self._fields, self._sections)
        if labels := shown(cells, self._findings):
            record["labels"] = [name.replace("_", " ") for name in labels]
            rest = {name: cell for name, cell in rest.items() if name not in labels}
        record.setdefault("id", f"{self._key}/row-{line}")
        if "image" not in record and self._folders:
            record["image"] = self._picture(text_of(record["id"]))
        if "image" not in self._fields and not record.get("image") and not self._unused:
            self._unused = next((k for k, v in rest.items() if _pictures(v)), "")
        own = rest.pop("meta") if isinstance(rest.get("meta"), Mapping) else {}
        return {**record, "meta": {**rest, **own}}

    def _located(self, value: object) -> object:
        """A picture where the table says, else one of that name in a folder of pictures."""
        name = text_of(value)
        if not name or existing_file(self._folder, name):
            return value
        own = name.removeprefix(f"{_absolute(self._folder).name}/")  # as CheXpert writes them
        within = self._picture(own) or self._in_other_letters(name) or self._picture_below(own)
        return within or value

    def _picture(self, name: str) -> str | None:
        for folder in self._beside:
            for suffix in ("", *_SUFFIXES):
                file = inside(folder, f"{name}{suffix}")
                if file is not None and _is_file(file):
                    self._linked = True
                    return file.relative_to(_absolute(self._folder)).as_posix()
        return None

    def _picture_below(self, name: str) -> str | None:
        """The one picture of a bare name in all folders below, as NIH has ``images_001/images``."""
        if self._below is None:
            self._below = _pictures_below(self._folder)
        names = (f"{name}{suffix}" for suffix in ("", *_SUFFIXES))
        file = next(filter(None, map(self._below.get, names)), None)
        return None if file is None else file.relative_to(_absolute(self._folder)).as_posix()

    def _in_other_letters(self, name: str) -> str | None:
        """The one file of that name but for capitals, which Windows does not tell apart."""
        root = _absolute(self._folder)
        parts = [part.casefold() for part in name.replace("\\", "/").split("/") if part != "."]
        for folder in dict.fromkeys((root, *self._beside)):
            file: Path | None = folder
            for part in parts:
                file = file and self._names_in(file).get(part)
            if file is not None and _is_file(file):
                return file.relative_to(root).as_posix()
        return None

    def _names_in(self, folder: Path) -> Mapping[str, Path | None]:
        """What lies in a folder, by names without capitals; ``None`` where two agree then."""
        if folder not in self._names:
            names: dict[str, Path | None] = {}
            with suppress(OSError):
                files = list(islice(folder.iterdir(), _ENTRIES + 1))
                for file in files if len(files) <= _ENTRIES else ():
                    name = file.name.casefold()
                    names[name] = None if name in names else file
            self._names[folder] = names
        return self._names[folder]


def by_native_names(row: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a case, with those that it has under other names than the native ones.

    What names a case or its image is left alone: this is for fields that lie beside an image.
    """
    plain = _plain_names(row)
    others = {
        field: next((plain[name] for name in names if name in plain), "")
        for field, names in COLUMNS.items()
        if field not in {"id", "image", *row}
    }
    others = {field: column for field, column in others.items() if column}
    sections = [plain[name] for name in SECTIONS if name in plain and "text" not in row]
    columns = {*others.values(), *sections}
    record, _ = _record({name: row[name] for name in columns}, others, sections)
    found = {field: value for field, value in record.items() if value not in (None, "", [])}
    return {**found, **{name: value for name, value in row.items() if name not in columns}}


def _record(
    cells: Mapping[str, Any], fields: Mapping[str, str], sections: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a row by their native names, and what of it names none."""
    cells = {name: None if _is_missing(cell) else cell for name, cell in cells.items()}
    record: dict[str, Any] = {field: _value(cells.get(column)) for field, column in fields.items()}
    used = set(fields.values())
    for field in ("text", "diagnosis"):
        if isinstance(record.get(field), str):
            record[field] = without_html(record[field])
    if not text_of(record.get("text")):
        record["text"] = _joined({name: _value(cells.get(name)) for name in sections}, sections)
        used.update(sections)
    record["labels"] = _labels(record.get("labels", record.get("diagnosis")))
    if isinstance(record.get("frame"), str):
        record["frame"] = _whole(record["frame"])
    for field in ("id", "patient_id", "study_id"):
        if isinstance(record.get(field), str):
            record[field] = re.sub(r"^(\d+)\.0$", r"\1", record[field].strip())
    empty = (None, "", {"bytes": None})  # what holds bytes that are no text is left out
    return record, {k: v for k, v in cells.items() if k not in used and v not in empty}


def report_of_row(cells: Mapping[str, Any]) -> str:
    """The report in a row: its whole text, else its sections; names in lower-case."""
    cells = {name: None if _is_missing(cell) else cell for name, cell in cells.items()}
    whole = without_html(first_text(cells, *COLUMNS["text"], "reporttext"))
    return whole or _joined(cells, SECTIONS)


def _fields(
    path: Path, names: Iterable[str], columns: Mapping[str, str]
) -> tuple[dict[str, str], list[str], Dialogue | None]:
    """The column of each field, the columns of a report's sections, else those of a dialogue."""
    present = {name.lower(): name for name in names}
    plain = _plain_names(present.values())
    chosen: dict[str, str] = {}
    for field, name in columns.items():
        if field not in COLUMNS:
            raise CorpusError(f"No field is called {field}", f"Choose of {', '.join(COLUMNS)}.")
        if name.strip().lower() not in present:
            raise CorpusError(
                f"{path} has no column {name}", f"It has {_listed(present.values())}."
            )
        chosen[field] = present[name.strip().lower()]
    for field, listed in COLUMNS.items():
        column = next((plain[name] for name in listed if name in plain), None)
        if column is not None and field not in chosen and column not in chosen.values():
            chosen[field] = column
    mapped = set(chosen.values())
    sections = [plain[name] for name in SECTIONS if name in plain and plain[name] not in mapped]
    if "text" in columns:
        sections = []
    dialogue = None if sections or "text" in chosen else dialogue_of(plain)
    if not {"text", "image"} & chosen.keys() and any(map(_names_picture, present)):
        raise CorpusError(
            f"{path} names a picture in its first line, which should name the columns",
            "Write such a line above it, as image,report.",
        )
    if not {"text", "image"} & chosen.keys() and not sections and dialogue is None:
        if naming := next((plain[name] for name in _NAMING if name in plain), None):
            return {**chosen, "image": naming}, [], None
        raise CorpusError(
            f"{path} has no column of texts or images",
            f"Say which it is: text=... or image=..., of {_listed(present.values())}.",
        )
    return chosen, sections, dialogue


def _plain_names(names: Iterable[str]) -> dict[str, str]:
    """The names of columns by how :data:`COLUMNS` writes them."""
    own = list(names)
    return {_plain(_CAMEL.sub("_", name)): name for name in own} | {_plain(n): n for n in own}


def _plain(name: str) -> str:
    """A column's name as :data:`COLUMNS` writes it."""
    return re.sub(r"[\W_]+", "_", name.lower()).strip("_")


def _listed(names: Iterable[str]) -> str:
    """The first names, each on one line and of bounded length."""
    shown = [" ".join(name.split())[:_NAME] for name in names]
    return ", ".join(shown[:_NAMES]) + (", …" if len(shown) > _NAMES else "")


def _is_missing(cell: object) -> bool:
    return isinstance(cell, str) and cell.strip().lower() in MISSING


def _value(cell: Any) -> Any:  # noqa: ANN401 - whatever the table holds
    """What a cell of a field holds; ``None`` for a dash."""
    return None if isinstance(cell, str) and _DASHES.issuperset(cell) else cell


def _joined(cells: Mapping[str, Any], sections: Iterable[str]) -> str:
    """The sections that hold something; under headings where there are several."""
    given = {name: cells[name] for name in sections if name in cells}
    if wrong := [name for name, value in given.items() if isinstance(value, list | Mapping)]:
        raise BadRow(f"{wrong[0][:_NAME]} is not a string")
    texts = [(name, without_html(text_of(value)).strip()) for name, value in given.items()]
    pieces = [(name, text) for name, text in texts if text]
    if len(pieces) < 2:
        return "".join(text for _, text in pieces)
    headings = (name.strip(" :.").capitalize() for name, _ in pieces)
    return "\n".join(
        f"{heading}: {text}" for heading, (_, text) in zip(headings, pieces, strict=True)
    )


def _labels(value: object) -> object:
    """Labels as a list: of a list written as text, or parted by ``;`` or ``|``."""
    if isinstance(value, str):
        text = value.strip()
        if text[:1] == "[" and text[-1:] == "]" and len(text) <= _LIST:
            try:
                value = ast.literal_eval(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                value = [label.strip(" '\"") for label in text[1:-1].split(",")]
        else:
            value = text.replace("|", ";").split(";")
    if isinstance(value, list):
        return [item for item in value if not _is_missing(item)]
    return value


def _whole(text: str) -> object:
    number = re.fullmatch(r"(\d{1,10})(?:\.0*)?", text.strip())
    return int(number[1]) if number else text.strip()


def _picture_folders(path: Path, folder: Path) -> list[Path]:
    """The folders beside a table where its pictures may be: its own, ``images``, ``train``."""
    first = re.split(r"[\W_]", path.stem, maxsplit=1)[0]
    names = dict.fromkeys(
        ("", "images", "imgs", path.stem, first, f"{first}_images", f"images/{first}")
    )
    folders = [_absolute(folder / name) for name in names]
    return [folder for folder in folders if folder.is_dir()]


def _pictures_below(folder: Path) -> dict[str, Path | None]:
    """Pictures in the folders of a folder and in theirs by name; ``None`` where two have one."""
    found: dict[str, Path | None] = {}
    root = _absolute(folder)
    files = chain.from_iterable(root.glob(f"{level}/*") for level in ("[!.]*", "[!.]*/[!.]*"))
    with suppress(OSError):
        for number, file in enumerate(files):
            if number == _ENTRIES:
                return {}
            if file.suffix.lower() in _SUFFIXES:
                found[file.name] = None if file.name in found else file
    return found


def _holds_pictures(folder: Path) -> bool:
    try:
        return any(file.suffix.lower() in _SUFFIXES for file in folder.iterdir())
    except OSError:
        return False


def _pictures(value: object) -> list[str]:
    """The pictures that a cell names: one, or several in a list or parted as labels are."""
    names = _labels(value)
    return names if isinstance(names, list) and all(map(_names_picture, names)) else []


def _names_picture(value: object) -> bool:
    return isinstance(value, str) and value.strip().lower().endswith(_SUFFIXES)


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except (OSError, ValueError):
        return False


def _absolute(path: Path) -> Path:
    import os

    return Path(os.path.abspath(path))  # noqa: PTH100 - links are the user's own
