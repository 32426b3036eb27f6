"""Haystack: a pipeline that is stored as YAML and loaded again.

``mmedrag.integrations.haystack`` is imported before Haystack, which ends its telemetry.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from mmedrag.integrations.haystack import CaseRetriever  # isort: skip

from haystack import Pipeline
from haystack.components.builders import PromptBuilder

import mmedrag
from mmedrag.phantoms.corpus import generate

TEMPLATE = "{% for d in documents %}[{{ d.meta.key }}] {{ d.content }}\n{% endfor %}"


def main() -> None:
    """Print the prompt that the loaded pipeline makes."""
    with tempfile.TemporaryDirectory() as folder:
        casebase = Path(folder) / "synthetic.casebase"
        mmedrag.index(generate(24, into=Path(folder) / "corpus"), into=casebase)
        pipeline = Pipeline()
        pipeline.add_component("cases", CaseRetriever(str(casebase), top_k=3))
        pipeline.add_component("prompt", PromptBuilder(TEMPLATE, required_variables="*"))
        pipeline.connect("cases.documents", "prompt.documents")
        loaded = Pipeline.loads(pipeline.dumps(), allowed_modules=["mmedrag.*"])
        print(loaded.run({"cases": {"query": "pneumothorax"}})["prompt"]["prompt"])
        loaded.get_component("cases").close()


if __name__ == "__main__":
    main()
