"""Files of a folder that are not read, told by their kind: how many, the first, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from mmedrag.types import Problem

_REMEDIES: Mapping[str, tuple[str, str]] = {
    "volumes": (
        ".nii .nii.gz .nrrd .nhdr .mha .mhd .mgh .mgz",
        "write their slices as PNG or DICOM, as 3D Slicer and SimpleITK do",
    ),
    "pictures of other formats": (
        ".gif .webp .heic .heif .avif .jp2 .j2k .jxl .svg .psd",
        "convert them to PNG, as 'magick mogrify -format png FILES' does",
    ),
    "whole slides": (
        ".czi .lif .vsi .mrxs .scn .bif .ndpi .svs",
        "export regions of them as PNG or TIFF, as QuPath does",
    ),
    "videos": (
        ".mp4 .avi .mov .mkv .wmv",
        "export frames of them as PNG, as 'ffmpeg -i FILE frame-%03d.png' does",
    ),
    "archives": (".zip .tar .tgz .gz .bz2 .xz .7z .rar", "unpack them"),
    "workbooks": (".xlsx .xls .ods", "save their tables as CSV UTF-8"),
    "documents": (
        ".pdf .doc .docx .rtf .odt",
        "save their texts as .txt files beside the pictures of their names, or in a table",
    ),
    "texts beside no picture of their name": (
        ".txt",
        "put each beside its picture (a.txt, a.png), or all into a table that names the pictures",
    ),
}
_ABOUT = {"readme", "license", "licence", "notice", "changelog", "requirements"}
_KINDS = {end: kind for kind, (ends, _) in _REMEDIES.items() for end in ends.split()}


def kind_of_unread(file: Path) -> str:
    """What a file is that may hold cases and is not read, by its name; else nothing."""
    name = file.name.lower()
    if name.split(".")[0] in _ABOUT:
        return ""
    return _KINDS[".nii.gz"] if name.endswith(".nii.gz") else _KINDS.get(file.suffix.lower(), "")


class Unread:
    """Counts the files under a folder that may hold cases and are not read."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._firsts: dict[str, Path] = {}

    def add(self, file: Path) -> bool:
        """Count a file that is no sidecar; whether it is of a kind that is counted."""
        kind = kind_of_unread(file)
        if kind:
            self._counts[kind] += 1
            self._firsts.setdefault(kind, file)
        return bool(kind)

    def problems(self) -> Iterator[Problem]:
        """One for each kind, with its first file."""
        for kind, count in self._counts.items():
            reason = f"{kind} that are not read: {count:,}, of which this is the first"
            yield Problem(self._firsts[kind], None, f"{reason}; {_REMEDIES[kind][1]}")
