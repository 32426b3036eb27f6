"""An index job: a corpus into a served casebase, by the models that serve it."""

from __future__ import annotations

from pathlib import Path

from mmedrag.corpora import corpus_of
from mmedrag.indexing import IndexReport, index
from mmedrag.progress import Progress
from mmedrag.readings import READINGS, Readings
from mmedrag.serving.readers import Readers


def index_below(readers: Readers, corpus: Path, progress: Progress) -> IndexReport:
    """Index a corpus; searches go on meanwhile and see each batch when it is written.

    Raises:
        CorpusError: the corpus cannot be read.
        CasebaseError: the casebase cannot be written, or another writer is at work.
    """
    with (
        readers.writer() as (casebase, rag),
        Readings(casebase.folder / READINGS) as readings,
    ):
        return index(
            corpus_of(casebase, corpus),
            casebase,
            rag.embedder,
            rag.classifier,
            definitions=rag.definitions,
            progress=progress,
            readings=readings,
        )
