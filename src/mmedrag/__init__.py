"""MMedRAG: medical multimodal retrieval-augmented generation.

>>> rag = mmedrag.load("my.casebase")                           # doctest: +SKIP
>>> answer = rag.ask(mmedrag.Query(text="…", image="x.png"))    # doctest: +SKIP

Importing this package is cheap: models, FAISS and the rest load when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmedrag.errors import MMedRAGError
from mmedrag.types import Answer, Case, Context, Domain, Evidence, Query

if TYPE_CHECKING:
    from mmedrag.pipeline import MMedRAG
    from mmedrag.presets import create, load

__all__ = [
    "Answer",
    "Case",
    "Context",
    "Domain",
    "Evidence",
    "MMedRAG",
    "MMedRAGError",
    "Query",
    "create",
    "load",
]

__version__ = "0.1.0"

_LATER = {"MMedRAG": "mmedrag.pipeline", "load": "mmedrag.presets", "create": "mmedrag.presets"}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import what is heavy only when it is asked for (PEP 562)."""
    if name in _LATER:
        from importlib import import_module

        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
