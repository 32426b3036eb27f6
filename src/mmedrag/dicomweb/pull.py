"""Studies of an archive as a corpus: looked up, retrieved, de-identified, and remembered.

A study is the unit. One that is new or has grown since is read as a whole, so that a report that
comes late reaches its images. Files wait in a private folder until their cases are stored: a pull
that was killed finds them there and retrieves only what is not.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

from pydicom import dcmread
from pydicom.filereader import read_file_meta_info
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, JPEGExtended12Bit

from mmedrag.casebase.faults import storage_faults
from mmedrag.datasets.deidentify import Pseudonyms
from mmedrag.datasets.dicom import read_dicom
from mmedrag.dicomweb.changes import changed_studies, last_change
from mmedrag.dicomweb.client import (
    HOPELESS,
    Archive,
    Attributes,
    NoSearch,
    NotRetrieved,
    text_of,
)
from mmedrag.dicomweb.selection import (
    Instance,
    Notes,
    is_image,
    key_images,
    notes_of,
    reports_of,
)
from mmedrag.dicomweb.state import ATTEMPTS, State
from mmedrag.durability import durable_file
from mmedrag.errors import ArchiveError, CorpusError
from mmedrag.imaging.dicom_files import PARSER_FAILURES
from mmedrag.types import Case, Problem

SPOOL = "pulling"
"""The folder in the casebase's own where retrieved files wait for their cases to be stored."""

OVERLAP = timedelta(days=14)
"""How far a later pull looks back by study date, where the server has no changes feed."""

_STUDY, _SERIES, _INSTANCE = "0020000D", "0020000E", "00080018"
_MODALITY, _CLASS, _NUMBER = "00080060", "00080016", "00200013"
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_DOUBTFUL = (DeflatedExplicitVRLittleEndian, JPEGExtended12Bit)  # as a whole; with 12 bits
_ASIDE = frozenset({"SR", "KO"})


@dataclass(slots=True)
class Statistics:
    """What a pull did with the studies it saw."""

    studies: int = 0
    unchanged: int = 0
    retrieved: int = 0
    resumed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A study whose cases are on their way: done when so many rows of the corpus are written."""

    rows: int
    study: str
    digest: str
    instances: tuple[str, ...]
    failures: int
    folder: Path


@dataclass(slots=True)
class Pull:
    """A corpus that comes out of an archive. Iterate once, call :meth:`finish` at the end.

    Args:
        archive: the server.
        state: what was pulled before.
        spool: a folder of its own, where files wait; made where it is not there.
        salt: the key of the casebase's pseudonyms.
        where: keys of a search for studies; ``Modality`` also leaves out the other series.
        every: take all images, not the key images of each series.
        recheck: look at all studies again, not at what is new since the last pull.
    """

    archive: Archive
    state: State
    spool: Path
    salt: bytes
    where: Mapping[str, str] = field(default_factory=dict)
    every: bool = False
    recheck: bool = False
    today: date = field(default_factory=date.today)
    statistics: Statistics = field(default_factory=Statistics, init=False)
    _waiting: deque[_Waiting] = field(default_factory=deque, init=False)
    _given: int = field(default=0, init=False)
    _written: int = field(default=0, init=False)
    _in_a_row: int = field(default=0, init=False)
    _unanswered: int = field(default=0, init=False)
    _change: int | None = field(default=None, init=False)
    _broken_off: ArchiveError | None = field(default=None, init=False)

    def __iter__(self) -> Iterator[Case | Problem]:
        """De-identified cases, and what could not become one.

        Where the server cannot be reached or refuses, they end, and :meth:`finish` says so.

        Raises:
            CasebaseError: files or state cannot be kept.
        """
        self._change = last_change(self.archive)
        with storage_faults(self.spool, "keep instances in"):
            self.spool.mkdir(mode=0o700, exist_ok=True)
        try:
            for item in self._items():
                self._given += 1
                yield item
        except ArchiveError as error:  # what has arrived is stored before it is raised
            self._broken_off = error

    def written(self, rows: int, /) -> None:
        """Hear that so many further rows are stored: the :class:`mmedrag.progress.Progress`."""
        self._written += rows
        while self._waiting and self._waiting[0].rows <= self._written:
            done = self._waiting.popleft()
            self.state.keep(done.study, done.digest, done.instances, done.failures)
            shutil.rmtree(done.folder, ignore_errors=True)

    def finish(self) -> None:
        """Remember what is stored now, and where the next pull goes on.

        Raises:
            ArchiveError: the server broke off the pull.
            CasebaseError: the state cannot be kept.
        """
        self.written(self._given - self._written)
        if self._broken_off is not None:
            raise self._broken_off
        if not self.statistics.failed:  # else the next pull sees the failed studies again
            self.state.advance(self._source(), self._change, self.today.strftime("%Y%m%d"))
        shutil.rmtree(self.spool, ignore_errors=True)

    def _source(self) -> str:
        query = json.dumps([self.archive.url, sorted(self.where.items()), self.every])
        return Pseudonyms(self.salt).uid(query)

    def _items(self) -> Iterator[Case | Problem]:
        for row in self._studies():
            if isinstance(row, Problem):
                self.statistics.failed += 1
                yield row
            elif _UID.fullmatch(uid := text_of(row, _STUDY)):  # another would lead elsewhere
                self.statistics.studies += 1
                yield from self._study(uid)

    def _studies(self) -> Iterator[Attributes | Problem]:
        """The studies to look at: all that match, or those that are new."""
        change, day = self.state.position(self._source())
        keys = {("ModalitiesInStudy" if k == "Modality" else k): v for k, v in self.where.items()}
        if self.recheck:
            change, day = None, ""
        if change is not None and self._change is not None and change <= self._change:
            for uid in changed_studies(self.archive, change):
                if isinstance(uid, Problem):
                    yield uid
                elif uid == keys.get("StudyInstanceUID", uid):
                    yield from self.archive.search("studies", {**keys, "StudyInstanceUID": uid})
            return
        if day and self._change is None and "StudyDate" not in keys:
            start = date.fromisoformat(day) - OVERLAP
            keys["StudyDate"] = f"{start:%Y%m%d}-"
        yield from self.archive.search("studies", keys)

    def _study(self, uid: str) -> Iterator[Case | Problem]:
        """The cases of one study, if there is anything new in it."""
        names = Pseudonyms(self.salt)
        problems: list[Problem] = []
        instances = list(self._instances(uid, problems))
        study, digest = names.uid(uid), self._digest(instances)
        if self.state.is_done(study, digest):
            self.statistics.unchanged += 1
            return
        folder = self.spool / study
        with storage_faults(folder, "keep instances in"):
            folder.mkdir(mode=0o700, exist_ok=True)
        chosen = self._choose(instances, folder, problems)
        for instance in chosen:
            self._fetch(instance, folder, problems)
        _clear(folder, {_file(instance) for instance in (*chosen, *notes_of(instances))})
        yield from problems
        failures = self.state.failures(study, digest) + 1 if problems else 0
        self.statistics.failed += 0 < failures < ATTEMPTS
        for item in self._read(folder):
            # A report whose images come with a later pull is not a case of text alone.
            if isinstance(item, Problem) or item.image or failures in (0, ATTEMPTS):
                yield item
        taken = tuple(names.uid(i.uid) for i in chosen if (folder / _file(i)).exists())
        self._waiting.append(_Waiting(self._given, study, digest, taken, failures, folder))

    def _instances(self, study: str, problems: list[Problem]) -> Iterator[Instance]:
        """All instances of a study but those of other modalities than are asked for."""
        wanted = self.where.get("Modality", "*").upper()
        for row in self._rows(f"studies/{study}/series", problems):
            series, modality = text_of(row, _SERIES), text_of(row, _MODALITY)
            if not _UID.fullmatch(series):
                continue
            if fnmatchcase(modality.upper(), wanted) or modality.upper() in _ASIDE:
                for item in self._rows(f"studies/{study}/series/{series}/instances", problems):
                    uid, number = text_of(item, _INSTANCE), text_of(item, _NUMBER)
                    order = int(number) if number.lstrip("-").isdecimal() else 2**31
                    if _UID.fullmatch(uid):
                        sop_class = text_of(item, _CLASS)
                        yield Instance(order, uid, series, study, modality, sop_class)

    def _rows(self, path: str, problems: list[Problem]) -> Iterator[Attributes]:
        """The results of a search; what the server could not give is added to the problems.

        A study that it cannot look into, or that has gone since, does not keep the others away.
        """
        missing: list[Problem] = []
        try:
            for row in self.archive.search(path):
                if isinstance(row, Problem):
                    missing.append(row)
                else:
                    yield row
        except NoSearch as error:
            missing = [Problem(Path(path), None, error.what)]
            self._unanswered += 1
            if self._unanswered >= HOPELESS:
                raise
        else:
            self._unanswered = 0
        problems.extend(missing)

    def _digest(self, instances: Sequence[Instance]) -> str:
        query = [str(self.every), self.where.get("Modality", ""), *sorted(i.uid for i in instances)]
        return Pseudonyms(self.salt).uid("\n".join(query))

    def _choose(
        self, instances: Sequence[Instance], folder: Path, problems: list[Problem]
    ) -> list[Instance]:
        notes, names = Notes(), Pseudonyms(self.salt)
        for note in notes_of(instances):
            file = self._fetch(note, folder, problems)
            if file is not None:
                _take_in(notes, file)
        kept = {i.uid for i in instances if is_image(i) and self.state.is_kept(names.uid(i.uid))}
        return reports_of(instances) + key_images(instances, notes, kept, every=self.every)

    def _fetch(self, instance: Instance, folder: Path, problems: list[Problem]) -> Path | None:
        """The file of an instance, retrieved where it does not wait already."""
        file = folder / _file(instance)
        if file.exists():
            self.statistics.resumed += 1
            return file
        try:
            with storage_faults(file, "keep instances in"), durable_file(file, mode=0o600) as new:
                self.archive.retrieve(instance.path, new)
                if _needs_plugin(new):
                    self._transcoded(instance, new)
        except NotRetrieved as error:
            problems.append(Problem(Path(instance.uid), None, f"not retrieved: {error}"))
            self._in_a_row += 1
            if self._in_a_row >= HOPELESS:
                raise ArchiveError(
                    f"{self.archive.url} gave none of the last {HOPELESS} instances ({error})",
                    "See the server's log; the same command goes on where it was.",
                ) from None
            return None
        self._in_a_row = 0
        self.statistics.retrieved += 1
        return file

    def _transcoded(self, instance: Instance, file: Path) -> None:
        """Replace a file that no decoder here reads by the server's uncompressed form of it."""
        plain = file.with_name(f"{file.name}.plain")
        try:
            self.archive.retrieve(instance.path, plain, ExplicitVRLittleEndian)
            plain.replace(file)
        except NotRetrieved:
            plain.unlink(missing_ok=True)  # what it needs is said when it is read

    def _read(self, folder: Path) -> Iterator[Case | Problem]:
        """The cases of the files; a problem names the instance, for the file is soon gone."""
        try:
            for item in read_dicom(folder, salt=self.salt):
                if isinstance(item, Problem):
                    item = replace(item, file=Path(item.file.stem))
                yield item
        except CorpusError:
            return  # nothing arrived, or nothing of it is DICOM; each has its problem


def _file(instance: Instance) -> str:
    return f"{instance.uid}.dcm"


def _clear(folder: Path, but: Collection[str]) -> None:
    """Remove what an interrupted pull left: halves of files, and images of another choice."""
    with storage_faults(folder, "clear"):
        for file in folder.iterdir():
            if file.name not in but:
                file.unlink()


def _take_in(notes: Notes, file: Path) -> None:
    try:
        notes.add(dcmread(file, force=True))
    except PARSER_FAILURES:
        return


def _needs_plugin(file: Path) -> bool:
    """Whether a file is compressed in a way that nothing here decodes, or not surely."""
    try:
        syntax = read_file_meta_info(file).get("TransferSyntaxUID", ExplicitVRLittleEndian)
        if syntax in _DOUBTFUL:
            return True
        return bool(syntax.is_compressed) and not get_decoder(syntax).is_available
    except (*PARSER_FAILURES, NotImplementedError):
        return False
