"""What is new in an archive since a position: Orthanc's changes feed, where the server has one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmedrag.dicomweb.client import Archive, NoConnection, NotRetrieved, NotThere
from mmedrag.errors import ArchiveError
from mmedrag.types import Problem

_PAGE = 1000
_KINDS = {"NewStudy": "", "StableStudy": "", "NewSeries": "/study", "StableSeries": "/study"}
"""Kinds of changes, and how to get from what they name to the study."""


def last_change(archive: Archive) -> int | None:
    """The position of the newest change; ``None`` where the server has no feed, or hides it.

    Raises:
        NoConnection: the server cannot be reached.
    """
    try:
        answer = archive.json(f"{_root(archive)}/changes?last")
    except NoConnection:
        raise
    except (NotRetrieved, ArchiveError):
        return None
    last = answer.get("Last") if isinstance(answer, dict) else None
    return last if isinstance(last, int) else None


def changed_studies(archive: Archive, since: int) -> Iterator[str | Problem]:
    """The UIDs of studies that have become more since a position, each once.

    An instance that joins an old series is noticed when the server calls the study stable. A change
    whose study the server does not name, although it is there, is a problem.

    Raises:
        ArchiveError: the server cannot be reached, or refuses.
    """
    seen: set[str] = set()
    while True:
        try:
            page = archive.json(f"{_root(archive)}/changes?since={since}&limit={_PAGE}")
        except NotRetrieved as error:
            raise archive.no_search(error) from None
        changes = page.get("Changes") if isinstance(page, dict) else None
        if not isinstance(changes, list) or not changes:
            return
        for change in changes:
            try:
                uid = _study(archive, change, seen)
            except NotRetrieved as error:
                yield Problem(Path(str(change.get("Path"))), None, f"its study: {error}")
                continue
            if uid and uid not in seen:
                seen.add(uid)
                yield uid
        last = page.get("Last", since)
        if page.get("Done", True) or last == since:
            return
        since = last


def _study(archive: Archive, change: dict[str, Any], seen: set[str]) -> str:
    """The study of a change; ``""`` where it is of another kind, or its study has gone since.

    Raises:
        NotRetrieved: the server does not say.
    """
    kind, path = change.get("ChangeType"), str(change.get("Path", ""))
    if kind not in _KINDS or path in seen:
        return ""
    seen.add(path)
    try:
        study = archive.json(f"{_root(archive)}{path}{_KINDS[kind]}")
    except NotThere:
        return ""
    tags = study.get("MainDicomTags") if isinstance(study, dict) else None
    return str(tags.get("StudyInstanceUID", "")) if isinstance(tags, dict) else ""


def _root(archive: Archive) -> str:
    """Where Orthanc's own interface is: the folder above its DICOMweb service, where it has one."""
    above = archive.url.rpartition("/")[0]
    return archive.url if above.endswith("/") else above
