"""LlamaIndex: the nodes of an image and a question, with scores, findings and licence."""

from __future__ import annotations

import tempfile
from pathlib import Path

from llama_index.core.schema import QueryBundle

import mmedrag
from mmedrag.integrations.llamaindex import CaseRetriever
from mmedrag.phantoms.corpus import generate


def main() -> None:
    """Ask about a picture of the corpus; any query engine of LlamaIndex takes the retriever."""
    with tempfile.TemporaryDirectory() as folder:
        casebase = Path(folder) / "synthetic.casebase"
        mmedrag.index(generate(24, into=Path(folder) / "corpus"), into=casebase)
        picture = min((Path(folder) / "corpus").rglob("*.png"))
        with mmedrag.load(casebase) as rag:
            question = QueryBundle("Which findings?", image_path=str(picture))
            for node in CaseRetriever(rag, k=3).retrieve(question):
                affirmed = node.metadata["assertions"].get("affirmed")
                print(f"{node.score:.3f}", node.node_id, node.metadata["licence"], affirmed)


if __name__ == "__main__":
    main()
