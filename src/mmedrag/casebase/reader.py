"""Keeps the snapshot in memory at the newest committed state, whichever process wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmedrag.casebase.connection import State
from mmedrag.casebase.database import Database
from mmedrag.casebase.folder import essentials
from mmedrag.casebase.generations import Generations
from mmedrag.casebase.snapshot import Snapshot
from mmedrag.errors import CasebaseDamaged, CasebaseLocked
from mmedrag.remembering import forget

_ATTEMPTS = 100


class Reader:
    """Follows the database and ``CURRENT``; not for two threads at once.

    Attributes:
        damage: what is wrong with the generation that ``CURRENT`` names, or ``None``. While it is
            damaged, every row is searched exactly from memory.
        notices: every damage met, one line each.
    """

    def __init__(self, path: Path, database: Database, generations: Generations) -> None:
        self._path = path
        self._database = database
        self._generations = generations
        self._dim, self._fingerprint, _ = essentials(database, path)
        self._snapshot: Snapshot | None = None
        self._name: str | None = None  # what CURRENT said when the snapshot was made
        self.damage: str | None = None
        self.notices: list[str] = []

    @contextmanager
    def now(self) -> Iterator[Snapshot]:
        """The newest committed state, held still in a read transaction.

        Raises:
            CasebaseLocked: publications follow one another faster than they can be read.
        """
        name: str | None = None
        looked = False
        for _ in range(_ATTEMPTS):
            with self._database.reading():
                state = self._database.state()
                snapshot = self._at(state)
                if snapshot is None and looked:
                    snapshot = self._catch_up(name, state)
                if snapshot is not None:
                    yield snapshot
                    return
            # read before the next transaction begins, so that the database knows what it names
            name, looked = self._generations.current(), True
        raise CasebaseLocked(f"{self._path} changes all the time", "Try again in a moment.")

    def close(self) -> None:
        """Let the files of the generation go."""
        self._snapshot = None

    def forget(self) -> None:
        """Keep nothing of reports in memory: some of them are gone."""
        if self._snapshot is not None:
            self._snapshot.forget_cases()
        forget()

    def distrust(self, damage: CasebaseDamaged) -> None:
        """A part of the generation that was used for the first time is damaged."""
        self._snapshot = Snapshot(None, self._database, self._dim)
        self._report(damage)

    def _report(self, damage: CasebaseDamaged) -> None:
        self.damage = damage.what
        self.notices.append(
            f"{damage.what}; every case is searched exactly until the index is rebuilt"
        )

    def _at(self, state: State) -> Snapshot | None:
        reached = self._snapshot is not None and self._snapshot.epoch == state.epoch
        return self._snapshot if reached else None

    def _catch_up(self, name: str | None, state: State) -> Snapshot | None:
        """Bring the snapshot to a state; ``None`` where ``CURRENT`` has moved on meanwhile."""
        snapshot, self._snapshot = self._snapshot, None  # half advanced if this fails
        row_sum, large = self._database.row_sum, self._database.ledger.large
        if snapshot and not large and row_sum.is_due and row_sum.is_broken(state.epoch):
            raise CasebaseDamaged(
                f"{self._path / 'casebase.db'} is not what was written to it",
                "'mmedrag verify' says what is wrong; restore a backup.",
            )
        if snapshot is None or name != self._name or not snapshot.follows(state):
            try:
                snapshot = self._load(name)
                self.damage = None
            except CasebaseDamaged as damage:
                if self._generations.current() != name:
                    return None
                snapshot = Snapshot(None, self._database, self._dim)
                self._report(damage)
        snapshot.advance(self._database, state)
        self._snapshot, self._name = snapshot, name
        return snapshot

    def _load(self, name: str | None) -> Snapshot:
        if name is not None:
            loaded = self._generations.load(name, self._database, self._fingerprint, self._dim)
            return Snapshot(loaded, self._database, self._dim)
        if self._database.state().pruned:  # a generation has been live
            raise CasebaseDamaged("CURRENT is missing", "Rebuild the index.")
        return Snapshot(None, self._database, self._dim)
