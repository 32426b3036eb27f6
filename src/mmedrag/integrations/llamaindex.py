"""A LlamaIndex retriever over a casebase.

::

    CaseRetriever(rag, k=5).retrieve(QueryBundle("Is there an effusion?", image_path="x.png"))
"""

from __future__ import annotations

import asyncio

from mmedrag.assembly import configure
from mmedrag.errors import MissingExtra
from mmedrag.integrations.metadata import evidence_metadata, retrieved
from mmedrag.pipeline import MMedRAG
from mmedrag.types import Context, Evidence, Query

try:
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
except ImportError as error:
    raise MissingExtra(
        f"The LlamaIndex retriever needs llama-index-core ({error})",
        'Run: pip install "mmedrag[llamaindex]"',
    ) from None


class CaseRetriever(BaseRetriever):
    """Similar cases, and on demand definitions, as nodes whose score is the relevance."""

    def __init__(
        self,
        rag: MMedRAG,
        k: int = 10,
        where: str | None = None,
        *,
        patient_id: str = "",
        at: str | float | None = None,
        definitions: bool = False,
    ) -> None:
        """Make a retriever.

        Args:
            rag: retrieves; it stays the caller's to close.
            k: cases at most.
            where: a filter of cases.
            patient_id: whom the questions are about.
            at: when, a date or a day of ``offset_days``; what is later is not read of that patient.
            definitions: whether definitions are given besides.

        Raises:
            QueryError: for a bad ``k``.
            FilterError: ``where`` does not parse.
        """
        super().__init__()
        self._system = configure(rag, k=k, where=where)
        self._k = k
        self._patient_id = patient_id
        self._at = at
        self._definitions = definitions

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        text, image = query_bundle.query_str, query_bundle.image_path
        query = Query(text, image, patient_id=self._patient_id, at=self._at)
        context = self._system.retrieve(query)
        evidence = retrieved(context, self._k, definitions=self._definitions)
        return [_node(e, context) for e in evidence]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


def _node(evidence: Evidence, context: Context) -> NodeWithScore:
    """A node; models are shown its text, source and licence, and no scores."""
    metadata = evidence_metadata(evidence, context)
    hidden = [name for name in metadata if name not in ("key", "diagnosis", "source", "licence")]
    node = TextNode(
        id_=evidence.name,
        text=evidence.text,
        metadata=metadata,
        excluded_llm_metadata_keys=hidden,
        excluded_embed_metadata_keys=list(metadata),
    )
    return NodeWithScore(node=node, score=float(evidence.relevance))
