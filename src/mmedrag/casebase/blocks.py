"""Arrays in files, read where they lie and checked block by block before they are used.

A file holds an array's bytes and then the CRC-32 of each block of them. The SHA-256 of those
checksums is kept elsewhere (a generation's manifest), so nothing vouches for itself. A block is
checked when something in it is first used; opening reads the checksums alone, whatever the size.
Where single rows are read that lie apart, a block is a row: a search checks some hundred of them.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mmedrag.errors import CasebaseDamaged

BLOCK = 4_096  # bytes, where nothing else is said
_LEAST = 512  # a checksum is 4 bytes
_AT_ONCE = 65_536  # blocks whose checksums are compared at once
REMEDY = "It will be derived again from the database."

Bytes = NDArray[np.uint8]


class GenerationDamaged(CasebaseDamaged):
    """A file of a generation is not what it was; the database can make it again."""


class BlockWriter:
    """Writes bytes and remembers what each block was meant to be."""

    def __init__(self, stream: BinaryIO, block: int = BLOCK) -> None:
        self._stream = stream
        self._block = block
        self._open = b""  # of the block that is not full yet
        self._checksums: list[int] = []
        self._written = 0

    def write(self, content: bytes | memoryview) -> int:
        """Append bytes; gives their number."""
        content = memoryview(content).cast("B")
        self._stream.write(content)
        self._written += len(content)
        held = content
        if self._open:
            missing = self._block - len(self._open)
            self._open += bytes(content[:missing])
            held = content[missing:]
            if len(self._open) < self._block:
                return len(content)
            self._checksums.append(crc32(self._open))
        size = self._block
        whole = len(held) - len(held) % size
        self._checksums += [crc32(held[at : at + size]) for at in range(0, whole, size)]
        self._open = bytes(held[whole:])
        return len(content)

    def finish(self) -> dict[str, Any]:
        """Append the checksums; gives what :class:`Blocks` needs to check them."""
        if self._open:
            self._checksums.append(crc32(self._open))
        checksums = np.array(self._checksums, "<u4").tobytes()
        self._stream.write(checksums)
        digest = hashlib.sha256(checksums).hexdigest()
        return {"bytes": self._written, "block": self._block, "sha256": digest}


@contextmanager
def block_file(file: Path, entry: dict[str, Any], block: int = BLOCK) -> Iterator[BlockWriter]:
    """Write a file durably; ``entry`` gets its name and what vouches for it."""
    with file.open("wb") as stream:
        writer = BlockWriter(stream, block)
        yield writer
        entry |= {"file": file.name, **writer.finish()}
        stream.flush()
        os.fsync(stream.fileno())


def row_block(width: int) -> int:
    """Bytes of a block of an array whose rows, of ``width`` bytes, are read one by one."""
    return width if _LEAST <= width <= BLOCK else BLOCK


def write_array(
    file: Path, pieces: Iterable[NDArray[Any]], dtype: str, block: int = BLOCK
) -> dict[str, Any]:
    """Write pieces of one array, along its first axis; gives its entry for :class:`StoredArray`."""
    entry: dict[str, Any] = {}
    shape = [0]
    with block_file(file, entry, block) as writer:
        for piece in pieces:
            writer.write(np.ascontiguousarray(piece, dtype).tobytes())
            shape = [shape[0] + len(piece), *piece.shape[1:]]
    return {**entry, "dtype": dtype, "shape": shape}


class Blocks:
    """A mapped file whose blocks are checked before they are used.

    Raises:
        GenerationDamaged: it is not of the size, or its checksums are not those, of ``entry``.
    """

    def __init__(self, folder: Path, entry: Mapping[str, Any]) -> None:
        self.path = folder / entry["file"]
        self.size = int(entry["bytes"])
        self._block = int(entry.get("block", BLOCK))
        count = -(-self.size // self._block)
        if self.path.stat().st_size != self.size + 4 * count:
            raise self._damaged()
        mapped = _mapped(self.path) if self.size else np.empty(0, np.uint8)
        checksums = mapped[self.size :].tobytes()
        if hashlib.sha256(checksums).hexdigest() != entry["sha256"]:
            raise self._damaged()
        self.bytes: Bytes = mapped[: self.size]
        """Unchecked."""
        self._checksums = np.frombuffer(checksums, "<u4")
        self._checked = np.zeros(count, np.bool_)
        self._unchecked = count

    def check(self, start: int = 0, stop: int | None = None) -> None:
        """Check the blocks of some bytes, of all by default.

        Raises:
            GenerationDamaged: one was changed.
        """
        if self._unchecked:
            end = self.size if stop is None else stop
            self._check(np.arange(start // self._block, -(-end // self._block)))

    def check_at(self, starts: NDArray[np.int64], width: int) -> None:
        """Check the blocks of ``width`` bytes at each start; see :meth:`check`."""
        if self._unchecked and len(starts):
            first, last = starts // self._block, (starts + width - 1) // self._block
            reach = range(int((last - first).max()) + 1)
            numbers = np.concatenate([np.minimum(first + i, last) for i in reach])
            self._check(np.unique(numbers[~self._checked[numbers]]))

    def _check(self, numbers: NDArray[np.int64]) -> None:
        content, size = self.bytes.data, self._block
        new = numbers[~self._checked[numbers]]
        for start in range(0, len(new), _AT_ONCE):
            some = new[start : start + _AT_ONCE]
            found = [crc32(content[n * size : (n + 1) * size]) for n in some.tolist()]
            if found != self._checksums[some].tolist():
                raise self._damaged()
            self._checked[some] = True
            self._unchecked -= len(some)

    def _damaged(self) -> GenerationDamaged:
        return GenerationDamaged(f"{self.path.parent.name}/{self.path.name} was changed", REMEDY)


def _mapped(file: Path) -> Bytes:
    with file.open("rb") as stream:
        return np.frombuffer(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


class StoredArray:
    """An array in a file; whatever is taken out of it has been checked."""

    def __init__(self, folder: Path, entry: Mapping[str, Any]) -> None:
        self._blocks = Blocks(folder, entry)
        dtype, self.shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
        self._width = dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
        if self._blocks.size != self._width * self.shape[0]:
            raise GenerationDamaged(f"{entry['file']} does not hold what its manifest says", REMEDY)
        self._array: NDArray[Any] = self._blocks.bytes.view(dtype).reshape(self.shape)

    def __len__(self) -> int:
        return int(self.shape[0])

    def span(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """A part of it, all by default, without a copy."""
        stop = len(self) if stop is None else stop
        self._blocks.check(start * self._width, stop * self._width)
        return self._array[start:stop]

    def at(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """A copy of its rows at some positions."""
        taken: NDArray[Any] = self.checked_at(positions)[positions]
        return taken

    def checked_at(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """The whole of it without a copy, of which only the rows at some positions are checked."""
        self._blocks.check_at(positions * self._width, self._width)
        return self._array
