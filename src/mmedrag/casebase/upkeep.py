"""What keeps a casebase in order: publication, erasure, recognition, repair."""

from __future__ import annotations

from mmedrag.casebase.contents import Contents
from mmedrag.casebase.faults import storage_faults
from mmedrag.casebase.folder import GRAPH, write_generation
from mmedrag.casebase.mentions import Recognition
from mmedrag.casebase.neighbours import NEIGHBOURS
from mmedrag.protocols import DefinitionSource

AUTOMATIC = "auto"
_REPORTS = 512  # read together, and written in one transaction


class Upkeep(Contents):
    """The half of :class:`~mmedrag.casebase.casebase.Casebase` that derives and erases."""

    def erase(self) -> dict[str, int]:
        """Erase now what deleted and replaced cases have left; see :meth:`unerased`.

        The generation is built again from what is there, so this costs what :meth:`publish` costs.

        Returns:
            What is still left, because another process reads an older state; empty as a rule.

        Raises:
            CasebaseError: the disk fails.
            CasebaseLocked: another process writes.
        """
        with self._access.writers:
            self.publish()
            return self.unerased()

    def publish(self, index_key: str | None = None, *, neighbours: bool | None = None) -> None:
        """Build a new generation from the database and make it the live one.

        Args:
            index_key: a FAISS factory string, kept for later publications; ``"auto"`` chooses by
                size again. Domains with too few cases to train it get an exact index.
            neighbours: whether the nearest of each case are kept beside it from now on, for
                :meth:`search_onward`; as before by default, and not in a new casebase.

        Raises:
            CasebaseError: FAISS does not know the key, or the disk fails; the former generation
                then stays live.
            CasebaseLocked: another process writes.
        """
        self._publish(index_key, neighbours)

    def _publish(
        self, index_key: str | None = None, neighbours: bool | None = None, *, anew: bool = False
    ) -> None:
        with self._access.writing("publish the index of"):
            with self._access.guard:
                settings = self._access.database.settings()
            key = index_key or settings["index_key"]
            keep = GRAPH in settings if neighbours is None else neighbours
            written = write_generation(
                self.path,
                self._access.generations,
                None if key == AUTOMATIC else key,
                neighbours=keep,
                anew=anew,
            )
            with self._access.guard:
                summary = written.summary
                with self._access.database.writing():
                    self._access.database.record_generation(
                        summary.number, written.manifest, summary.row, written.vocabulary
                    )
                self._access.generations.point_to(summary.number)
                with self._access.database.writing():
                    self._access.database.set("index_key", key)
                    if keep:
                        self._access.database.set(GRAPH, str(NEIGHBOURS))
                    else:
                        self._access.database.unset(GRAPH)
                    self._access.database.retire_before(summary.number, summary.epoch)
                self._access.generations.remove_others(summary.number)
                self._access.database.settle()

    def _mend(self) -> None:
        self._access.recover(self.publish)

    def recognise(self, definitions: DefinitionSource) -> int:
        """Read the reports that this source has not read, and keep what it recognises.

        Until the next publication what all reports say is read from the tables when it is first
        asked for, and held in memory.

        Returns:
            How many reports were read.

        Raises:
            CasebaseError: the disk fails; what was read before stays.
            CasebaseLocked: another process writes.
        """
        with self._access.writing("recognise the terms of"):
            count, row = 0, 0
            while batch := self._unread(definitions.fingerprint, row):
                recognised = definitions.recognise([text for _, text in batch])
                recognitions = {
                    row: Recognition(definitions.fingerprint, mentions)
                    for (row, _), mentions in zip(batch, recognised, strict=True)
                }
                with self._access.guard, self._access.database.writing() as epoch:
                    self._access.database.recognise(recognitions, epoch)
                count, row = count + len(batch), batch[-1][0]
            with self._access.guard, self._access.database.writing():
                self._access.database.mention_table.forget_unused()
            return count

    def accept(self) -> None:
        """Take what the database holds for what was acknowledged, where every case is sound.

        Ends the alarm after a loss that cannot be made good, or a damage to what is derived, which
        :meth:`rebuild` derives again. Nothing is done where there is no alarm.

        Raises:
            CasebaseDamaged: a case fails its checksum.
            CasebaseLocked: another process writes.
        """
        with self._access.writers, storage_faults(self.path, "accept the loss of"):
            self._access.accept()

    def rebuild(
        self, definitions: DefinitionSource | None = None, *, neighbours: bool | None = None
    ) -> None:
        """Derive the generation, its words too, and records of cases again, and compact.

        Encodes nothing.

        What the database holds is taken for what was acknowledged from now on, so that this also
        ends the alarm after a loss that cannot be made good, or after a damage to derived parts.

        Args:
            definitions: recognises the terms of all reports again, where given.
            neighbours: see :meth:`publish`; all are searched again.

        Raises:
            CasebaseDamaged: a case fails its checksum; nothing is changed.
            CasebaseError: the disk fails; the former state then stays live.
            CasebaseLocked: another process writes.
        """
        with self._access.writers, storage_faults(self.path, "rebuild"):
            self._access.accept()
            self._access.acquire()
            self._access.require_sound_cases()
            if definitions is not None:
                with self._access.guard, self._access.database.writing() as epoch:
                    self._access.database.forget_recognised(epoch)
                self.recognise(definitions)
            self._pack()
            self._publish(neighbours=neighbours, anew=True)
            with self._access.guard:
                self._access.thumbnails.sweep(self._access.database.thumbnails())
                self._access.database.compact()
                self._access.database.truncate_log()

    def _pack(self) -> None:
        """Pack the cases that are not packed as the tables say."""
        row = 0
        while rows := self._rows_after(row):
            with self._access.guard:
                loose = self._access.database.loose(rows)
                if loose:
                    with self._access.database.writing():
                        self._access.database.pack([*loose])
            row = rows[-1]

    def _rows_after(self, row: int) -> list[int]:
        with self._access.guard:
            return self._access.database.rows_after(row, _REPORTS)

    def _unread(self, recogniser: str, row: int) -> list[tuple[int, str]]:
        with self._access.guard:
            return self._access.database.mention_table.unread(recogniser, row, _REPORTS)
