"""What a database of cases must do beyond a case store, so that every command works on it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

from mmedrag.casebase.contents import FINDINGS
from mmedrag.protocols import CaseStore, DefinitionSource, OccurrenceStore, Ontology
from mmedrag.types import Case, Domain, Entry, Facet, Kind, Mention, Vector


@runtime_checkable
class CaseDatabase(CaseStore, Protocol):
    """A case store that remembers how it was made, can be walked through, checked and mended.

    Laws: :meth:`entries` gives what :meth:`add` was given, in the order of adding; settings and
    whatever is derived survive the process; a ``where`` means what
    :meth:`mmedrag.filters.Node.matches` says. ``name`` is for messages and holds no password.
    ``folder`` is where files are kept that belong to it and must not lie in it, such as the key of
    pseudonyms.
    """

    # What it is

    @property
    def name(self) -> str: ...

    @property
    def folder(self) -> Path: ...

    @property
    def dim(self) -> int: ...

    @property
    def preset(self) -> str: ...

    @property
    def notices(self) -> list[str]: ...

    @property
    def settings(self) -> dict[str, str]:
        """Texts of the caller's, by keys of the caller's choice."""
        ...

    def set(self, key: str, value: str) -> None: ...

    def take_setting(self, key: str) -> str | None:
        """Erase a setting, and give what it was."""
        ...

    # What it holds

    def domains(self) -> list[Domain]: ...

    def ids(self) -> Iterator[str]:
        """All ids, in the order of adding."""
        ...

    def cases(self) -> Iterator[Case]:
        """All cases of one committed state, in the order of adding."""
        ...

    def entries(self, ids: Sequence[str] | None = None) -> Iterator[Entry]:
        """All entries of one committed state, or those of some ids, in the order of adding."""
        ...

    def recognised(self, recogniser: str) -> Iterator[tuple[Case, tuple[Mention, ...] | None]]:
        """All cases with what the source of that fingerprint found in their reports."""
        ...

    def recognisers(self) -> dict[str, int]:
        """How many reports each recogniser has read, by its fingerprint."""
        ...

    def unrecognised(self, recogniser: str) -> int:
        """How many cases keep no mentions by the source of that fingerprint."""
        ...

    @property
    def occurrences(self) -> OccurrenceStore: ...

    def affirmed(self) -> list[Mention]:
        """One mention for each concept and term that some report affirms."""
        ...

    def definition_vectors(self, digests: Sequence[str]) -> dict[str, Vector]: ...

    def keep_definition_vectors(self, vectors: Mapping[str, Vector]) -> None: ...

    def facets(
        self,
        *,
        where: str | None = None,
        domain: Domain | None = None,
        kinds: Collection[Kind] = FINDINGS,
        limit: int = 20,
    ) -> list[Facet]:
        """The concepts that the most reports affirm, and how many rule them out."""
        ...

    def frequency(self, word: str) -> int: ...

    def similar(self, word: str) -> dict[str, int]: ...

    def info(self) -> dict[str, object]:
        """Counts, sizes and settings, for people to read."""
        ...

    def export(self, into: Path) -> int:
        """Write the cases in the native format, with previews; gives their number."""
        ...

    # Its upkeep

    def relate(self, ontology: Ontology) -> None:
        """Let kinds of a concept count as the concept, in filters and in criteria."""
        ...

    def publish(self, index_key: str | None = None) -> None:
        """Make the index of what was added; ``index_key`` names its kind where there are some."""
        ...

    def verify(self) -> list[str]:
        """What is wrong, one line each; ``[]`` is sound."""
        ...

    def unerased(self) -> dict[str, int]:
        """What deleted or replaced cases have left; empty where nothing."""
        ...

    def erase(self) -> dict[str, int]:
        """Erase that now; gives what is still left."""
        ...

    def accept(self) -> None:
        """Take what is there for what was acknowledged, where every case is sound."""
        ...

    def rebuild(
        self, definitions: DefinitionSource | None = None, *, neighbours: bool | None = None
    ) -> None:
        """Derive again what is derived; encodes nothing.

        Keeps the ``neighbours`` of cases from now on, where the engine can.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
