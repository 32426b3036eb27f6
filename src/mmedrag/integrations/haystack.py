"""A Haystack component over a casebase.

A pipeline that holds it is loaded with ``Pipeline.loads(text, allowed_modules=["mmedrag.*"])``:
Haystack loads only its own modules unless others are allowed. It reports to its maker by default;
this module, imported first, ends that unless ``HAYSTACK_TELEMETRY_ENABLED`` is set.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mmedrag.assembly import configure, load
from mmedrag.errors import MissingExtra
from mmedrag.integrations.metadata import evidence_metadata, retrieved
from mmedrag.pipeline import MMedRAG
from mmedrag.types import Query

os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")
try:
    from haystack import Document, component, default_from_dict, default_to_dict
except ImportError as error:
    raise MissingExtra(
        f"The Haystack component needs haystack-ai ({error})",
        'Run: pip install "mmedrag[haystack]"',
    ) from None


@component
class CaseRetriever:
    """Similar cases, and on demand definitions, as documents whose score is the relevance.

    It serialises as the path of its casebase and its settings.
    """

    def __init__(
        self, casebase: str, top_k: int = 10, where: str | None = None, definitions: bool = False
    ) -> None:
        """Make a component; nothing is opened before :meth:`warm_up` or the first run.

        Args:
            casebase: its path.
            top_k: cases at most.
            where: a filter of cases.
            definitions: whether definitions follow the cases.
        """
        self.casebase = str(casebase)
        self.top_k = top_k
        self.where = where
        self.definitions = definitions
        self._rag: MMedRAG | None = None

    def warm_up(self) -> None:
        """Open the casebase and load its models, once (errors: see :func:`mmedrag.load`)."""
        self._opened()

    def close(self) -> None:
        """Close the casebase; the next run opens it again."""
        if self._rag is not None:
            self._rag.close()
            self._rag = None

    def to_dict(self) -> dict[str, Any]:
        """The component as Haystack stores it."""
        return default_to_dict(
            self, casebase=self.casebase, top_k=self.top_k, where=self.where,
            definitions=self.definitions,
        )  # fmt: skip

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> CaseRetriever:
        """The component that :meth:`to_dict` described."""
        made: CaseRetriever = default_from_dict(cls, data)
        return made

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str = "",
        image: str | None = None,
        top_k: int | None = None,
        where: str | None = None,
        patient_id: str = "",
        at: str | float | None = None,
    ) -> dict[str, list[Document]]:
        """Retrieve.

        Args:
            query: a text.
            image: the path of a picture.
            top_k: cases at most, in place of the component's.
            where: narrows the component's filter.
            patient_id: whom it is about.
            at: when, a date or a day of ``offset_days``; what is later is not read of that patient.

        Raises:
            MMedRAGError: see :meth:`mmedrag.MMedRAG.retrieve`.
        """
        most = self.top_k if top_k is None else top_k
        system = configure(self._opened(), k=most, where=self.where)
        context = system.retrieve(
            Query(query, Path(image) if image else None, None, where, patient_id, at)
        )
        documents = [
            Document(
                id=e.name, content=e.text, score=float(e.relevance),
                meta=evidence_metadata(e, context),
            )
            for e in retrieved(context, most, definitions=self.definitions)
        ]  # fmt: skip
        return {"documents": documents}

    def _opened(self) -> MMedRAG:
        if self._rag is None:
            self._rag = load(self.casebase)
        return self._rag
