"""A folder of images with sidecar texts: ``scan.png`` beside ``scan.txt`` or ``scan.json``.

A text file is the report. A JSON file holds fields of the native format. Sub-folders are read;
those named ``radiology``, ``pathology`` or ``ophthalmology`` give their images that domain.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmedrag.datasets.sidecars import FOREIGN, SUFFIXES, TABLES, files_under, picture_case
from mmedrag.errors import CorpusError
from mmedrag.imaging.signatures import kind_of_file
from mmedrag.types import Case, Domain, Problem


def read_folder(
    path: Path, *, domain: Domain | None = None, salt: bytes | None = None
) -> Iterator[Case | Problem]:
    """Read every image under a folder: one case an image, its id the folder and relative path.

    What a file is, its contents say. Where DICOM files lie among them, anywhere, the folder is read
    as :func:`~mmedrag.datasets.dicom.read_dicom` reads it: de-identified.

    Args:
        path: the folder.
        domain: for images whose folder or sidecar names none.
        salt: for DICOM, the key of the pseudonyms.

    Raises:
        CorpusError: where there is no such folder or no image in it.
    """
    if not path.is_dir():
        raise CorpusError(f"{path} is not a folder", "Name a folder of images.")
    if any(kind_of_file(file) == "dicom" for file in files_under(path)):
        from mmedrag.datasets.dicom import read_dicom

        yield from read_dicom(path, domain=domain, salt=salt)
        return
    empty = True
    unread: list[Problem] = []
    for file in files_under(path, unread.append):
        if kind_of_file(file):
            empty = False
            yield picture_case(file, path, domain)
        elif file.suffix.lower() in SUFFIXES | FOREIGN:
            empty = False
            yield Problem(file, None, "is not a PNG, JPEG, TIFF, BMP or DICOM file: convert it")
        elif file.suffix.lower() in TABLES:
            yield Problem(file, None, "a table is not read as part of a folder: index it by itself")
    yield from unread
    if empty:
        raise CorpusError(f"{path} holds no images", f"Known are {', '.join(sorted(SUFFIXES))}.")
