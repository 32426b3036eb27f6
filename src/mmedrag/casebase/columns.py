"""Filters by columns: which cases of a generation a condition lets in, without asking SQL.

A column gives each case the number of its value of one field. A condition is put to each value
once, in Python, and the answers are looked up by number: some 2 ms for a million cases, whatever
the condition. ``labels`` has several values a case: pairs of number and position, in the order of
the numbers, so that the cases of one label stand together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmedrag.casebase.blocks import StoredArray, write_array
from mmedrag.casebase.exact import Mask
from mmedrag.casebase.vocabulary import PLAIN, Counted, label_values, meta_values
from mmedrag.filters import COMPARE, Predicate, compared

LARGEST = 65_535  # distinct values of a column; fields with more are left to SQL
LONGEST = 1_000  # characters of a value of meta
_SHORT = 64  # characters of values that are compared all at once
_FEW = 1_000  # labels whose cases are taken one label after the other
_COMPARED = 4  # values that a column is compared with; more are looked up for each case
PATHS = 200  # columns of meta; what is beyond is left to SQL

Codes = NDArray[np.integer[Any]]


class _Numbers(dict[str, int]):
    """Numbers for values in the order of their coming, from 1."""

    def __missing__(self, value: str) -> int:
        number = self[value] = len(self) + 1
        return number


class ColumnWriter:
    """Collects the columns of a generation, case by case in the order of positions."""

    def __init__(self) -> None:
        self._numbers: dict[str, _Numbers] = {}
        self._codes: dict[str, list[NDArray[np.uint32]]] = {}
        self._labels: list[NDArray[np.uint32]] = []  # numbers and positions, ``(2, n)``
        self._label_cache: dict[str, list[str]] = {}
        self._count = 0
        self._left_out: set[str] = set()

    def add(
        self,
        plain: Sequence[Sequence[str | None]],
        labels: Sequence[str],
        meta: Sequence[str],
    ) -> None:
        """Take in cases: their values of :data:`PLAIN` by field, labels and meta as stored."""
        for field, values in zip(PLAIN, plain, strict=True):
            self._extend(field, [value or None for value in values])
        self._add_labels(labels)
        self._add_meta(meta)
        self._count += len(labels)

    def finish(self) -> tuple[dict[str, list[Codes]], dict[str, Counted]]:
        """All columns and their vocabulary.

        A column is one array, the number of each case's value (0 for none), or two: numbers,
        ascending, and the positions of the cases that have them.
        """
        columns: dict[str, list[Codes]] = {}
        for field, pieces in self._codes.items():
            codes = np.concatenate([np.empty(0, np.uint32), *pieces])
            columns[field] = [np.pad(codes, (0, self._count - len(codes)))]
        if "labels" in self._numbers:
            pairs = np.concatenate([np.empty((2, 0), np.uint32), *self._labels], axis=1)
            columns["labels"] = [*pairs[:, np.argsort(pairs[0], kind="stable")]]
        vocabulary = {
            field: _counted(self._numbers[field], arrays[0]) for field, arrays in columns.items()
        }
        return columns, vocabulary

    def write(self, folder: Path) -> tuple[dict[str, Any], dict[str, Counted]]:
        """Write all columns; gives their entries in the manifest and their vocabulary."""
        columns, vocabulary = self.finish()
        entries = {
            field: [
                write_array(folder / f"column{number}{suffix}", [array], dtype)
                for array, suffix, dtype in zip(arrays, ("", "p"), ("<u2", "<u4"), strict=False)
            ]
            for number, (field, arrays) in enumerate(columns.items())
        }
        return {"fields": entries, "left_out": sorted(self._left_out)}, vocabulary

    def _extend(self, field: str, values: Sequence[str | None]) -> None:
        """Append a piece of a column; ``None`` stands for no value."""
        if field in self._left_out:
            return
        numbers = self._numbers.setdefault(field, _Numbers())
        codes = np.fromiter(
            (0 if value is None else numbers[value] for value in values), np.uint32, len(values)
        )
        if len(numbers) > LARGEST:
            self._drop(field)
        else:
            self._codes.setdefault(field, [np.zeros(self._count, np.uint32)]).append(codes)

    def _add_labels(self, labels: Sequence[str]) -> None:
        if "labels" in self._left_out:
            return
        numbers = self._numbers.setdefault("labels", _Numbers())
        codes, positions = [], []
        for position, stored in enumerate(labels, self._count):
            if stored not in self._label_cache:
                self._label_cache[stored] = label_values(stored)
            for value in self._label_cache[stored]:
                codes.append(numbers[value])
                positions.append(position)
        if len(self._label_cache) > 10 * LARGEST:
            self._label_cache.clear()
        if len(numbers) > LARGEST:
            self._drop("labels")
        else:
            self._labels.append(np.array([codes, positions], np.uint32))

    def _add_meta(self, meta: Sequence[str]) -> None:
        flattened = [meta_values(stored) for stored in meta]
        for field in dict.fromkeys(field for values in flattened for field in values):
            longest = max(len(values.get(field, "")) for values in flattened)
            new = field not in self._codes
            if longest > LONGEST or (new and len(self._codes) - len(PLAIN) >= PATHS):
                self._drop(field)
            self._extend(field, [values.get(field) for values in flattened])
        for pieces in self._codes.values():  # none of these cases has it
            length = sum(map(len, pieces))
            if length < self._count + len(meta):
                pieces.append(np.zeros(self._count + len(meta) - length, np.uint32))

    def _drop(self, field: str) -> None:
        self._left_out.add(field)
        self._numbers.pop(field, None)
        self._codes.pop(field, None)
        if field == "labels":
            self._labels.clear()


class _Values:
    """The values of one field, to which conditions are put."""

    def __init__(self, field: str, stored: Mapping[int, str]) -> None:
        read = json.loads if field.startswith("meta.") else str
        self._values = {number: read(value) for number, value in stored.items()}
        self._numbers = np.fromiter(self._values, np.int64, len(self._values))
        texts = [compared(field, value) for value in self._values.values()]
        plain = all(len(text) <= _SHORT and "\0" not in text for text in texts)
        self._texts = np.array(texts, np.str_) if plain and texts else None

    def meeting(self, predicate: Predicate) -> Mask:
        """Which numbers stand for a value that meets a condition; the last for all above, none."""
        hit = np.zeros(2 + max(self._values, default=0), np.bool_)
        operands = [operand for operand in predicate.operands if isinstance(operand, str)]
        compare = COMPARE.get(predicate.relation)
        if compare is None or self._texts is None or len(operands) < len(predicate.operands):
            met = [number for number, value in self._values.items() if predicate.holds(value)]
            hit[met] = True
            return hit
        for operand in operands:  # all values at once
            matches = compare(self._texts, compared(predicate.field, operand))
            hit[self._numbers[matches]] = True
        return hit


class Columns:
    """The columns of a loaded generation.

    Args:
        folder: of the generation.
        entry: what the manifest says of them.
        count: how many cases the generation holds.
    """

    def __init__(self, folder: Path, entry: Mapping[str, Any], count: int) -> None:
        self._arrays = {
            field: [StoredArray(folder, array) for array in arrays]
            for field, arrays in entry["fields"].items()
        }
        self._left_out = frozenset(entry["left_out"])
        self._values: dict[str, _Values] = {}
        self._ascending: dict[str, bool] = {}  # earlier releases left pairs in the order of cases
        self._count = count

    def has(self, field: str) -> bool:
        """Whether conditions on a field can be answered here."""
        stored = field in self._arrays or field == "diagnosis" or field.startswith("meta.")
        return stored and field not in self._left_out

    def arrays(self) -> Mapping[str, list[StoredArray]]:
        """The stored arrays by field; see :meth:`ColumnWriter.finish`."""
        return self._arrays

    def mask(self, predicate: Predicate, values: Callable[[str], Mapping[int, str]]) -> Mask:
        """Which cases meet a condition, ``(n,)``.

        Args:
            predicate: on a field that is here.
            values: gives the vocabulary of a field.
        """
        field = predicate.field
        if field not in self._arrays:  # no case has a value of it
            return np.full(self._count, predicate.relation == "null")
        codes, *positions = (array.span() for array in self._arrays[field])
        if predicate.relation == "null":
            return ~self._looked_up(np.array([False, True]), codes, positions)
        if field not in self._values:
            self._values[field] = _Values(field, values(field))
        hit = self._values[field].meeting(predicate)
        if positions and np.count_nonzero(hit) <= _FEW and self._ascends(field, codes):
            return self._taken(np.flatnonzero(hit), codes, positions[0])
        return self._looked_up(hit, codes, positions)

    def grouped(
        self, field: str, values: Callable[[str], Mapping[int, str]]
    ) -> Iterator[tuple[str, NDArray[np.integer[Any]]]]:
        """Each value of a field that is here, and the positions of the cases that have it."""
        if field not in self._arrays:
            return
        codes, *held = (array.span() for array in self._arrays[field])
        positions = held[0] if held else np.arange(self._count)
        if not (held and self._ascends(field, codes)):
            order = np.argsort(codes, kind="stable")
            codes, positions = codes[order], positions[order]
        stored = values(field)
        wanted = np.fromiter(stored, codes.dtype, len(stored))
        starts, stops = (np.searchsorted(codes, wanted, side) for side in ("left", "right"))
        for value, start, stop in zip(
            stored.values(), starts.tolist(), stops.tolist(), strict=True
        ):
            yield value, positions[start:stop]

    def _looked_up(self, hit: Mask, codes: Codes, positions: Sequence[NDArray[Any]]) -> Mask:
        matches = _among(codes, hit)
        if not positions:
            return matches
        mask = np.zeros(self._count, np.bool_)
        mask[positions[0][matches]] = True
        return mask

    def _ascends(self, field: str, codes: Codes) -> bool:
        if field not in self._ascending:
            self._ascending[field] = bool(np.all(codes[:-1] <= codes[1:]))
        return self._ascending[field]

    def _taken(self, numbers: NDArray[np.intp], codes: Codes, positions: NDArray[Any]) -> Mask:
        """The cases of some numbers, each of which stands together in ascending ``codes``."""
        mask = np.zeros(self._count, np.bool_)
        wanted = numbers[numbers <= LARGEST].astype(codes.dtype)
        starts, stops = (np.searchsorted(codes, wanted, side) for side in ("left", "right"))
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            mask[positions[start:stop]] = True
        return mask


def _among(codes: Codes, hit: Mask) -> Mask:
    """Which codes are hit; the last of ``hit`` stands for all above."""
    numbers = np.flatnonzero(hit).tolist()
    if len(numbers) > _COMPARED or hit[-1]:
        return hit.take(codes, mode="clip")
    matches: Mask = np.zeros(len(codes), np.bool_)
    for number in numbers:
        matches |= codes == number
    return matches


def _counted(numbers: Mapping[str, int], codes: Codes) -> Counted:
    cases = np.bincount(codes, minlength=len(numbers) + 1).tolist()
    return [(value, cases[number]) for value, number in numbers.items()]
