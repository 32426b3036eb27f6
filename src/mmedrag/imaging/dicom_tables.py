"""Look-up tables of DICOM (PS3.3, C.7.6.3.1.5, C.11.1, C.11.2), read by their data.

Descriptors are often wrong: they claim 16 bits for 12-bit or 8-bit values, or entries that are not
there; and tables are written in the other byte order. A table that is believed against its data
shows a black picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from mmedrag.imaging.grey import scale

_COLOURS = ("Red", "Green", "Blue")
_MISSING = 0.01
_SMOOTHER = 4  # times less variation: then the other byte order is the right one


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Entries of a look-up table; ``first`` is the stored value that the first one stands for.

    ``claimed`` is how many entries its descriptor promises.
    """

    entries: NDArray[np.int64]
    first: int
    claimed: int

    def lacks(self, values: NDArray[Any]) -> bool:
        """Whether entries are missing for more than one in a hundred of these values."""
        if len(self.entries) >= self.claimed:
            return False
        beyond = np.rint(values) - self.first >= len(self.entries)
        return float(beyond.mean()) > _MISSING

    def __call__(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """The entry of each value; values beyond the table take its ends."""
        index = np.rint(values).astype(np.int64) - self.first
        shown: NDArray[np.int64] = self.entries[np.clip(index, 0, len(self.entries) - 1)]
        return shown


def read_table(item: Dataset, signed: bool, prefix: str = "LUT") -> Table | None:
    """The table of a sequence item, or with a prefix such as ``RedPaletteColorLookupTable``.

    ``None`` where it has no data.

    Args:
        item: a dataset with descriptor and data.
        signed: whether the values that are looked up can be negative.
        prefix: what stands before ``Descriptor`` and ``Data`` in the keywords.
    """
    descriptor, data = (_several(item.get(f"{prefix}{end}")) for end in ("Descriptor", "Data"))
    if len(descriptor) != 3 or len(data) == 0:
        return None
    claimed = int(descriptor[0]) or 2**16
    little = getattr(item, "original_encoding", (None, None))[1] is not False
    narrow = int(descriptor[2]) == 8
    entries = _entries(data, claimed, narrow, "<u2" if little else ">u2")[:claimed]
    first = int(descriptor[1])
    return Table(entries, first - 2**16 if signed and first >= 2**15 else first, claimed)


def _several(value: Any) -> Any:  # noqa: ANN401 - whatever the element holds
    """The values of an element, or its bytes: a single value comes without a list around it."""
    return [] if value is None else value if hasattr(value, "__len__") else [value]


def top_value(*tables: Table) -> int:
    """The value to show as white: the largest of as many bits as the entries need."""
    largest = max(int(table.entries.max()) for table in tables)
    return int(2 ** max(1, largest.bit_length()) - 1)


def palette_colours(ds: Dataset, pixels: NDArray[Any]) -> tuple[NDArray[np.uint8], str]:
    """Colours ``(rows, columns, 3)`` of stored values by the three tables of a palette.

    With it what is doubtful about them.
    """
    tables = [read_table(ds, False, f"{name}PaletteColorLookupTable") for name in _COLOURS]
    usable = [table for table in tables if table is not None]
    if len(usable) < 3:  # segmented tables
        colours = apply_color_lut(pixels, ds)
        return scale(colours, 0, float(np.iinfo(colours.dtype).max)), ""
    short = any(table.lacks(pixels) for table in usable)
    notice = "its palette has no colours for a part of its values" if short else ""
    colours = np.stack([table(pixels) for table in usable], axis=-1)
    return scale(colours, 0, top_value(*usable)), notice


def swapped(values: NDArray[np.uint16]) -> bool:
    """Whether 16-bit values are in the wrong byte order: the other makes them far smoother."""
    other = values.byteswap()
    if not (values & 0xFF).any() or not (other & 0xFF).any():  # 8 bits: either order serves
        return False
    return _variation(values) > _SMOOTHER * _variation(other)


def _variation(values: NDArray[np.uint16]) -> float:
    return float(np.abs(np.diff(values.astype(np.int32), axis=-1)).mean()) if values.size > 1 else 0


def _entries(
    data: Any,  # noqa: ANN401 - bytes or numbers
    claimed: int,
    narrow: bool,
    order: str,
) -> NDArray[np.int64]:
    if not isinstance(data, bytes):
        words = np.asarray([data] if isinstance(data, int) else list(data), np.int64)
        if words.min() < 0 or words.max() > 0xFFFF:
            return words
        halves = words.astype(np.uint16)
    elif len(data) in (claimed, claimed + 1) or (narrow and len(data) < claimed):  # 8 bits each
        return np.frombuffer(data, np.uint8).astype(np.int64)
    else:
        halves = np.frombuffer(data[: len(data) & ~1], order).astype(np.uint16)
    return (halves.byteswap() if swapped(halves) else halves).astype(np.int64)
