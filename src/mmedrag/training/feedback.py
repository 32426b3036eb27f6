"""Verdicts of readers as examples of the reward model (section 3.6).

Who uses the page marks cases as relevant or not (:mod:`mmedrag.casebase.feedback`). A question with
a case of either kind gives preference pairs as mined ones do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmedrag.casebase.feedback import FILE, NOT_RELEVANT, RELEVANT, FeedbackFile
from mmedrag.definitions import Dictionary
from mmedrag.errors import CorpusError
from mmedrag.locations import Location
from mmedrag.locations import shown as shown_location
from mmedrag.protocols import Embedder, ModalityClassifier
from mmedrag.selection import gather
from mmedrag.stores import open_store
from mmedrag.training.contexts import JUDGED_NOT_RELEVANT, JUDGED_RELEVANT, Example
from mmedrag.types import Case, Evidence, Hit, Query, Question

KINDS = {RELEVANT: JUDGED_RELEVANT, NOT_RELEVANT: JUDGED_NOT_RELEVANT}


def judged(
    path: Location,
    embedder: Embedder,
    classifier: ModalityClassifier,
    definitions: Dictionary,
    first: int = 0,
) -> list[Example]:
    """The examples of a casebase's feedback: questions in words with a verdict on a case.

    Args:
        path: of the casebase, or its URL.
        embedder: embeds questions and cases; of a case's image, where it is still on this disk.
        classifier: routes the questions (section 3.2).
        definitions: recognises terms (section 3.4).
        first: number of the first question; it tells them from other examples.

    Raises:
        CasebaseError: the casebase cannot be opened.
        CorpusError: it has no feedback that can be used.
    """
    with open_store(path, readonly=True) as casebase:
        verdicts = FeedbackFile(casebase.folder).by_question()
        examples = []
        for number, (text, by_case) in enumerate(verdicts.items(), first):
            cases = [
                (case, KINDS[by_case[name]])
                for name in by_case
                if by_case[name] in KINDS and (case := casebase.get(name)) is not None
            ]
            if cases:
                query = Query(text)
                question = Question(
                    query,
                    classifier.classify([query])[0],
                    embedder.embed([query])[0],
                    definitions.recognise([text])[0],
                )
                shown = _evidence(question, [case for case, _ in cases], embedder, definitions)
                examples += [
                    Example(question, evidence, kind, "text", "feedback", number, case)
                    for (case, kind), evidence in zip(cases, shown, strict=True)
                ]
    if not examples:
        raise CorpusError(
            f"{shown_location(path)} has no verdicts on cases that can be learned from",
            f"Mark cases of questions in words on the page of 'mmedrag serve'; {FILE} keeps them.",
        )
    return examples


def _evidence(
    question: Question, cases: list[Case], embedder: Embedder, definitions: Dictionary
) -> Iterator[Evidence]:
    """Evidence as the pipeline gathers it."""
    readable = [
        case if case.image is None or case.image.is_file() else replace(case, image=None)
        for case in cases
    ]
    vectors = embedder.embed(readable)
    similarities = (vectors @ question.vector).tolist()
    hits = [Hit(c, v, s, s) for c, v, s in zip(cases, vectors, similarities, strict=True)]
    mentions = definitions.recognise([case.text for case in cases])
    return iter(gather(question.vector, hits, mentions, [], vectors[:0]))
