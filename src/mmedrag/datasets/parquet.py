"""Parquet read in a process of its own, with a limit on its memory.

Four kilobytes of Parquet can claim gigabytes, in ways that its metadata do not show, and damaged
files can end the process that reads them. So a child reads the file and prints its rows as JSON
Lines; whatever becomes of it, the caller sees rows, problems and at most a :class:`CorpusError`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmedrag.datasets.rows import MAX_LINE, Row, distinct, parse_json, plain_value
from mmedrag.errors import CorpusError, MissingExtra
from mmedrag.types import Problem

MEMORY = 640 * 2**20
"""Bytes that the reading process may allocate (Linux; elsewhere the system's own limits hold)."""

_BATCH = 16  # rows: one value that stands in each of them is copied so often at most
_REASON = 200


def parquet_rows(path: Path) -> Iterator[Row | Problem]:
    """The rows of a Parquet file, numbered from 1: dates become text, bytes too if they are UTF-8.

    Raises:
        CorpusError: where the file is damaged or needs more than :data:`MEMORY`.
        MissingExtra: without pyarrow.
    """
    try:
        import pyarrow  # noqa: F401 - said here, where the message reaches the user
    except ImportError:
        raise MissingExtra("Parquet needs pyarrow", 'pip install "mmedrag[parquet]"') from None
    command = [sys.executable, "-m", __name__, os.fspath(path)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, sys.path)),
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "OMP_NUM_THREADS": "1",
    }
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, stdout=subprocess.PIPE, stderr=errors, env=environment
        )
        try:
            yield from _rows(path, child)
            if child.wait() != 0:
                errors.seek(0)
                reason = errors.read()[-4096:].decode("utf-8", "replace").strip().splitlines()
                raise _unreadable(path, child.returncode, reason[-1] if reason else "")
        finally:
            child.kill()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()


def _rows(path: Path, child: subprocess.Popen[bytes]) -> Iterator[Row | Problem]:
    stream = child.stdout
    if stream is None:  # only without a pipe
        return
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE)
            yield Problem(path, number, f"row longer than {MAX_LINE // 2**20} MiB")
            continue
        row = parse_json(line.decode("utf-8", "replace"))
        if isinstance(row, dict):
            yield number, row
        elif line.endswith(b"\n"):  # else the child was ended in the middle of a row
            yield Problem(path, number, str(row))


def _unreadable(path: Path, code: int, reason: str) -> CorpusError:
    if code < 0 or "MemoryError" in reason or "malloc" in reason or "bad_alloc" in reason:
        limit = f"{MEMORY // 2**20} MiB of memory"
        what = f"{path} is damaged, or its row groups need more than {limit}"
        return CorpusError(what, "Write it again, in smaller row groups and pages.")
    return CorpusError(f"{path} is not valid Parquet ({reason[:_REASON]})", "Write it again.")


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    for kind in (resource.RLIMIT_DATA, resource.RLIMIT_CORE):
        limit = MEMORY if kind == resource.RLIMIT_DATA else 0
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(kind, (limit, hard))


def _print_rows(path: Path) -> None:
    from pyarrow import set_cpu_count, set_io_thread_count
    from pyarrow.parquet import ParquetFile

    set_cpu_count(1)
    set_io_thread_count(1)
    with ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=_BATCH, use_threads=False):
            batch = batch.rename_columns(distinct(batch.schema.names))
            for i in range(batch.num_rows):
                sys.stdout.write(_line(batch.slice(i, 1)) + "\n")


def _line(row: Any) -> str:  # noqa: ANN401 - pyarrow is untyped
    """One row as a JSON object, or as a JSON string that says why it is none."""
    if row.nbytes > MAX_LINE:
        return f'"row longer than {MAX_LINE // 2**20} MiB"'
    try:
        (fields,) = row.to_pylist()
        fields = {name: _text_of(value) for name, value in fields.items()}
        return json.dumps(plain_value(fields), allow_nan=False)
    except (ValueError, OverflowError, TypeError):  # such as a date of the year 100,000
        return '"a row that cannot be written as text"'


def _text_of(value: object) -> object:
    """Bytes as the text that they are, for some programs write texts so; else as what holds some.

    That a column holds pictures must be seen where its values are read.
    """
    if not isinstance(value, bytes):
        return value
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return {"bytes": None}
    return {"bytes": None} if "\0" in text else text


if __name__ == "__main__":
    _limit_memory()
    try:
        _print_rows(Path(sys.argv[1]))
    except BrokenPipeError:
        os._exit(0)
    except Exception as error:  # noqa: BLE001 - the caller makes a CorpusError of every failure
        text = str(error).splitlines()
        sys.stderr.write(f"{type(error).__name__}: {text[0] if text else ''}"[:_REASON])
        sys.exit(1)
