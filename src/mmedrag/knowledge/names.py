"""How diagnoses and labels were read: kept beside a database, so that no question waits for it.

``names.jsonl`` holds a line for each text: a digest of its words, and the mentions in them, by
places, codes and the dictionary's terms. What no dictionary has is not in it. Its first line has
the SHA-256 of the rest and the fingerprint of who read them; a file that is damaged, or of other
dictionaries, is not believed. It is written when cases are indexed, and erased when a case is
deleted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmedrag.answers.statements import texts_of_names
from mmedrag.casebase.folder import NAMES
from mmedrag.casebase.mentions import mentions_of, stored_mention
from mmedrag.durability import write_durably
from mmedrag.protocols import DefinitionSource
from mmedrag.stores import CaseDatabase
from mmedrag.types import Case, Definition, Mention

FORMAT = 1
FEW = 100
"""Texts that are read in the time in which the file is."""


class ReadNames:
    """A :class:`~mmedrag.protocols.DefinitionSource` that has read the names of a file.

    The first texts are looked for in the file, and many at once; a few later ones are read anew.

    Args:
        source: reads what the file has not.
        file: need not exist.
    """

    def __init__(self, source: DefinitionSource, file: Path) -> None:
        self._source = source
        self._file = file
        self._is_first = True

    @property
    def fingerprint(self) -> str:
        """That of the source."""
        return self._source.fingerprint

    def recognise(self, texts: Sequence[str]) -> list[tuple[Mention, ...]]:
        """The mentions of each text."""
        many = self._is_first or len(texts) > FEW
        kept = load(self._file, self.fingerprint) if many else {}
        self._is_first = False
        digests = [digest_of(text) for text in texts]
        unread = [t for t, digest in zip(texts, digests, strict=True) if digest not in kept]
        read = iter(self._source.recognise(unread))
        return [
            mentions_of(text, kept[digest]) if digest in kept else next(read)
            for text, digest in zip(texts, digests, strict=True)
        ]

    def define(self, mentions: Sequence[Sequence[Mention]], limit: int) -> list[Definition]:
        """As the source does."""
        return self._source.define(mentions, limit)


def keep_names(database: CaseDatabase, source: DefinitionSource) -> None:
    """Keep how the diagnoses and labels of a database are read; on a disk that fails, nothing."""
    file = database.folder / NAMES
    cases = (
        Case(id="", diagnosis=value) if field == "diagnosis" else Case(id="", labels=(value,))
        for field, value, _ in database.occurrences.names()
    )
    texts = list(dict.fromkeys(texts_of_names(cases).values()))
    read = ReadNames(source, file).recognise(texts)
    with suppress(OSError):
        save(file, source.fingerprint, dict(zip(texts, read, strict=True)))


def save(file: Path, fingerprint: str, read: dict[str, tuple[Mention, ...]]) -> None:
    """Write what was read of each text, whole or not at all."""
    lines = "".join(
        json.dumps([digest_of(text), [stored_mention(m) for m in mentions]], ensure_ascii=False)
        + "\n"
        for text, mentions in read.items()
    )
    digest = hashlib.sha256(lines.encode()).hexdigest()
    head = json.dumps({"format": FORMAT, "read_by": fingerprint, "sha256": digest})
    write_durably(file, f"{head}\n{lines}")


def load(file: Path, fingerprint: str) -> dict[str, list[Any]]:
    """What the file has by digest of the text; nothing where it is not to be believed."""
    try:
        head, _, lines = file.read_text("utf-8").partition("\n")
        about = json.loads(head)
        told = about["format"], about["read_by"], about["sha256"]
        if told != (FORMAT, fingerprint, hashlib.sha256(lines.encode()).hexdigest()):
            return {}
        return dict(json.loads(line) for line in lines.split("\n")[:-1])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}


def digest_of(text: str) -> str:
    """Names a text."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:24]
