"""LangChain: cases as the documents of a chain, with findings and licence in the metadata."""

from __future__ import annotations

import tempfile
from pathlib import Path

from langchain_core.prompts import PromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

import mmedrag
from mmedrag.integrations.langchain import CaseRetriever
from mmedrag.phantoms.corpus import generate


def main() -> None:
    """Make the prompt that a chat model would get."""
    with tempfile.TemporaryDirectory() as folder:
        casebase = Path(folder) / "synthetic.casebase"
        mmedrag.index(generate(24, into=Path(folder) / "corpus"), into=casebase)
        with mmedrag.load(casebase) as rag:
            cases = CaseRetriever(rag=rag, k=3, where="domain = 'radiology'")
            quoted = RunnableLambda(
                lambda found: "\n".join(f"[{d.metadata['key']}] {d.page_content}" for d in found)
            )
            prompt = PromptTemplate.from_template("From these cases:\n{cases}\nanswer: {question}")
            chain = {"cases": cases | quoted, "question": RunnablePassthrough()} | prompt
            print(chain.invoke("Is there a pneumothorax?").to_string())


if __name__ == "__main__":
    main()
