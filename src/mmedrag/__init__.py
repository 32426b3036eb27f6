"""MMedRAG: medical multimodal retrieval-augmented generation.

>>> rag = mmedrag.load("my.casebase")                           # doctest: +SKIP
>>> answer = rag.ask(mmedrag.Query(text="…", image="x.png"))    # doctest: +SKIP

Importing this package is cheap: models, FAISS and the rest load when they are first used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mmedrag.errors import MMedRAGError
from mmedrag.types import (
    Answer,
    Assertion,
    Case,
    Context,
    Definition,
    Domain,
    Evidence,
    Mention,
    Query,
    Question,
    Routing,
)

if TYPE_CHECKING:
    from mmedrag.answers.chat import ChatGenerator, groq, openai_compatible
    from mmedrag.answers.extractive import ExtractiveGenerator
    from mmedrag.assembly import configure, create, load, rebuild
    from mmedrag.assembly import index_corpus as index
    from mmedrag.casebase.casebase import Casebase
    from mmedrag.casebase.exact import ExactIndex
    from mmedrag.pipeline import MMedRAG
    from mmedrag.protocols import (
        CaseIndex,
        CaseStore,
        ContextFilter,
        DefinitionSource,
        Embedder,
        Generator,
        ModalityClassifier,
        Reranker,
    )
    from mmedrag.ranking.diversity import DuplicatesLast, MaximalMarginalRelevance
    from mmedrag.ranking.graph import Chain, GraphReranker, KeepOrder, paper_graph
    from mmedrag.reward.scorers import KeepAll, RewardFilter, SimilarityThreshold

__all__ = [
    "Answer",
    "Assertion",
    "Case",
    "CaseIndex",
    "CaseStore",
    "Casebase",
    "Chain",
    "ChatGenerator",
    "Context",
    "ContextFilter",
    "Definition",
    "DefinitionSource",
    "Domain",
    "DuplicatesLast",
    "Embedder",
    "Evidence",
    "ExactIndex",
    "ExtractiveGenerator",
    "Generator",
    "GraphReranker",
    "KeepAll",
    "KeepOrder",
    "MMedRAG",
    "MMedRAGError",
    "MaximalMarginalRelevance",
    "Mention",
    "ModalityClassifier",
    "Query",
    "Question",
    "Reranker",
    "RewardFilter",
    "Routing",
    "SimilarityThreshold",
    "configure",
    "create",
    "groq",
    "index",
    "load",
    "openai_compatible",
    "paper_graph",
    "rebuild",
]

__version__ = "0.1.0"

# ONNX Runtime reports to its maker by default, and the client of Hugging Face's hub asks it for a
# list of agents, offline too. They read this when they are imported, which nothing in this package
# does before this line. Programs that import them themselves import mmedrag first.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

_LATER = {
    "mmedrag.answers.chat": ("ChatGenerator", "groq", "openai_compatible"),
    "mmedrag.answers.extractive": ("ExtractiveGenerator",),
    "mmedrag.assembly": ("configure", "create", "index", "load", "rebuild"),
    "mmedrag.casebase.casebase": ("Casebase",),
    "mmedrag.casebase.exact": ("ExactIndex",),
    "mmedrag.pipeline": ("MMedRAG",),
    "mmedrag.protocols": (
        "CaseIndex",
        "CaseStore",
        "ContextFilter",
        "DefinitionSource",
        "Embedder",
        "Generator",
        "ModalityClassifier",
        "Reranker",
    ),
    "mmedrag.ranking.diversity": ("DuplicatesLast", "MaximalMarginalRelevance"),
    "mmedrag.ranking.graph": ("Chain", "GraphReranker", "KeepOrder", "paper_graph"),
    "mmedrag.reward.scorers": ("KeepAll", "RewardFilter", "SimilarityThreshold"),
}
"""Modules and what they give when it is first asked for."""
_MODULE_OF = {name: module for module, names in _LATER.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import what is heavy only when it is asked for (PEP 562)."""
    if name in _MODULE_OF:
        from importlib import import_module

        attribute = "index_corpus" if name == "index" else name
        return getattr(import_module(_MODULE_OF[name]), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
