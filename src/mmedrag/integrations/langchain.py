"""A LangChain retriever over a casebase.

::

    CaseRetriever(rag=mmedrag.load("my.casebase"), k=5).invoke("Is there an effusion?")
"""

from __future__ import annotations

from functools import partial
from typing import Any

from mmedrag.assembly import configure
from mmedrag.errors import MissingExtra
from mmedrag.integrations.metadata import evidence_metadata, retrieved
from mmedrag.pipeline import MMedRAG
from mmedrag.types import ImageSource, Query

try:
    from langchain_core.callbacks import (
        AsyncCallbackManagerForRetrieverRun,
        CallbackManagerForRetrieverRun,
    )
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.runnables import run_in_executor
    from pydantic import ConfigDict
except ImportError as error:
    raise MissingExtra(
        f"The LangChain retriever needs langchain-core ({error})",
        'Run: pip install "mmedrag[langchain]"',
    ) from None


class CaseRetriever(BaseRetriever):
    """Similar cases, and on demand definitions, as documents.

    Each field can also be given to one call, as ``invoke(text, image="x.png", k=3)``.

    Attributes:
        rag: the system that retrieves; it stays the caller's to close.
        k: cases at most.
        where: a filter of cases.
        image: of the question.
        patient_id: whom the question is about.
        at: when, a date or a day of ``offset_days``; what is later is not read of that patient.
        definitions: whether definitions follow the cases.
    """

    model_config = ConfigDict(extra="forbid")  # a filter misspelt would widen searches in silence

    rag: MMedRAG
    k: int = 10
    where: str | None = None
    image: Any = None
    patient_id: str = ""
    at: str | float | None = None
    definitions: bool = False

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        **settings: Any,  # noqa: ANN401 - those of the method below
    ) -> list[Document]:
        """As :meth:`_get_relevant_documents`, with the same settings, in a thread."""
        ask = partial(self._get_relevant_documents, query, **settings)
        return await run_in_executor(None, ask, run_manager=run_manager.get_sync())

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        where: str | None = None,
        image: ImageSource | None = None,
        patient_id: str | None = None,
        at: str | float | None = None,
    ) -> list[Document]:
        """The kept evidence, best first (:class:`~mmedrag.errors.MMedRAGError` where none can be).

        ``where`` narrows the retriever's own filter.
        """
        most = self.k if k is None else k
        system = configure(self.rag, k=most, where=self.where)
        picture = self.image if image is None else image
        patient = self.patient_id if patient_id is None else patient_id
        time = self.at if at is None else at
        context = system.retrieve(Query(query, picture, where=where, patient_id=patient, at=time))
        return [
            Document(e.text, id=e.name, metadata=evidence_metadata(e, context))
            for e in retrieved(context, most, definitions=self.definitions)
        ]
