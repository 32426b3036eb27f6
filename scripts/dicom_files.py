"""Open every file of a folder (by default pydicom's own test files) and list what is refused.

    python scripts/dicom_files.py [FOLDER]

Prints a table in Markdown: why, and which files. docs/data.md holds that of pydicom's files.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pydicom

from mmedrag.datasets.folder import files_under
from mmedrag.errors import ImageError
from mmedrag.imaging.decoding import open_image
from mmedrag.imaging.signatures import kind_of_file


def dicom_files(folder: Path) -> Iterator[Path]:
    """The DICOM files below a folder, in a fixed order."""
    return (file for file in files_under(folder) if kind_of_file(file) == "dicom")


def refusals(folder: Path) -> tuple[int, dict[str, list[str]]]:
    """How many files were opened, and the others by the reason for which they were not."""
    opened = 0
    reasons: dict[str, list[str]] = defaultdict(list)
    for file in dicom_files(folder):
        try:
            open_image(file)
            opened += 1
        except ImageError as error:
            reasons[error.what.removeprefix(str(file)).strip()].append(file.name)
    return opened, dict(reasons)


def table(folder: Path) -> str:
    """The refusals of a folder as a table in Markdown."""
    opened, reasons = refusals(folder)
    refused = sum(map(len, reasons.values()))
    rows = [f"{opened} files opened, {refused} refused:", "", "| why | files |", "|---|---|"]
    for reason, names in sorted(reasons.items()):
        rows.append(f"| {reason} | {', '.join(f'`{name}`' for name in names)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    default = Path(pydicom.__file__).parent / "data"
    sys.stdout.write(table(Path(sys.argv[1]) if len(sys.argv) > 1 else default) + "\n")
