"""What is encoded, by what, and where to: kept in the folder of the shards."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mmedrag import domains
from mmedrag.domains import Domain
from mmedrag.durability import write_durably
from mmedrag.errors import CorpusError, QueryError
from mmedrag.pseudonym_key import NAME as KEY
from mmedrag.pseudonym_key import read_key

FILE = "encoding.json"
LOCK = "encoding.lock"
_SCHEMA = "mmedrag-shards/1"
ROWS = 1_024
"""Rows of a corpus that make a shard: some 10 MB; a multiple of the encoders' batch."""


@dataclass(frozen=True, slots=True)
class Source:
    """A corpus and how it is read (:func:`mmedrag.datasets.read_corpus`)."""

    path: Path
    kind: str = "auto"
    domain: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """An encoding: what workers need to know of it.

    Attributes:
        into: the folder of the shards.
        sources: the corpora, in order.
        preset: whose encoders are used; ``models`` replace its own, by role.
        dictionaries: compiled ones that recognise terms, behind the glossary.
        domains: registered beside the built-in ones, with their prompts.
        key: file of the key of DICOM pseudonyms.
        rows: of a corpus that make a shard.
        fingerprint: the encoder's, once it is known.
        shards: how many there are, once all are made; ``cases`` in them.
    """

    into: Path
    sources: tuple[Source, ...]
    preset: str = "offline"
    models: Mapping[str, str] = field(default_factory=dict)
    dictionaries: tuple[str, ...] = ()
    domains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    key: Path | None = None
    rows: int = ROWS
    fingerprint: str = ""
    shards: int | None = None
    cases: int = 0

    def salt(self) -> bytes:
        """The key of the pseudonyms.

        Raises:
            CasebaseError: it cannot be read, or others may read it.
        """
        return read_key(self.key or self.into / KEY)

    def register_domains(self) -> None:
        """Make the domains known in this process."""
        for name, prompts in self.domains.items():
            domains.register(name, prompts)

    def domain_of(self, source: Source) -> Domain | None:
        """The domain of cases of a source that name none."""
        return None if source.domain is None else domains.find(source.domain)

    def save(self) -> None:
        """Keep the plan with the shards.

        Raises:
            OSError: the disk fails.
        """
        fields = {"schema": _SCHEMA, **asdict(self)}
        del fields["into"]
        text = json.dumps(fields, ensure_ascii=False, indent=2, default=str)
        write_durably(self.into / FILE, text + "\n")


def is_encoded(path: Path) -> bool:
    """Whether a folder holds shards."""
    return (path / FILE).is_file()


def read_plan(folder: Path) -> Plan:
    """The plan that is kept with the shards of a folder.

    Raises:
        CorpusError: there is none that can be read.
    """
    try:
        fields: dict[str, Any] = json.loads((folder / FILE).read_text("utf-8"))
        if fields.pop("schema") != _SCHEMA:
            raise ValueError(f"not {_SCHEMA}")
        sources = tuple(Source(**{**s, "path": Path(s["path"])}) for s in fields.pop("sources"))
        key = fields.pop("key")
        return Plan(
            into=folder,
            sources=sources,
            key=None if key is None else Path(key),
            dictionaries=tuple(fields.pop("dictionaries")),
            domains={name: tuple(p) for name, p in fields.pop("domains").items()},
            **fields,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorpusError(
            f"{folder / FILE} cannot be read ({error})",
            "Delete the folder and run 'mmedrag encode' again, or encode into another.",
        ) from None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Within it nobody else encodes into the folder: two runs would mix their shards.

    Raises:
        CorpusError: another run is at work there, or the folder cannot be written.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise CorpusError(
            f"Another process is encoding into {folder}",
            "Wait until it ends, or encode into another folder.",
        ) from None
    except OSError as error:
        raise CorpusError(
            f"{folder} cannot be written ({error.strerror})", "Free the disk, or choose another."
        ) from None
    try:
        yield
    finally:
        lock.release()


def begun(plan: Plan, fingerprint: str) -> Plan:
    """Begin an encoding, or go on with the one that the folder holds.

    Raises:
        QueryError: what the folder holds was encoded in another way.
        CorpusError: the folder cannot be written, or holds something else.
    """
    plan = replace(plan, fingerprint=fingerprint)
    try:
        plan.into.mkdir(parents=True, exist_ok=True)
        if is_encoded(plan.into):
            _require_same(read_plan(plan.into), plan)
        elif any(file.name != LOCK for file in plan.into.iterdir()):
            raise CorpusError(f"{plan.into} is not empty", "Choose another folder.")
        if not (key := plan.key or plan.into / KEY).exists():
            write_durably(key, f"{secrets.token_hex(16)}\n", mode=0o600)
        plan.save()
    except OSError as error:
        raise CorpusError(
            f"{plan.into} cannot be written ({error.strerror})", "Free the disk, or choose another."
        ) from None
    plan.salt()
    return plan


def _require_same(before: Plan, now: Plan) -> None:
    names = ("preset", "models", "fingerprint", "rows", "key")
    changed = [n for n in names if getattr(before, n) != getattr(now, n)]
    if changed:
        raise QueryError(
            f"{now.into} was encoded with another {changed[0]}",
            "Give the same options, or encode into another folder.",
        )
