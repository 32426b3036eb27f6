"""Databases made and filled: each remembers what it was made with, so that filling can go on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mmedrag import domains
from mmedrag.corpora import corpus_of
from mmedrag.encoders.definition_vectors import embed_definitions
from mmedrag.errors import EncoderMismatch, ModelError, QueryError
from mmedrag.indexing import IndexReport, index
from mmedrag.knowledge.names import keep_names
from mmedrag.locations import Location
from mmedrag.presets import Stages, build
from mmedrag.provenance import (
    check_encoder,
    definitions_of,
    lasting,
    models_of,
    register_domains,
    remembered_domains,
    require_same,
)
from mmedrag.pseudonym_key import new_key
from mmedrag.readings import READINGS, Readings
from mmedrag.stores import (
    CaseDatabase,
    create_store,
    open_store,
    remove_store,
    store_exists,
)


def create(
    path: Location,
    preset: str = "offline",
    models: Mapping[str, str] | None = None,
    dictionaries: Sequence[str | Path] = (),
    pseudonym_key: str | Path | None = None,
) -> tuple[CaseDatabase, Stages]:
    """Make an empty casebase for a preset, and the stages to fill it with.

    It remembers the models, the compiled dictionaries that stand behind the glossary, and where the
    key of DICOM pseudonyms is (by default in its folder).

    Raises:
        CasebaseError: where something is there already.
        ModelError: where a model cannot be loaded.
    """
    models = {role: lasting(name) for role, name in (models or {}).items()}
    stages = build(preset, models)
    casebase = create_store(
        path,
        dim=stages.embedder.dim,
        fingerprint=stages.embedder.fingerprint,
        preset=preset,
        settings={f"model.{role}": name for role, name in models.items()}
        | {"dictionaries": json.dumps([str(Path(d).resolve()) for d in dictionaries])}
        | {"domains": json.dumps(domains.added())},
    )
    new_key(casebase, None if pseudonym_key is None else Path(pseudonym_key))
    return casebase, stages


def index_corpus(
    corpus: str | Path,
    into: Location,
    preset: str | None = None,
    models: Mapping[str, str] | None = None,
) -> IndexReport:
    """Index a corpus of any known format into a new casebase; ``mmedrag.index`` is this function.

    Args:
        corpus: a file or folder that :func:`mmedrag.datasets.read_corpus` recognises.
        into: the casebase, a folder or the URL of a database; where it exists, the corpus is
            added to it (by its own preset).
        preset: of a new casebase (``offline`` by default).
        models: that replace the preset's own, by role.

    Raises:
        QueryError: the casebase exists and was made with another preset or models.
        CorpusError: where the corpus cannot be read.
        CasebaseError: where the casebase cannot be written.
        ModelError: where a model cannot be loaded.
    """
    with (
        filling(into, preset=preset, models=models) as (casebase, stages),
        Readings(casebase.folder / READINGS) as readings,
    ):
        return index(
            corpus_of(casebase, Path(corpus)),
            casebase,
            stages.embedder,
            stages.classifier,
            definitions=definitions_of(casebase),
            readings=readings,
        )


@contextmanager
def filling(
    into: Location,
    *,
    preset: str | None = None,
    models: Mapping[str, str] | None = None,
    dictionaries: Sequence[str | Path] = (),
    pseudonym_key: str | Path | None = None,
) -> Iterator[tuple[CaseDatabase, Stages]]:
    """A casebase to be filled, opened where there is one and made where there is none.

    One that was made here and is still empty at the end is removed, whatever happened.

    Args:
        into: its folder, or the URL of a database.
        preset: of a new casebase; of an existing one, what it must be.
        models: of a new casebase, by role; see :func:`create`.
        dictionaries: of a new casebase.
        pseudonym_key: of a new casebase.

    Raises:
        QueryError: an existing casebase was made with other settings than are given.
        CasebaseError: it cannot be opened or made.
        ModelError: where a model cannot be loaded.
    """
    made = not store_exists(into)
    if made:
        casebase, stages = create(into, preset or "offline", models, dictionaries, pseudonym_key)
    else:
        casebase, stages = open_for_writing(into)
    empty = False
    try:
        with casebase:
            if not made:
                require_same(casebase, preset, bool(models or dictionaries or pseudonym_key))
            try:
                yield casebase, stages
            finally:
                empty = made and casebase.count() == 0
    finally:
        if empty:
            remove_store(into)


def rebuild(path: Location, dictionaries: Sequence[str | Path] = ()) -> CaseDatabase:
    """Derive again whatever a casebase derives: index, words, mentions, vectors of definitions.

    No case is encoded. Definitions are embedded where the preset's models can be loaded and are
    those that made the casebase.

    Args:
        path: of the casebase.
        dictionaries: compiled ones, to be remembered in place of those that it was made with.

    Returns:
        The open casebase.

    Raises:
        CasebaseError: where it cannot be opened or written.
        CorpusError: where a dictionary cannot be opened.
    """
    casebase = open_store(path)
    try:
        casebase.accept()
        if dictionaries:
            kept = json.dumps([str(Path(d).resolve()) for d in dictionaries])
            casebase.set("dictionaries", kept)
        definitions = definitions_of(casebase)
        casebase.rebuild(definitions)
        keep_names(casebase, definitions)
        with suppress(ModelError, EncoderMismatch, QueryError):  # the preset is another's
            stages = build(casebase.preset, models_of(casebase))
            check_encoder(casebase, stages.embedder)
            embed_definitions(casebase, stages.embedder, definitions)
    except BaseException:
        casebase.close()
        raise
    return casebase


def open_for_writing(path: Location) -> tuple[CaseDatabase, Stages]:
    """Open a casebase with the stages that fill it.

    Raises:
        CasebaseNotFound: none there.
        EncoderMismatch: where the encoders have changed since it was made.
        ModelError: where a model cannot be loaded.
    """
    casebase, stages = opened(path, readonly=False)
    if domains.added() != remembered_domains(casebase):
        casebase.set("domains", json.dumps(domains.added()))
    return casebase, stages


def opened(path: Location, *, readonly: bool) -> tuple[CaseDatabase, Stages]:
    """Open a database with the stages of its preset; see :func:`open_for_writing`."""
    casebase = open_store(path, readonly=readonly)
    try:
        register_domains(casebase)
        stages = build(casebase.preset, models_of(casebase))
        check_encoder(casebase, stages.embedder)
    except BaseException:
        casebase.close()
        raise
    return casebase, stages
