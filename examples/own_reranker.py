"""A stage of your own: a reranker that puts cases of the same body part as the query first.

Any object with the one method of a Protocol can take that stage's place; nothing is registered
and nothing is inherited.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import mmedrag
from mmedrag.phantoms.corpus import generate
from mmedrag.types import Evidence, Question


class SharedTermsFirst:
    """Sorts by the number of the question's terms that a report mentions; ties keep their order."""

    def rerank(self, question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
        """A permutation of the evidence, which is all that the Protocol asks for."""
        terms = {mention.concept for mention in question.mentions}

        def shared(e: Evidence) -> int:
            return len(terms & {mention.concept for mention in e.mentions})

        return sorted(evidence, key=lambda e: -shared(e))


def main() -> None:
    """Compare the first cases of both orders."""
    with tempfile.TemporaryDirectory() as folder:
        records = generate(30, into=Path(folder) / "corpus")
        mmedrag.index(records, into=Path(folder) / "synthetic.casebase")
        rag = mmedrag.load(Path(folder) / "synthetic.casebase")
        query = mmedrag.Query(text="Pleural effusion with cardiomegaly?")
        for name, system in (
            ("default", rag),
            ("shared terms first", replace(rag, reranker=SharedTermsFirst())),
        ):
            print(name, [e.key for e in system.retrieve(query).ranked][:8])


if __name__ == "__main__":
    main()
