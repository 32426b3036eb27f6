"""The LangChain retriever, by LangChain's own suite and in a chain."""

from __future__ import annotations

import asyncio
import inspect
import json
from pathlib import Path

import pytest

from mmedrag.errors import FilterError, QueryError
from mmedrag.pipeline import MMedRAG
from mmedrag.types import Case

pytest.importorskip("langchain_core", reason='pip install "mmedrag[langchain]"')
pytest.importorskip("langchain_tests", reason="pip install langchain-tests")

from langchain_core.runnables import RunnableLambda
from langchain_tests.integration_tests import RetrieversIntegrationTests as Suite

from mmedrag.integrations.langchain import CaseRetriever

EFFUSION = "Is there a pleural effusion?"


class TestStandardSuite(Suite):
    """Every test that LangChain has for retrievers."""

    @pytest.fixture(autouse=True)
    def system(self, rag: MMedRAG) -> None:
        type(self).rag = rag

    @property
    def retriever_constructor(self) -> type[CaseRetriever]:
        return CaseRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, object]:
        return {"rag": self.rag}

    @property
    def retriever_query_example(self) -> str:
        return EFFUSION


# The suite leaves it to asyncio_mode=auto to run its coroutines.
for _name, _test in inspect.getmembers(Suite, inspect.iscoroutinefunction):
    setattr(TestStandardSuite, _name, pytest.mark.asyncio(_test))


def test_documents_are_the_kept_cases(rag: MMedRAG, checked) -> None:
    documents = CaseRetriever(rag=rag, k=10).invoke(EFFUSION)
    kept = [e for e in rag.retrieve(EFFUSION).kept if isinstance(e.item, Case)]
    assert [(d.id, d.page_content) for d in documents] == [(e.name, e.text) for e in kept]
    for document in documents:
        checked(document.metadata)
        json.dumps(document.metadata)


def test_definitions_are_given_on_demand(rag: MMedRAG) -> None:
    documents = CaseRetriever(rag=rag, k=2, definitions=True).invoke("drusen")
    kinds = [d.metadata["kind"] for d in documents]
    assert kinds.count("case") == 2
    assert "definition" in kinds


def test_images_and_filters(rag: MMedRAG, image: Path, nearest: str) -> None:
    retriever = CaseRetriever(rag=rag, k=1)
    assert retriever.invoke("", image=image)[0].id == nearest
    assert len(retriever.invoke(EFFUSION, image=image)) == 1
    assert retriever.invoke("", image=image, where=f"id != '{nearest}'")[0].id != nearest
    radiology = CaseRetriever(rag=rag, k=3, where="domain = 'radiology'")
    assert radiology.invoke(EFFUSION)
    assert radiology.invoke(EFFUSION, where="domain = 'pathology'") == []


def test_errors_keep_their_remedy(rag: MMedRAG) -> None:
    with pytest.raises(QueryError, match="Give a text"):
        CaseRetriever(rag=rag).invoke("")
    with pytest.raises(FilterError):
        CaseRetriever(rag=rag, where="nonsense =").invoke("x")


def test_each_field_can_be_given_to_an_asynchronous_call(rag: MMedRAG, image: Path) -> None:
    retriever = CaseRetriever(rag=rag, k=10)
    for settings in ({"k": 3}, {"where": "domain = 'pathology'"}, {"image": image, "k": 1}):
        waited = asyncio.run(retriever.ainvoke(EFFUSION, **settings))
        assert waited == retriever.invoke(EFFUSION, **settings)


def test_a_field_that_there_is_not_is_refused(rag: MMedRAG) -> None:
    with pytest.raises(ValueError, match="filter"):
        CaseRetriever(rag=rag, filter="domain = 'pathology'")


def test_it_stands_in_a_chain(rag: MMedRAG) -> None:
    chain = CaseRetriever(rag=rag, k=2) | RunnableLambda(lambda found: [d.id for d in found])
    assert chain.invoke(EFFUSION) == asyncio.run(chain.ainvoke(EFFUSION))
    assert len(chain.batch([EFFUSION, "drusen"])) == 2


def test_what_is_later_of_the_patient_is_not_read(followed: MMedRAG) -> None:
    retriever = CaseRetriever(rag=followed, patient_id="P1", at="2020-02-01")
    assert {d.id for d in retriever.invoke("consolidation")} == {"january", "other"}
    assert "june" in {d.id for d in retriever.invoke("consolidation", at="2020-06-30")}
    with pytest.raises(FilterError):
        retriever.invoke("consolidation", at="soon")
