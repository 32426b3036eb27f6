"""FAISS generations: derived files that are checked before they are believed.

``generations/000007/`` holds one index a domain and ``manifest.json`` with the SHA-256 of each.
The database keeps the manifest's own SHA-256, so nothing on disk vouches for itself. ``CURRENT``
names the live generation and is replaced in one step.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmedrag.casebase.database import Database
from mmedrag.casebase.exact import Rows
from mmedrag.casebase.queries import batches
from mmedrag.casebase.shard import Index, Shard, faiss
from mmedrag.durability import sha256_of, sync_folder, write_durably
from mmedrag.errors import CasebaseDamaged, CasebaseError

UNASSIGNED = "unassigned"
"""The name of the index of cases without a domain."""

EXACT_UP_TO = 200_000  # rows a domain
_FORMAT = 1
_NAME = re.compile(r"[0-9]{6,18}")
_CHUNK = 8_192
_TRAIN_PER_LIST = 64
_REMEDY = "It will be derived again from the database."


@dataclass(frozen=True, slots=True)
class Summary:
    """What a generation was made of: all rows up to ``row`` that were alive at ``epoch``."""

    number: int
    epoch: int
    row: int
    fingerprint: str
    dim: int


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """A generation loaded into memory; ``keys`` are FAISS index keys by domain."""

    summary: Summary
    keys: Mapping[str, str]
    shards: Mapping[str, Shard]


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

    def write(self, database: Database, summary: Summary, key: str | None) -> str:
        """Build all indexes from one state of the database and put them in place durably.

        Args:
            database: inside a ``reading()`` transaction.
            summary: what is being built.
            key: a FAISS factory string, or ``None`` to choose by size. Domains with too few
                rows to train it get ``Flat``.

        Returns:
            SHA-256 of the manifest, to be kept in the database.

        Raises:
            CasebaseError: FAISS does not know the key.
        """
        folder = self._folder / _name(summary.number)
        temporary = self._folder / f".{folder.name}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            shards = {}
            for name in sorted(domain or UNASSIGNED for domain in database.counts()):
                shards[name] = _write_shard(database, temporary, name, summary.dim, key)
            manifest = {"format": _FORMAT, **asdict(summary), "shards": shards}
            content = json.dumps(manifest, indent=1, ensure_ascii=False).encode()
            write_durably(temporary / "manifest.json", content)
            os.rename(temporary, folder)  # noqa: PTH104  one place to inject faults
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_folder(self._folder)
        return hashlib.sha256(content).hexdigest()

    def load(self, name: str, database: Database, fingerprint: str, dim: int) -> Generation:
        """Check every file of a generation, then load it into memory.

        Raises:
            CasebaseDamaged: any file is missing, changed, or not what the database vouches for.
        """
        if not _NAME.fullmatch(name):
            raise CasebaseDamaged(f"CURRENT holds {name[:40]!r}", _REMEDY)
        expected = database.generation(int(name))
        if expected is None:
            raise CasebaseDamaged(f"Generation {name} is not on record", _REMEDY)
        folder = self._folder / name
        try:
            content = (folder / "manifest.json").read_bytes()
            if hashlib.sha256(content).hexdigest() != expected:
                raise CasebaseDamaged(f"The manifest of generation {name} was changed", _REMEDY)
            return _load(folder, json.loads(content), fingerprint, dim)
        except OSError as fault:
            raise CasebaseDamaged(f"Generation {name} cannot be read: {fault}", _REMEDY) from fault

    def remove_others(self, number: int) -> None:
        """Remove all but one generation, and what a killed publication left behind.

        A reader has its generation in memory, so no open file is taken away from it.
        """
        for path in self._folder.iterdir():
            if path.name != _name(number):
                shutil.rmtree(path, ignore_errors=True)


def choose_key(count: int) -> str:
    """The FAISS index for a number of rows: exact up to 200,000, then inverted lists of bytes."""
    if count <= EXACT_UP_TO:
        return "Flat"
    return f"IVF{int(4 * math.sqrt(count))},SQ8"


def _file_of(domain: str) -> str:
    """A file name; a domain may be called anything."""
    plain = re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", domain)
    return f"{domain if plain else hashlib.sha256(domain.encode()).hexdigest()}.faiss"


def _name(number: int) -> str:
    return f"{number:06d}"


def _write_shard(
    database: Database, folder: Path, name: str, dim: int, key: str | None
) -> dict[str, Any]:
    rows = database.rows_of(None if name == UNASSIGNED else name)
    index, key = _build(database, rows, dim, key or choose_key(len(rows)))
    file = folder / _file_of(name)
    digest = _write_index(index, file)
    size = file.stat().st_size
    return {"file": file.name, "index": key, "count": len(rows), "bytes": size, "sha256": digest}


def _build(database: Database, rows: Rows, dim: int, key: str) -> tuple[Index, str]:
    try:
        inner = faiss.index_factory(dim, key, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as fault:
        raise CasebaseError(
            f"FAISS knows no index {key!r} for vectors of {dim} dimensions",
            "Use a factory string such as Flat, HNSW32 or IVF1024,SQ8.",
        ) from fault
    if not inner.is_trained and not _train(inner, database, rows, dim):
        return _build(database, rows, dim, "Flat")
    index = faiss.IndexIDMap(inner)
    for batch in batches(rows, _CHUNK):
        index.add_with_ids(database.vectors(batch, dim), batch)
    return index, key


def _train(inner: Index, database: Database, rows: Rows, dim: int) -> bool:
    """Whether there are rows enough to train on; an exact index serves small corpora better."""
    inverted = faiss.try_extract_index_ivf(inner)
    try:
        inner.train(database.vectors(_sample(rows, inverted), dim))
    except RuntimeError:
        return False
    if inverted is not None:
        inverted.nprobe = max(16, inverted.nlist // 32)
    return True


def _sample(rows: Rows, inverted: Index) -> Rows:
    size = 65_536 if inverted is None else max(10_000, _TRAIN_PER_LIST * inverted.nlist)
    if len(rows) <= size:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, size, replace=False))


def _write_index(index: Index, file: Path) -> str:
    """Write, fsync, and give the SHA-256 of what was meant to be written."""
    digest = hashlib.sha256()
    faults: list[OSError] = []
    with file.open("wb") as stream:

        def write(content: bytes) -> int:
            try:
                stream.write(content)
            except OSError as fault:  # FAISS would hide its cause
                faults.append(fault)
                return 0
            digest.update(content)
            return len(content)

        try:
            faiss.write_index(index, faiss.PyCallbackIOWriter(write))
            stream.flush()
            os.fsync(stream.fileno())
        except RuntimeError as fault:
            raise (faults[0] if faults else OSError(str(fault))) from fault
    return digest.hexdigest()


def _load(folder: Path, manifest: dict[str, Any], fingerprint: str, dim: int) -> Generation:
    if manifest["format"] != _FORMAT:
        raise CasebaseDamaged(f"Generation {folder.name} has another format", _REMEDY)
    summary = Summary(**{key: manifest[key] for key in Summary.__dataclass_fields__})
    if (_name(summary.number), summary.fingerprint, summary.dim) != (folder.name, fingerprint, dim):
        raise CasebaseDamaged(f"Generation {folder.name} belongs to another casebase", _REMEDY)
    keys, shards = {}, {}
    for name, entry in manifest["shards"].items():
        keys[name] = entry["index"]
        shards[name] = _load_shard(folder / entry["file"], entry, dim)
    return Generation(summary, keys, shards)


def _load_shard(file: Path, entry: Mapping[str, Any], dim: int) -> Shard:
    if file.stat().st_size != entry["bytes"] or sha256_of(file) != entry["sha256"]:
        raise CasebaseDamaged(f"{file.parent.name}/{file.name} was changed", _REMEDY)
    try:
        with _limited(entry["bytes"]):
            shard = Shard(faiss.read_index(str(file)))
    except RuntimeError as fault:
        raise CasebaseDamaged(f"FAISS cannot read {file.name} of this version", _REMEDY) from fault
    if shard.shape != (entry["count"], dim) or len(shard) != entry["count"]:
        raise CasebaseDamaged(f"{file.name} does not hold what its manifest says", _REMEDY)
    return shard


@contextmanager
def _limited(size: int) -> Iterator[None]:
    """No vector in a file can be longer than the file (FAISS 1.12 and later can be told so)."""
    limit = getattr(faiss, "set_deserialization_vector_byte_limit", None)
    if limit is None:
        yield
        return
    before = faiss.get_deserialization_vector_byte_limit()
    limit(size + (1 << 20))
    try:
        yield
    finally:
        limit(before)
