"""Every study in one run: the paper's figures beside ours (docs/notes/results.md)."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from mmedrag.errors import CorpusError, MMedRAGError, ModelError, QueryError
from mmedrag.paper.roles import RetrievalSet, Roles, existing
from mmedrag.progress import Log
from mmedrag.views.section import Section


@dataclass(frozen=True, slots=True)
class Study:
    """One study: its name in the report, the kind of study that it is, and how it is measured."""

    name: str
    kind: str
    measure: Callable[[Roles], Section]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a study, in how many seconds; ``failed`` where that was not foreseen."""

    section: Section
    seconds: float
    failed: bool = False


def studies_of(roles: Roles, names: Sequence[str] = ()) -> list[Study]:
    """The studies of these names or kinds; all, where there are none.

    Raises:
        QueryError: for an unknown name.
    """
    every = [*(_retrieval(one) for one in roles.retrieval), *STUDIES]
    accepted = {"retrieval", *(word for study in every for word in (study.name, study.kind))}
    if strange := set(names) - accepted:
        raise QueryError(
            f"There is no study {min(strange)!r}",
            f"Choose from {', '.join(study.name for study in every)}.",
        )
    return [study for study in every if not names or {study.name, study.kind} & set(names)]


def outcomes(
    studies: Sequence[Study], roles: Roles, log: Log = lambda line: None
) -> Iterator[Outcome]:
    """Run studies one after another; none of them stops the others.

    Args:
        studies: what to run.
        roles: on what.
        log: told the name of each as it begins.
    """
    for study in studies:
        log(study.name)
        started = perf_counter()
        section, failed = _section(study, roles)
        seconds = perf_counter() - started
        notes = (*section.notes, f"Measured in {seconds:.0f} s.")
        yield Outcome(replace(section, name=study.name, notes=notes), seconds, failed)


def _section(study: Study, roles: Roles) -> tuple[Section, bool]:
    """What a study measured, or why there is nothing; and whether that is a fault."""
    try:
        return study.measure(roles), False
    except (CorpusError, ModelError) as error:
        return _nothing(study, f"Not measured. {error}", error.remedy), False
    except Exception as error:  # noqa: BLE001  the report says it, and the others still run
        last = traceback.extract_tb(error.__traceback__)[-1]
        line = f"{Path(last.filename).name}, line {last.lineno}, in {last.name}"
        remedy = error.remedy if isinstance(error, MMedRAGError) else f"It happened in {line}."
        return _nothing(study, f"Failed. {type(error).__name__}: {error}", remedy), True


def _nothing(study: Study, verdict: str, note: str) -> Section:
    return Section(
        name=study.name,
        title=study.name.replace("-", " ").capitalize(),
        protocol="Nothing was measured.",
        verdict=verdict,
        notes=(note,),
        data={"missing": verdict},
    )


SEEN = "Seen in training by the offline preset, not held out. "
"""Of a set that has no validation part and that the shipped encoders learned from."""


def _retrieval(of: RetrievalSet) -> Study:
    def measure(roles: Roles) -> Section:
        from mmedrag.evaluation.retrieval_section import evaluate_retrieval

        section = evaluate_retrieval(existing(of.records), split=of.split, group_by=of.group_by)
        verdict = f"{SEEN if of.seen else ''}{section.verdict}"
        return replace(section, title=f"{section.title}, by {of.group_by}", verdict=verdict)

    return Study(f"retrieval-{of.name}", "retrieval", measure)


def _rerank(roles: Roles) -> Section:
    from mmedrag.paper.rerank_section import evaluate_rerank

    return evaluate_rerank(roles["rerank"])


def _encoders(roles: Roles) -> Section:
    from mmedrag.paper.encoders import evaluate_encoders

    return evaluate_encoders(roles["encoders"])


def _text_encoders(roles: Roles) -> Section:
    from mmedrag.paper.text_encoders import evaluate_text_encoders

    return evaluate_text_encoders(roles.optional("text-encoders"))


def _fusion(roles: Roles) -> Section:
    from mmedrag.paper.fusion_section import evaluate_fusion

    return evaluate_fusion(roles["fusion"])


def _sensitivity(roles: Roles) -> Section:
    from mmedrag.paper.sensitivity_section import evaluate_sensitivity

    return evaluate_sensitivity(xrays=roles["radiographs"], gallery=roles["gallery"])


def _modality(roles: Roles) -> Section:
    from mmedrag.evaluation.modality import evaluate_modality

    return evaluate_modality(roles["modality"], pictures=roles.pictures)


def _answers(roles: Roles) -> Section:
    from mmedrag.evaluation.answers import evaluate_answers

    return evaluate_answers(roles.optional("answers"))


def _definitions(roles: Roles) -> Section:
    from mmedrag.evaluation.definitions import evaluate_definitions

    return evaluate_definitions()


def _order(roles: Roles) -> Section:
    from mmedrag.evaluation.order_section import evaluate_order

    return evaluate_order(roles["reward"], roles.optional("unseen"))


def _reward(roles: Roles) -> Section:
    from mmedrag.paper.reward_section import evaluate_reward

    return evaluate_reward(roles["reward"])


def _courses(roles: Roles) -> Section:
    from mmedrag.evaluation.courses import evaluate_courses

    return evaluate_courses(roles.optional("courses"))


def _knowledge(roles: Roles) -> Section:
    from mmedrag.evaluation.knowledge import evaluate_knowledge

    return evaluate_knowledge(roles["knowledge"])


STUDIES = (
    Study("rerank", "rerank", _rerank),
    Study("encoders", "encoders", _encoders),
    Study("text-encoders", "text-encoders", _text_encoders),
    Study("fusion", "fusion", _fusion),
    Study("sensitivity", "sensitivity", _sensitivity),
    Study("modality", "modality", _modality),
    Study("definitions", "definitions", _definitions),
    Study("reward", "reward", _reward),
    Study("order", "order", _order),
    Study("answers", "answers", _answers),
    Study("courses", "courses", _courses),
    Study("knowledge", "knowledge", _knowledge),
)
"""Beside retrieval, which is measured on as many sets as the roles name."""
