"""MMedRAG: medical multimodal retrieval-augmented generation.

>>> rag = mmedrag.load("my.casebase")                           # doctest: +SKIP
>>> answer = rag.ask(mmedrag.Query(text="…", image="x.png"))    # doctest: +SKIP

Importing this package is cheap: models, FAISS and the rest load when they are first used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mmedrag.errors import MMedRAGError
from mmedrag.types import Answer, Case, Context, Domain, Evidence, Query

if TYPE_CHECKING:
    from mmedrag.assembly import create, load
    from mmedrag.assembly import index_corpus as index
    from mmedrag.pipeline import MMedRAG

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
    "index",
    "load",
]

__version__ = "0.1.0"

# ONNX Runtime reports to its maker by default and reads this when it is imported, which nothing in
# this package does before this line. Programs that import it themselves import mmedrag first.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

_LATER = {
    "MMedRAG": ("mmedrag.pipeline", "MMedRAG"),
    "create": ("mmedrag.assembly", "create"),
    "index": ("mmedrag.assembly", "index_corpus"),
    "load": ("mmedrag.assembly", "load"),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import what is heavy only when it is asked for (PEP 562)."""
    if name in _LATER:
        from importlib import import_module

        module, attribute = _LATER[name]
        return getattr(import_module(module), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
