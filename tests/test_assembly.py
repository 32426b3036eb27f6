"""Stages by name: what can be chosen, what an error names, and that a choice loads nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmedrag import choices
from mmedrag.answers.chat import ChatGenerator
from mmedrag.answers.extractive import ExtractiveGenerator
from mmedrag.assembly import configure
from mmedrag.errors import FilterError, GenerationError, MMedRAGError, QueryError
from mmedrag.pipeline import MMedRAG
from mmedrag.protocols import RemoteGenerator, Reranker
from mmedrag.ranking.graph import KeepOrder, paper_graph
from mmedrag.reward.scorers import KeepAll, RewardFilter, SimilarityThreshold
from mmedrag.types import Case, Query


def test_what_is_not_named_stays(rag: MMedRAG) -> None:
    assert configure(rag) == rag


@pytest.mark.parametrize("name", choices.RERANKERS)
@pytest.mark.parametrize("kept", choices.FILTERS)
def test_every_choice_answers(rag: MMedRAG, name: str, kept: str) -> None:
    chosen = configure(rag, reranker=name, context_filter=kept, k=3)
    assert isinstance(chosen.reranker, Reranker)
    answer = chosen.ask("drusen at the macula")
    cases = [e for e in answer.context.kept if isinstance(e.item, Case)]
    assert len(cases) <= 3
    assert rag.k_final == 10  # the system itself is not changed


def test_the_names_are_the_stages(rag: MMedRAG) -> None:
    assert configure(rag, reranker="paper").reranker == paper_graph()
    assert configure(rag, reranker="none").reranker == KeepOrder()
    assert configure(rag, context_filter="none").context_filter == KeepAll()
    reward = configure(rag, context_filter="reward", threshold=0.9).context_filter
    assert isinstance(reward, RewardFilter)
    assert reward == replace(rag.context_filter, tau=0.9)
    near = configure(rag, context_filter="similarity", threshold=1).context_filter
    assert near == SimilarityThreshold(1.0)
    assert configure(rag, threshold=0.25).context_filter.tau == 0.25
    assert configure(rag, k=200).k_cases == 200


def test_generators_by_name(rag: MMedRAG) -> None:
    assert isinstance(configure(rag, generator="extractive").generator, ExtractiveGenerator)
    assert not isinstance(rag.generator, RemoteGenerator)
    server = {"generator": "openai", "llm": "small", "base_url": "http://127.0.0.1:9/v1"}
    chat = configure(rag, **server).generator
    assert isinstance(chat, ChatGenerator)
    assert isinstance(chat, RemoteGenerator)
    assert "127.0.0.1 (this machine), model small" in chat.what_is_sent()
    assert configure(rag, generator="groq", send_image=True).generator.send_image


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"reranker": "best"},
            "no reranker 'best'. Choose from agreement, learned, graph, paper, mmr",
        ),
        ({"context_filter": "x"}, "no filter 'x'. Choose from reward, similarity, none"),
        ({"context_filter": "none", "threshold": 0.5}, "no threshold"),
        ({"threshold": 1.5}, "threshold is 1.5"),
        ({"threshold": "high"}, "threshold is 'high'"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"threshold": True}, "threshold is True"),
        ({"generator": "gpt"}, "no generator 'gpt'. Choose from extractive, local, groq, openai"),
        ({"generator": "openai"}, "needs a server and a model"),
        ({"llm": "x"}, "The generator extractive has no setting llm"),
        ({"generator": "groq", "base_url": "http://x"}, "no setting base_url"),
        ({"k": 0}, "number of cases is 0. Give one from 1 to 1000"),
        ({"k": 10**9}, "from 1 to 1000"),
        ({"k": 2.5}, "number of cases is 2.5"),
        ({"k": True}, "number of cases is True"),
    ],
)
def test_errors_name_the_choices(rag: MMedRAG, settings: dict[str, object], message: str) -> None:
    with pytest.raises(QueryError, match=message.replace(".", r"\.")):
        configure(rag, **settings)


def test_other_errors(rag: MMedRAG) -> None:
    with pytest.raises(FilterError, match="colour"):
        configure(rag, where="colour = 'red'")
    with pytest.raises(GenerationError, match="address"):
        configure(rag, generator="openai", llm="x", base_url="nowhere")
    untrained = configure(rag, context_filter="similarity")
    with pytest.raises(QueryError, match="no trained reward model"):
        configure(untrained, context_filter="reward")


def test_a_restricted_system_gives_nothing_else_out(rag: MMedRAG) -> None:
    restricted = configure(rag, where="split = 'val'")
    for where in (None, "split = 'train' or id like '%'", "not split = 'nothing'"):
        context = restricted.retrieve(Query("effusion", where=where))
        splits = {e.item.split for e in context.gathered if isinstance(e.item, Case)}
        assert splits <= {"val"}
    with pytest.raises(MMedRAGError):
        restricted.retrieve(Query("effusion", where="id = 'x') or (split = 'train'"))
    twice = configure(restricted, where="modality = 'xray'")
    found = twice.retrieve("effusion").gathered
    assert {(e.item.split, e.item.modality) for e in found if isinstance(e.item, Case)} <= {
        ("val", "xray")
    }


def test_a_choice_loads_nothing(rag: MMedRAG) -> None:
    chosen = configure(rag, reranker="paper", context_filter="reward", threshold=0.3, k=5)
    for part in ("classifier", "embedder", "cases", "definitions"):
        assert getattr(chosen, part) is getattr(rag, part)
    assert chosen.context_filter.scorer is rag.context_filter.scorer
