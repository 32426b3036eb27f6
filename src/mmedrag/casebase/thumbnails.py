"""Previews, each stored under the SHA-256 of its bytes: ``thumbnails/ab/abcdef….jpg``."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmedrag.durability import sync_folder, write_durably

_WRITERS = 8  # waiting for the disk, not computing: one fsync a file


class Thumbnails:
    """A folder of content-addressed JPEG previews."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, previews: Sequence[bytes]) -> list[str]:
        """Store previews durably; those already there are not written again.

        Returns:
            The path of each, relative to the folder above.
        """
        self._write_missing(previews)
        paths = (self._path(digest_of(preview)) for preview in previews)
        return [path.relative_to(self._folder.parent).as_posix() for path in paths]

    def read(self, digest: str) -> bytes | None:
        """The preview of that digest, or ``None`` where it is absent or damaged."""
        try:
            content = self._path(digest).read_bytes()
        except FileNotFoundError:
            return None
        return content if digest_of(content) == digest else None

    def remove(self, digests: Iterable[str]) -> None:
        """Erase previews; absent ones are no error."""
        for digest in digests:
            self._path(digest).unlink(missing_ok=True)

    def sweep(self, wanted: Collection[str]) -> None:
        """Erase every file whose digest is not wanted, left-overs of a crash included."""
        for path in self.unwanted(wanted):
            path.unlink(missing_ok=True)

    def unwanted(self, wanted: Collection[str]) -> list[Path]:
        """Files whose digest is not wanted, and left-overs of a crash."""
        return [p for p in self._files() if p.stem not in wanted or p.suffix != ".jpg"]

    def _files(self) -> Iterator[Path]:
        return (path for path in self._folder.glob("*/*") if path.is_file())

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / f"{digest}.jpg"

    def _write_missing(self, previews: Sequence[bytes]) -> None:
        missing = [p for p in dict.fromkeys(previews) if self.read(digest_of(p)) is None]
        if not missing:
            return
        folders = {self._path(digest_of(preview)).parent for preview in missing}
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        sync_folder(self._folder)
        with ThreadPoolExecutor(_WRITERS) as executor:
            list(executor.map(self._write_one, missing))

    def _write_one(self, preview: bytes) -> None:
        write_durably(self._path(digest_of(preview)), preview)


def digest_of(content: bytes) -> str:
    """SHA-256 as hexadecimal."""
    return hashlib.sha256(content).hexdigest()
