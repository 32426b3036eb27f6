"""The LlamaIndex retriever: texts, images, both ways of calling it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mmedrag.errors import FilterError, QueryError
from mmedrag.pipeline import MMedRAG
from mmedrag.types import Case

pytest.importorskip("llama_index.core", reason='pip install "mmedrag[llamaindex]"')

from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import MetadataMode, QueryBundle

from mmedrag.integrations.llamaindex import CaseRetriever

EFFUSION = "Is there a pleural effusion?"


def test_nodes_are_the_kept_cases(rag: MMedRAG, checked) -> None:
    nodes = CaseRetriever(rag).retrieve(EFFUSION)
    kept = [e for e in rag.retrieve(EFFUSION).kept if isinstance(e.item, Case)]
    assert [(n.node_id, n.text, n.score) for n in nodes] == [
        (e.name, e.text, float(e.relevance)) for e in kept
    ]
    for node in nodes:
        checked(node.metadata)
    assert asyncio.run(CaseRetriever(rag).aretrieve(EFFUSION)) == nodes


def test_an_image_is_asked_about(rag: MMedRAG, image: Path, nearest: str) -> None:
    retriever = CaseRetriever(rag, k=1)
    asked = QueryBundle("", image_path=str(image))
    assert retriever.retrieve(asked)[0].node_id == nearest
    assert asyncio.run(retriever.aretrieve(asked))[0].node_id == nearest
    present = QueryBundle("Is there a pleural effusion?", image_path=str(image))
    assert len(retriever.retrieve(present)) == 1


def test_models_see_the_licence_and_no_score(rag: MMedRAG) -> None:
    node = CaseRetriever(rag, k=1).retrieve(EFFUSION)[0]
    seen = node.node.get_content(MetadataMode.LLM)
    assert node.metadata["licence"] in seen
    assert "similarity" not in seen
    assert node.node.get_content(MetadataMode.EMBED) == node.text


def test_definitions_are_given_on_demand(rag: MMedRAG) -> None:
    nodes = CaseRetriever(rag, k=2, definitions=True).retrieve("drusen")
    assert {n.metadata["kind"] for n in nodes} == {"case", "definition"}


def test_errors_keep_their_remedy(rag: MMedRAG) -> None:
    with pytest.raises(QueryError, match="Give one from 1"):
        CaseRetriever(rag, k=0)
    with pytest.raises(FilterError):
        CaseRetriever(rag, where="nonsense =").retrieve("x")


def test_it_stands_in_a_query_engine(rag: MMedRAG) -> None:
    engine = RetrieverQueryEngine.from_args(CaseRetriever(rag, k=2), llm=MockLLM())
    response = engine.query(EFFUSION)
    assert len(response.source_nodes) == 2
    assert response.source_nodes[0].text[:40] in str(response)


def test_what_is_later_of_the_patient_is_not_read(followed: MMedRAG) -> None:
    found = CaseRetriever(followed, patient_id="P1", at="2020-02-01").retrieve("consolidation")
    assert {n.node_id for n in found} == {"january", "other"}
    assert {n.metadata["date"] for n in found} == {"2020-01-03", "2020-07-01"}
