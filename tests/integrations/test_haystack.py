"""The Haystack component: in a pipeline, stored and loaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from mmedrag.errors import CasebaseNotFound, QueryError
from mmedrag.pipeline import MMedRAG
from mmedrag.types import Case

if find_spec("haystack") is None:
    pytest.skip('pip install "mmedrag[haystack]"', allow_module_level=True)

# Before Haystack itself: it switches Haystack's telemetry off.
from mmedrag.integrations.haystack import CaseRetriever  # isort: skip

from haystack import Pipeline
from haystack.components.builders import PromptBuilder
from haystack.core.errors import DeserializationError

EFFUSION = "Is there a pleural effusion?"


@pytest.fixture
def retriever(rag: MMedRAG) -> Iterator[CaseRetriever]:
    component = CaseRetriever(str(rag.cases.path), top_k=3)
    yield component
    component.close()


def test_nothing_is_reported_to_the_maker() -> None:
    from haystack import telemetry

    assert os.environ["HAYSTACK_TELEMETRY_ENABLED"] == "False"
    assert telemetry._telemetry.telemetry is None


def test_documents_are_the_kept_cases(retriever: CaseRetriever, rag: MMedRAG, checked) -> None:
    retriever.warm_up()
    documents = retriever.run(query=EFFUSION, top_k=10)["documents"]
    kept = [e for e in rag.retrieve(EFFUSION).kept if isinstance(e.item, Case)]
    assert [(d.id, d.content, d.score) for d in documents] == [
        (e.name, e.text, pytest.approx(float(e.relevance))) for e in kept
    ]
    for document in documents:
        checked(document.meta)


def test_a_stored_pipeline_gives_the_same(retriever: CaseRetriever) -> None:
    pipeline = Pipeline()
    pipeline.add_component("cases", retriever)
    template = "{% for d in documents %}[{{ d.meta.key }}] {{ d.content }}\n{% endfor %}"
    pipeline.add_component("prompt", PromptBuilder(template, required_variables="*"))
    pipeline.connect("cases.documents", "prompt.documents")
    stored = pipeline.dumps()
    with pytest.raises(DeserializationError):
        Pipeline.loads(stored)
    loaded = Pipeline.loads(stored, allowed_modules=["mmedrag.*"])
    prompts = [p.run({"cases": {"query": EFFUSION}})["prompt"] for p in (pipeline, loaded)]
    assert prompts[0] == prompts[1]
    assert prompts[0]["prompt"].startswith("[C")
    loaded.get_component("cases").close()


def test_settings_survive_storing(rag: MMedRAG) -> None:
    made = CaseRetriever(str(rag.cases.path), 4, "domain = 'radiology'", definitions=True)
    again = CaseRetriever.from_dict(made.to_dict())
    assert again.to_dict() == made.to_dict()
    documents = again.run(query=EFFUSION)["documents"]
    assert {d.meta["domain"] for d in documents if d.meta["kind"] == "case"} == {"radiology"}
    assert "definition" in {d.meta["kind"] for d in documents}
    again.close()


def test_an_image_is_asked_about(retriever: CaseRetriever, image: Path, nearest: str) -> None:
    assert retriever.run(image=str(image), top_k=1)["documents"][0].id == nearest
    assert len(retriever.run(query=EFFUSION, image=str(image), top_k=1)["documents"]) == 1


def test_errors_keep_their_remedy(retriever: CaseRetriever, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="Give a text"):
        retriever.run()
    with pytest.raises(CasebaseNotFound):
        CaseRetriever(str(tmp_path / "absent")).warm_up()


def test_what_is_later_of_the_patient_is_not_read(followed: MMedRAG) -> None:
    retriever = CaseRetriever(str(followed.cases.path))
    found = retriever.run("consolidation", patient_id="P1", at="2020-02-01")["documents"]
    assert {d.id for d in found} == {"january", "other"}
    retriever.close()
