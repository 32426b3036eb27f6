"""What a database of cases remembers of how it was made: preset, models, dictionaries, domains."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mmedrag import domains
from mmedrag.answers import agreement
from mmedrag.answers.agreement import Agreement
from mmedrag.definitions import Dictionary, glossary, open_dictionary
from mmedrag.errors import EncoderMismatch, QueryError
from mmedrag.protocols import Embedder
from mmedrag.stores import CaseDatabase


def definitions_of(database: CaseDatabase, dictionaries: Sequence[str | Path] = ()) -> Dictionary:
    """The glossary and the compiled dictionaries: those given, else those it was made with.

    Raises:
        CorpusError: where one cannot be opened.
    """
    made_with: list[str] = json.loads(database.settings.get("dictionaries", "[]"))
    return dictionary(dictionaries or made_with)


def models_of(database: CaseDatabase) -> dict[str, str]:
    """The models that were given when the casebase was made."""
    return {
        key.removeprefix("model."): value
        for key, value in database.settings.items()
        if key.startswith("model.")
    }


def agreement_of(database: CaseDatabase) -> Agreement:
    """What agreement of its cases is worth: as kept with it, else as measured for its encoders.

    Raises:
        CheckpointError: what is kept cannot be read.
    """
    kept = database.settings.get(AGREEMENT)
    return agreement.of_json(json.loads(kept)) if kept else agreement.measured(database.fingerprint)


def keep_agreement(database: CaseDatabase, known: Agreement) -> None:
    """Let answers about images over this database go by what was measured over it."""
    database.set(AGREEMENT, json.dumps(agreement.to_json(known)))


AGREEMENT = "agreement"
"""Setting that holds it."""


def dictionary(paths: Sequence[str | Path] = ()) -> Dictionary:
    """The glossary, and behind it the compiled dictionaries in the order given.

    Raises:
        CorpusError: where one cannot be opened.
    """
    return open_dictionary(*(Path(path) for path in paths)) if paths else glossary()


def register_domains(database: CaseDatabase) -> None:
    """Make known what the casebase remembers of domains that nobody has registered yet."""
    remembered = {str(d): () for d in database.domains()} | remembered_domains(database)
    for name, prompts in remembered.items():
        if domains.get(name) is None:
            domains.register(name, prompts)


def remembered_domains(database: CaseDatabase) -> dict[str, tuple[str, ...]]:
    """The domains beside the built-in ones that were known when it was last filled."""
    stored = json.loads(database.settings.get("domains", "{}"))
    return {name: tuple(prompts) for name, prompts in stored.items()}


def check_encoder(database: CaseDatabase, embedder: Embedder) -> None:
    """Refuse encoders that did not make the vectors of a database.

    Raises:
        EncoderMismatch: they are others.
    """
    if database.fingerprint != embedder.fingerprint:
        raise EncoderMismatch(
            f"The encoders of preset {database.preset} are not those that made {database.name}: "
            f"{embedder.fingerprint}, not {database.fingerprint}",
            "Index the corpus again into a new casebase, or go back to the earlier models.",
        )


def require_same(database: CaseDatabase, preset: str | None, more: bool) -> None:
    """Refuse to go on filling a database with other settings than it was made with.

    Args:
        database: is there already.
        preset: that was asked for, if any.
        more: whether models, dictionaries or a key were given too.

    Raises:
        QueryError: something is asked for that it was not made with.
    """
    if more or preset not in (None, database.preset):
        raise QueryError(
            f"{database.name} was made with the preset {database.preset}",
            "Leave out --preset, --model, --dictionary and --pseudonym-key to go on with it, or "
            f"make another casebase ('mmedrag rebuild {database.name} --dictionary FILE' changes "
            "its dictionaries, 'mmedrag rekey' its key).",
        )


def lasting(name: str) -> str:
    """A folder as an absolute path, so that the casebase can be opened from anywhere."""
    return str(Path(name).resolve()) if Path(name).is_dir() else name
