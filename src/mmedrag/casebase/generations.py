"""Generations: derived files that are checked before they are believed.

``generations/000007/`` holds arrays over all cases, one FAISS index for each large domain, and
``manifest.json``, which vouches for each file. The database keeps the SHA-256 of the manifest, so
nothing on disk vouches for itself. ``CURRENT`` names the live generation and is replaced in one
step. The files hold numbers alone; texts stay in the database, which can erase them
(:mod:`~mmedrag.casebase.vocabulary`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.blocks import REMEDY, GenerationDamaged, StoredArray
from mmedrag.casebase.columns import Columns
from mmedrag.casebase.database import Database
from mmedrag.casebase.derivation import derive
from mmedrag.casebase.exact import Positions, Rows, locate
from mmedrag.casebase.neighbours import (
    Corpora,
    Former,
    Neighbours,
    write_neighbours,
)
from mmedrag.casebase.postings import Postings
from mmedrag.casebase.shard import Shard
from mmedrag.casebase.statement_lists import StoredStatements, stored_statements
from mmedrag.casebase.vocabulary import Counted
from mmedrag.durability import sync_folder, write_durably

_FORMAT = 2
_NAME = re.compile(r"[0-9]{6,18}")
_WHOLE = 64 << 20  # bytes up to which a generation is checked whole when it is loaded
_PASS = 500  # rows whose places are listed in the time in which one of them is looked for


class GenerationOutdated(GenerationDamaged):
    """A generation that an older release has made: sound, but not read any more."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a generation was made of: all rows up to ``row`` that were alive at ``epoch``."""

    number: int
    epoch: int
    row: int
    fingerprint: str
    dim: int


class Places:
    """Where the rows of a generation are.

    Args:
        rows: by position.
        shards: in each of which they ascend.
        last: no row is above.
    """

    def __init__(self, rows: Rows, shards: Iterable[Shard], last: int) -> None:
        self._rows, self._shards, self._last = rows, tuple(shards), last
        self._by_row: NDArray[np.int32] | None = None

    def of(self, rows: Rows) -> Positions:
        """The position of each row, ``(len(rows),)``; -1 where it is not here."""
        positions = np.full(len(rows), -1, np.int64)
        if self._by_row is None and len(rows) * _PASS < self._last:
            for shard in self._shards:
                offsets, present = locate(self._rows[shard.start : shard.stop], rows)
                positions[present] = offsets[present] + shard.start
            return positions
        if self._by_row is None:
            self._by_row = np.full(self._last + 1, -1, np.int32)
            self._by_row[self._rows] = np.arange(len(self._rows))
        known = rows <= self._last
        positions[known] = self._by_row[rows[known]]
        return positions


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """A generation whose files are mapped; ``shards`` by domain, each with its FAISS index key.

    ``neighbours`` are kept where the casebase was told to keep them; ``statements`` are not there
    where an older release has made it.
    """

    summary: Summary
    rows: Rows
    vectors: StoredArray
    shards: Mapping[str, Shard]
    columns: Columns
    postings: Postings
    statements: StoredStatements | None
    places: Places
    neighbours: Neighbours | None

    @property
    def corpora(self) -> Corpora:
        """Which cases it has in which domains."""
        return Corpora(self.rows, self.vectors, self.shards)

    def check(self) -> None:
        """Check every byte of every file.

        Raises:
            GenerationDamaged: one was changed.
        """
        held = [array for arrays in self.columns.arrays().values() for array in arrays]
        lists = () if self.neighbours is None else self.neighbours.arrays()
        stated = () if self.statements is None else self.statements.arrays()
        for array in (self.vectors, *self.postings.arrays(), *held, *lists, *stated):
            array.span()
        for shard in self.shards.values():
            shard.check()


@dataclass(frozen=True, slots=True)
class Written:
    """A generation that is on the disk and not live yet: what the database has to keep of it."""

    summary: Summary
    manifest: str
    vocabulary: Mapping[str, Counted]


class Generations:
    """The folder of generations and the pointer to the live one."""

    def __init__(self, casebase: Path) -> None:
        self._folder = casebase / "generations"
        self._pointer = casebase / "CURRENT"

    def current(self) -> str | None:
        """What ``CURRENT`` says, or ``None`` where it does not exist."""
        try:
            return self._pointer.read_text("utf-8", "replace").strip()
        except FileNotFoundError:
            return None

    def point_to(self, number: int) -> None:
        """Make a generation the live one, in one durable step."""
        write_durably(self._pointer, f"{_name(number)}\n".encode())

    def next_number(self, database: Database) -> int:
        """A number that no generation on record or on disk has had."""
        self._folder.mkdir(exist_ok=True)  # somebody may have removed it
        on_disk = [int(path.name) for path in self._folder.iterdir() if _NAME.fullmatch(path.name)]
        return 1 + max([database.last_generation(), *on_disk])

    def write(
        self,
        database: Database,
        summary: Summary,
        key: str | None,
        *,
        neighbours: bool = False,
        anew: bool = False,
    ) -> Written:
        """Derive all files from one state of the database and put them in place durably.

        Args:
            database: inside a ``reading()`` transaction.
            summary: what is being built.
            key: a FAISS factory string, or ``None`` to choose by size. Domains with too few
                rows to train it get ``Flat``.
            neighbours: whether the neighbours of each case are kept.
            anew: search them all again, rather than take over those of the live generation.

        Raises:
            CasebaseError: FAISS does not know the key.
        """
        folder = self._folder / _name(summary.number)
        temporary = self._folder / f".{folder.name}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            entries, vocabulary = derive(database, temporary, summary.row, summary.dim, key)
            if neighbours:
                former = None if anew else self._former(database, summary)
                made = _corpora(temporary, entries)
                entries["neighbours"] = write_neighbours(temporary, made, former)
            manifest = {"format": _FORMAT, **asdict(summary), **entries}
            content = json.dumps(manifest, indent=1, ensure_ascii=False).encode()
            write_durably(temporary / "manifest.json", content)
            os.rename(temporary, folder)  # noqa: PTH104  one place to inject faults
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_folder(self._folder)
        return Written(summary, hashlib.sha256(content).hexdigest(), vocabulary)

    def _former(self, database: Database, summary: Summary) -> Former | None:
        """The lists of the live generation, where it has such and they are sound."""
        name = self.current()
        if name is None:
            return None
        try:
            live = self.load(name, database, summary.fingerprint, summary.dim)
            if live.neighbours is None:
                return None
            for array in live.neighbours.arrays():
                array.span()
        except GenerationDamaged:
            return None
        return Former(live.corpora, live.neighbours)

    def load(self, name: str, database: Database, fingerprint: str, dim: int) -> Generation:
        """Map a generation's files. Small ones are checked at once, large ones as they are used.

        Raises:
            GenerationDamaged: any file is missing, changed, or not what the database vouches for.
        """
        if not _NAME.fullmatch(name):
            raise GenerationDamaged(f"CURRENT holds {name[:40]!r}", REMEDY)
        expected = database.generation(int(name))
        if expected is None:
            raise GenerationDamaged(f"Generation {name} is not on record", REMEDY)
        folder = self._folder / name
        try:
            content = (folder / "manifest.json").read_bytes()
            if hashlib.sha256(content).hexdigest() != expected:
                raise GenerationDamaged(f"The manifest of generation {name} was changed", REMEDY)
            generation = _load(folder, json.loads(content), fingerprint, dim)
            if sum(file.stat().st_size for file in folder.iterdir()) <= _WHOLE:
                generation.check()
        except OSError as fault:
            raise GenerationDamaged(f"Generation {name} cannot be read: {fault}", REMEDY) from fault
        return generation

    def remove_others(self, number: int) -> None:
        """Remove all but one generation, and what a killed publication left behind.

        A reader has its generation mapped, and a mapped file stays readable until it is let go.
        """
        for path in self._folder.iterdir():
            if path.name != _name(number):
                shutil.rmtree(path, ignore_errors=True)


def _name(number: int) -> str:
    return f"{number:06d}"


def _load(folder: Path, manifest: dict[str, Any], fingerprint: str, dim: int) -> Generation:
    if manifest["format"] != _FORMAT:
        raise GenerationOutdated("The index was made by an older release", REMEDY)
    summary = Summary(**{key: manifest[key] for key in Summary.__dataclass_fields__})
    if (_name(summary.number), summary.fingerprint, summary.dim) != (folder.name, fingerprint, dim):
        raise GenerationDamaged(f"Generation {folder.name} belongs to another casebase", REMEDY)
    corpora = _corpora(folder, manifest)
    count = len(corpora.rows)
    columns = Columns(folder, manifest["columns"], count)
    postings = Postings(folder, manifest["postings"])
    places = Places(corpora.rows, corpora.shards.values(), summary.row)
    lists = manifest.get("neighbours")
    neighbours = None if lists is None else Neighbours(folder, lists, count)
    return Generation(
        summary,
        corpora.rows,
        corpora.vectors,
        corpora.shards,
        columns,
        postings,
        stored_statements(folder, manifest.get("statements")),
        places,
        neighbours,
    )


def _corpora(folder: Path, entries: Mapping[str, Any]) -> Corpora:
    vectors = StoredArray(folder, entries["vectors"])
    shards = {name: Shard(folder, entry, vectors) for name, entry in entries["shards"].items()}
    return Corpora(StoredArray(folder, entries["rows"]).span(), vectors, shards)
