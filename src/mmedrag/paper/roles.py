"""Which record files the studies of one report read: a TOML file that gives files their roles.

    [roles]                                  # paths and patterns, relative to this file
    rerank = ["chest/records.jsonl"]
    modality = ["*/records.jsonl"]

    [[retrieval]]                            # as many as there are sets to measure retrieval on
    name = "chest"                           # the study is called retrieval-chest
    records = ["chest/records.jsonl"]
    split = "val"                            # of the queries; all records where it is left out
    group_by = "patient_id"                  # or study_id, text, labels
    seen = false                             # whether the encoders have learned from these records

A study whose role is not given, or whose files are not there, is reported as not measured.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmedrag.errors import CorpusError
from mmedrag.phantoms.corpus import generate

ROLES: Mapping[str, str] = {
    "rerank": "labelled records with held-out patients (4.4)",
    "encoders": "pairs of an image and a text (4.1, 4.3)",
    "text-encoders": "records with a diagnosis beside the report (4.2); may be left out",
    "fusion": "pairs to train and to measure the strategies on (4.5)",
    "radiographs": "X-rays that findings are put into (5)",
    "gallery": "records whose validation images are searched (5)",
    "modality": "every set that routing is measured on (3.2)",
    "reward": "records that preferences are mined from, and whose order is measured (3.5, 3.6)",
    "unseen": "sets that nothing was learned from (3.5, 3.6); may be left out",
    "answers": "records with a validation part, beside drawn ones (3.6); may be left out",
    "knowledge": "records with a diagnosis, by history and findings (7)",
    "courses": "patients with several studies and an outcome (7); may be left out",
}

PHANTOMS = 240
"""Synthetic records, where no file gives roles."""


@dataclass(frozen=True, slots=True)
class RetrievalSet:
    """Records to measure retrieval on, and how (:mod:`mmedrag.evaluation.retrieval`)."""

    name: str
    records: tuple[Path, ...]
    split: str = ""
    group_by: str = "patient_id"
    seen: bool = False


@dataclass(frozen=True, slots=True)
class Roles:
    """Record files by role, and the sets of retrieval.

    ``pictures`` are folders of pictures that are not medical, to measure routing on.
    """

    files: Mapping[str, tuple[Path, ...]]
    retrieval: tuple[RetrievalSet, ...] = ()
    pictures: tuple[Path, ...] = field(default=())

    def __getitem__(self, role: str) -> list[Path]:
        """The files of a role.

        Raises:
            CorpusError: where it has none, or one of them is not there.
        """
        if not self.files.get(role):
            raise CorpusError(f"No records have the role {role}", f"Give {ROLES[role]}.")
        return existing(self.files[role])

    def optional(self, role: str) -> list[Path]:
        """The same; none where the role is not given."""
        return self[role] if self.files.get(role) else []


def existing(files: Sequence[Path]) -> list[Path]:
    """Check that all files exist, and return them.

    Raises:
        CorpusError: where one of them is not there.
    """
    for file in files:
        if not file.exists():
            raise CorpusError(f"{file} does not exist", f"Put the records of {file.parent} there.")
    return list(files)


def read_roles(file: Path, pictures: Sequence[Path] = ()) -> Roles:
    """The roles that a TOML file gives.

    Raises:
        CorpusError: where it cannot be read, is not TOML, or gives a role that no study has.
    """
    try:
        content = tomllib.loads(file.read_text("utf-8"))
        given = content.pop("roles", {})
        roles = {role: _files(file.parent, names) for role, names in given.items()}
        sets = tuple(_retrieval_set(file.parent, entry) for entry in content.pop("retrieval", ()))
    except OSError as error:
        raise CorpusError(
            f"{file} cannot be read ({error.strerror})", "Name a TOML file."
        ) from None
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise CorpusError(f"{file} gives no roles ({error})", "See docs/evaluation.md.") from None
    if strange := sorted({*content, *(roles.keys() - ROLES.keys())}):
        raise CorpusError(
            f"{file} speaks of {strange[0]}, which is no role", f"Roles: {', '.join(ROLES)}."
        )
    return Roles(roles, sets, tuple(pictures))


def synthetic_roles(into: Path, pictures: Sequence[Path] = ()) -> Roles:
    """Synthetic records of a folder in every role that they can play.

    :func:`draw_phantoms` draws them.
    """
    file = into / "records.jsonl"
    # phantoms have no diagnosis, answers and courses draw their own, and two files of one name are
    # no two sets
    stated = ("text-encoders", "answers", "unseen", "courses", "knowledge")
    files = {role: (file,) for role in ROLES if role not in stated}
    return Roles(files, (RetrievalSet("phantoms", (file,)),), tuple(pictures))


def draw_phantoms(into: Path) -> None:
    """Draw the records of :func:`synthetic_roles` into the folder."""
    generate(PHANTOMS, 7, into=into)


def _files(folder: Path, names: Any) -> tuple[Path, ...]:  # noqa: ANN401  it comes from a file
    """Paths as they are written; patterns as what is there, in order."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError("a role is a list of paths")
    paths: list[Path] = []
    for name in names:
        paths += sorted(folder.glob(name)) if "*" in name else [folder / name]
    return tuple(paths)


def _retrieval_set(folder: Path, entry: Mapping[str, Any]) -> RetrievalSet:
    rest = {key: value for key, value in entry.items() if key != "records"}
    return RetrievalSet(records=_files(folder, entry["records"]), **rest)
