"""Makes the files of a generation from one state of the database."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from mmedrag.casebase.blocks import block_file, row_block, write_array
from mmedrag.casebase.columns import ColumnWriter
from mmedrag.casebase.database import Database
from mmedrag.casebase.exact import Rows
from mmedrag.casebase.postings import PostingsWriter
from mmedrag.casebase.shard import Index, candidates, faiss, inverted_of
from mmedrag.casebase.statement_lists import write_statements
from mmedrag.casebase.stems import Stemmer
from mmedrag.casebase.vocabulary import WORDS, Counted
from mmedrag.errors import CasebaseError
from mmedrag.types import Matrix

UNASSIGNED = "unassigned"
"""The name of the index of cases without a domain."""

EXACT_UP_TO = 20_000  # rows a domain
_LONG = 512  # dimensions above which four bits of each are kept
_CHUNK = 8_192
_NO_ROWS: Rows = np.empty(0, np.int64)
_TRAIN_PER_LIST, _TRAINING_ROUNDS = 40, 8
_QUERIES, _NEAREST, _RECALL = 64, 50, 0.99
_KEYS = "Use a factory string such as Flat, HNSW32 or IVF1024,SQ8."


def derive(
    database: Database, folder: Path, last: int, dim: int, key: str | None
) -> tuple[dict[str, Any], dict[str, Counted]]:
    """Write all files into an empty folder, of the cases up to row ``last``.

    See :meth:`mmedrag.casebase.generations.Generations.write`.

    Returns:
        Their entries in the manifest, and the words and values that their numbers stand for.
    """
    domains = sorted(database.counts(), key=lambda domain: domain or UNASSIGNED)
    rows = [database.rows_of(domain, last) for domain in domains]
    vectors = (part for domain in domains for _, part in database.vectors_of(domain, last, dim))
    entries: dict[str, Any] = {
        "rows": write_array(folder / "rows", rows, "<i8"),
        "vectors": write_array(folder / "vectors", vectors, "<f4", row_block(4 * dim)),
    }
    if not entries["vectors"]["shape"][1:]:
        entries["vectors"]["shape"] = [0, dim]
    threads = faiss.omp_get_max_threads()  # a new thread would begin with as many as there are
    with ThreadPoolExecutor(
        1, initializer=faiss.omp_set_num_threads, initargs=(threads,)
    ) as beside:
        shards = beside.submit(_shards, folder, domains, rows, dim, key)  # without the interpreter
        words, vocabulary = _words_and_columns(database, folder, domains, last)
        said = write_statements(database, folder, np.concatenate([_NO_ROWS, *rows]), last)
        found = {"statements": said, "shards": shards.result()}
        return entries | words | found, vocabulary


def _words_and_columns(
    database: Database, folder: Path, domains: Sequence[str | None], last: int
) -> tuple[dict[str, Any], dict[str, Counted]]:
    """Entries in the manifest, and what numbers stand for."""
    columns = ColumnWriter()
    with TemporaryFile(dir=folder) as spool:
        postings = PostingsWriter(Stemmer(database.connection).stems, spool)
        for domain in domains:
            for batch in database.contents_of(domain, last):
                columns.add(batch.plain, batch.labels, batch.meta)
                postings.add(batch.texts)
        entries: dict[str, Any] = {}
        entries["columns"], vocabulary = columns.write(folder)
        entries["postings"], vocabulary[WORDS] = postings.write(folder)
    return entries, vocabulary


def choose_keys(count: int, dim: int) -> tuple[str, ...]:
    """FAISS indexes for a number of rows, of which the first is taken that finds what it should.

    Exact up to 20,000, then inverted lists of codes of 8 bits a dimension. Of long vectors the 256
    principal components are coded, a fifth of the work and half the bytes: those of an encoder
    vary in few directions. Where they vary in all, 4 bits of each dimension are kept.
    """
    if count <= EXACT_UP_TO:
        return ("Flat",)
    lists = f"IVF{int(2 * math.sqrt(count))}"
    return (f"{lists},SQ8",) if dim <= _LONG else (f"PCA256,{lists},SQ8", f"{lists},SQ4")


def _shards(
    folder: Path, domains: list[str | None], rows: list[Rows], dim: int, key: str | None
) -> dict[str, Any]:
    total = sum(map(len, rows))
    stored: Matrix = np.empty((0, dim), np.float32)
    if total:
        stored = np.memmap(folder / "vectors", "<f4", "r", shape=(total, dim))
    shards: dict[str, Any] = {}
    start = 0
    for domain, held in zip(domains, rows, strict=True):
        name = domain or UNASSIGNED
        vectors = stored[start : start + len(held)]
        keys = (key,) if key else choose_keys(len(held), dim)
        entry = write_index(folder / _file_of(name), vectors, *keys)
        shards[name] = {"start": start, "count": len(held), **entry}
        start += len(held)
    return shards


def write_index(file: Path, vectors: Matrix, *keys: str) -> dict[str, Any]:
    """Build and write a domain's index; an exact one needs no file but the vectors.

    Args:
        file: that is written.
        vectors: of the domain's cases.
        keys: FAISS factory strings. The first is taken that finds 99 % of the nearest of a few
            vectors, or else the last.
    """
    for key in keys:
        index = _made(vectors.shape[1], key)
        if type(faiss.downcast_index(index)) is faiss.IndexFlat:
            return {"index": key}
        if not index.is_trained and not _train(index, vectors):
            return {"index": "Flat"}
        _fill(index, vectors, key)
        if _set_probes(index, vectors, key):
            break
    entry: dict[str, Any] = {}
    faults: list[OSError] = []
    with block_file(file, entry) as writer:

        def write(content: bytes) -> int:
            try:
                return writer.write(content)
            except OSError as fault:  # FAISS would hide its cause
                faults.append(fault)
                return 0

        try:
            faiss.write_index(index, faiss.PyCallbackIOWriter(write))
        except RuntimeError as fault:
            raise (faults[0] if faults else OSError(str(fault))) from fault
    return {"index": key, "faiss": entry, **_head(index, entry["bytes"])}


def require_key(key: str, dim: int) -> None:
    """Refuse what no index can be made of, before hours are spent on vectors for it.

    Args:
        key: a FAISS factory string.
        dim: length of the vectors.

    Raises:
        CasebaseError: with the remedy.
    """
    _made(dim, key)


def _made(dim: int, key: str) -> Index:
    if any(int(number) < 2 for number in re.findall(r"\d+", key)):  # these end the process
        raise CasebaseError(f"FAISS makes no index {key!r} of lists or links below 2", _KEYS)
    try:
        return faiss.index_factory(dim, key, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as fault:
        raise CasebaseError(
            f"FAISS knows no index {key!r} for vectors of {dim} dimensions", _KEYS
        ) from fault


def _fill(index: Index, vectors: Matrix, key: str) -> None:
    try:
        for start in range(0, len(vectors), _CHUNK):
            index.add(np.ascontiguousarray(vectors[start : start + _CHUNK]))
    except RuntimeError as fault:  # such as one that wants numbers beside its vectors
        raise CasebaseError(f"FAISS takes no plain vectors into {key!r}", _KEYS) from fault


def _head(index: Index, size: int) -> dict[str, int]:
    """Where the inverted lists begin that stand at the end of the file, where there are such."""
    inverted = inverted_of(index)
    mapped = (faiss.IndexIVFFlat, faiss.IndexIVFScalarQuantizer)
    outer = type(faiss.downcast_index(index))
    if inverted is None or type(inverted) not in mapped:
        return {}
    if outer not in (*mapped, faiss.IndexPreTransform):
        return {}
    return {"head": size - int(index.ntotal) * (int(inverted.invlists.code_size) + 8)}


def _train(index: Index, vectors: Matrix) -> bool:
    """Whether there are rows enough to train on; an exact index serves small corpora better."""
    inverted = inverted_of(index)
    size = 65_536
    if inverted is not None:
        size = max(10_000, _TRAIN_PER_LIST * int(inverted.nlist))
        inverted.cp.niter = _TRAINING_ROUNDS
    rows = np.arange(len(vectors))
    if len(rows) > size:
        rows = np.sort(np.random.default_rng(0).choice(rows, size, replace=False))
    sample = np.ascontiguousarray(vectors[rows])
    try:
        _train_components(index, sample)
        index.train(sample)
    except RuntimeError:
        return False
    return True


def _train_components(index: Index, sample: Matrix) -> None:
    """Principal components about the origin: to move it to the mean would change inner products."""
    outer = faiss.downcast_index(index)
    if not isinstance(outer, faiss.IndexPreTransform):
        return
    first = faiss.downcast_VectorTransform(outer.chain.at(0))
    if isinstance(first, faiss.PCAMatrix):
        first.train(sample)
        faiss.copy_array_to_vector(np.zeros(first.d_out, np.float32), first.b)
        first.PCAMat.clear()  # the components that are not kept, 4 MB of 1,024 dimensions


def _set_probes(index: Index, vectors: Matrix, key: str) -> bool:
    """Let an inverted index search as many lists as find 99 % of the nearest of a few vectors.

    How many that takes depends on the encoder: vectors in clusters need a thirtieth of the lists,
    those of reports a quarter.

    Returns:
        Whether it finds them; other indexes are believed.
    """
    inverted = inverted_of(index)
    if inverted is None:
        return True
    rows = np.random.default_rng(1).permutation(len(vectors))[:_QUERIES]
    queries, k = np.ascontiguousarray(vectors[np.sort(rows)]), min(_NEAREST, len(vectors))
    everything = np.ascontiguousarray(vectors)  # no copy of a mapped file
    _, exact = faiss.knn(queries, everything, k, faiss.METRIC_INNER_PRODUCT)
    probes, lists = min(16, int(inverted.nlist)), int(inverted.nlist)
    while True:
        inverted.nprobe = probes
        _, approximate = index.search(queries, candidates(k, key))
        shares = [np.isin(best, near).mean() for best, near in zip(exact, approximate, strict=True)]
        enough = bool(np.mean(shares) >= _RECALL)
        if enough or probes == lists:
            return enough
        probes = min(3 * probes // 2, lists)


def _file_of(domain: str) -> str:
    """A file name; a domain may be called anything."""
    plain = re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", domain)
    return f"{domain if plain else hashlib.sha256(domain.encode()).hexdigest()}.faiss"
