"""Stages by name, as a command line, a web page or a file of settings chooses them.

No encoder or reward model is loaded here: those are the preset's, and a name only says whether it
is used. So a choice costs microseconds and can be made anew for every question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path

from mmedrag.answers.extractive import ExtractiveGenerator
from mmedrag.errors import QueryError
from mmedrag.expansion import NearQuestion, OverNeighbours
from mmedrag.presets import agreement_reranker, learned_reranker
from mmedrag.protocols import CaseExpansion, ContextFilter, Generator, Reranker
from mmedrag.ranking.diversity import DuplicatesLast, MaximalMarginalRelevance
from mmedrag.ranking.graph import Chain, GraphReranker, KeepOrder, paper_graph
from mmedrag.reward.scorers import KeepAll, RewardFilter, SimilarityThreshold

RERANKERS: Mapping[str, Callable[[], Reranker]] = {
    "agreement": agreement_reranker,
    "learned": learned_reranker,
    "graph": lambda: Chain((GraphReranker(), DuplicatesLast())),
    "paper": paper_graph,
    "mmr": lambda: Chain((MaximalMarginalRelevance(), DuplicatesLast())),
    "none": KeepOrder,
}
"""Section 3.5: agreement on findings, an order fitted to graded questions, our graph, the paper's,
maximal marginal relevance, the order of stage 1."""

EXPANSIONS: Mapping[str, Callable[[], CaseExpansion]] = {
    "neighbours": OverNeighbours,
    "none": NearQuestion,
}
"""Sections 6.3 and 7: neighbours of what stage 1 finds are found too, or not."""

FILTERS = ("reward", "similarity", "none")
"""Section 3.6: the trained reward model, the cosine alone, everything passes."""

GENERATORS = ("extractive", "local", "groq", "openai")
"""Quotes from the evidence, a model's folder, a model at Groq, one at any OpenAI-compatible
server."""

SIMILARITY = 0.15
"""The threshold of the filter ``similarity`` where none is given."""

MAX_CASES = 1000
"""Cases in a context; the graph of section 3.5 grows with their square."""


def reranker(name: str) -> Reranker:
    """The reranker of that name (:data:`RERANKERS`).

    Raises:
        QueryError: there is none.
    """
    return RERANKERS[_one_of("reranker", name, RERANKERS)]()


def expansion(name: str) -> CaseExpansion:
    """The expansion of stage 1 of that name (:data:`EXPANSIONS`).

    Raises:
        QueryError: there is none.
    """
    return EXPANSIONS[_one_of("expansion", name, EXPANSIONS)]()


def context_filter(
    current: ContextFilter, name: str | None = None, threshold: float | None = None
) -> ContextFilter:
    """A context filter by name, with another threshold than its own.

    Args:
        current: the preset's, whose reward model is used; it stays where no name is given.
        name: of :data:`FILTERS`.
        threshold: τ of section 3.6, from 0 to 1.

    Raises:
        QueryError: there is no such filter or reward model, or the threshold does not fit.
    """
    if threshold is not None:
        _number("threshold", threshold)
    chosen = _filter(current, name)
    if threshold is None:
        return chosen
    if isinstance(chosen, RewardFilter | SimilarityThreshold):
        return replace(chosen, tau=float(threshold))
    raise QueryError(
        "This filter has no threshold", "Leave the threshold out, or choose reward or similarity."
    )


def generator(
    name: str = "extractive",
    *,
    llm: str | None = None,
    base_url: str | None = None,
    send_image: bool = False,
) -> Generator:
    """A generator by name (:data:`GENERATORS`); no connection is made yet.

    Args:
        name: of the generator.
        llm: name of the chat model; ``groq`` has a default, and of ``local`` it is the folder.
        base_url: address of the server of ``openai``, as ``http://127.0.0.1:8080/v1``.
        send_image: whether the query's image is sent to the chat model.

    Raises:
        QueryError: there is no such generator, or a setting is missing or not its own.
        CheckpointError: the folder is not that of a model.
        GenerationError: the address is not that of a server.
    """
    _one_of("generator", name, GENERATORS)
    given = {"llm": llm, "base_url": base_url, "send_image": send_image or None}
    taken = {
        "extractive": (), "local": ("llm",), "groq": ("llm", "send_image"), "openai": tuple(given)
    }[name]  # fmt: skip
    if foreign := [key for key, value in given.items() if value is not None and key not in taken]:
        raise QueryError(
            f"The generator {name} has no setting {foreign[0]}", "Leave it out, or choose another."
        )
    if name == "extractive":
        return ExtractiveGenerator()
    if name == "local":
        return _local(llm)
    from mmedrag.answers.chat import GROQ_MODEL, groq, openai_compatible

    if name == "groq":
        return groq(llm or GROQ_MODEL, send_image=send_image)
    if not base_url or not llm:
        raise QueryError(
            "The generator openai needs a server and a model",
            "Give base_url and llm (--base-url, --llm).",
        )
    return openai_compatible(base_url, llm, send_image=send_image)


def _local(folder: str | None) -> Generator:
    from mmedrag.answers.local_model import LocalGenerator

    if not folder:
        raise QueryError(
            "The generator local needs the folder of a model", "Give llm (--llm), or the folder."
        )
    return LocalGenerator(folder=Path(folder))


def number_of_cases(k: int) -> int:
    """``k``, checked.

    Raises:
        QueryError: it is no whole number from 1 to :data:`MAX_CASES`.
    """
    if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= MAX_CASES:
        raise QueryError(f"The number of cases is {k!r}", f"Give one from 1 to {MAX_CASES}.")
    return k


def _filter(current: ContextFilter, name: str | None) -> ContextFilter:
    if name is None:
        return current
    _one_of("filter", name, FILTERS)
    if name == "none":
        return KeepAll()
    kind = RewardFilter if name == "reward" else SimilarityThreshold
    if isinstance(current, kind):
        return current
    if name == "similarity":
        return SimilarityThreshold(SIMILARITY)
    raise QueryError(
        "This casebase has no trained reward model",
        "Choose similarity or none, or index with --model reward=FOLDER.",
    )


def _one_of(what: str, name: str, names: Iterable[str]) -> str:
    if name not in names:
        raise QueryError(f"There is no {what} {name!r}", f"Choose from {', '.join(names)}.")
    return name


def _number(what: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise QueryError(f"The {what} is {value!r}", "Give a number.")
