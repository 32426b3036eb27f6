"""Every study in one run: the paper's figures beside ours (docs/notes/results.md)."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from mmedrag.errors import CorpusError, MMedRAGError, ModelError, QueryError
from mmedrag.phantoms.corpus import generate
from mmedrag.views.section import Section

PHANTOMS = 240
"""Synthetic records, where there are no real ones."""


@dataclass(frozen=True, slots=True)
class Data:
    """Where the records are: sets under ``root``, or one synthetic corpus for all of them.

    ``pictures`` are folders of pictures that are not medical, to measure routing on.
    """

    root: Path
    synthetic: bool = False
    pictures: tuple[Path, ...] = ()

    def __call__(self, *sets: str) -> list[Path]:
        """The records of some sets.

        Raises:
            CorpusError: where one of them is not there.
        """
        if self.synthetic:
            return [self.root / "records.jsonl"]
        paths = [self.root / name / "records.jsonl" for name in sets]
        for path in paths:
            if not path.exists():
                raise CorpusError(
                    f"{path} does not exist", f"Put the records of {path.parent.name} there."
                )
        return paths

    def every(self) -> list[Path]:
        """The records of all sets that are there, also of those within another folder."""
        return self("") if self.synthetic else sorted(self.root.glob("**/records.jsonl"))


@dataclass(frozen=True, slots=True)
class Study:
    """One study: its name in the report, the ``eval`` command that runs it alone, and how."""

    name: str
    command: str
    measure: Callable[[Data], Section]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a study, in how many seconds; ``failed`` where that was not foreseen."""

    section: Section
    seconds: float
    failed: bool = False


def data_in(root: Path | None, into: Path, pictures: Sequence[Path] = ()) -> Data:
    """The sets under ``root``; where that is no folder, synthetic records drawn into ``into``."""
    if root is not None and root.is_dir():
        return Data(root, pictures=tuple(pictures))
    generate(PHANTOMS, 7, into=into / "phantoms")
    return Data(into / "phantoms", synthetic=True, pictures=tuple(pictures))


def chosen(names: Sequence[str]) -> list[Study]:
    """The studies of these names or commands; all, where there are none.

    Raises:
        QueryError: for an unknown name.
    """
    known = [study for study in STUDIES if not names or {study.name, study.command} & set(names)]
    if strange := set(names) - {name for study in STUDIES for name in (study.name, study.command)}:
        raise QueryError(
            f"There is no study {min(strange)!r}",
            f"Choose from {', '.join(study.name for study in STUDIES)}.",
        )
    return known


def outcomes(
    studies: Sequence[Study], data: Data, progress: Callable[[str], object] = lambda name: None
) -> Iterator[Outcome]:
    """Run studies one after another; none of them stops the others.

    Args:
        studies: what to run.
        data: on what.
        progress: told the name of each as it begins.
    """
    for study in studies:
        progress(study.name)
        started = perf_counter()
        section, failed = _section(study, data)
        seconds = perf_counter() - started
        notes = (*section.notes, f"Measured in {seconds:.0f} s.")
        yield Outcome(replace(section, name=study.name, notes=notes), seconds, failed)


def _section(study: Study, data: Data) -> tuple[Section, bool]:
    """What a study measured, or why there is nothing; and whether that is a fault."""
    try:
        return study.measure(data), False
    except (CorpusError, ModelError) as error:
        return _nothing(study, f"Not measured. {error}", error.remedy), False
    except Exception as error:  # noqa: BLE001  the report says it, and the others still run
        told = f"{type(error).__name__}: {error}"
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}, line {where.lineno}, in {where.name}"
        remedy = error.remedy if isinstance(error, MMedRAGError) else f"It happened in {place}."
        return _nothing(study, f"Failed. {told}", remedy), True


def _nothing(study: Study, verdict: str, note: str) -> Section:
    return Section(
        name=study.name,
        title=study.name.replace("-", " ").capitalize(),
        protocol="Nothing was measured.",
        verdict=verdict,
        command=f"mmedrag eval paper --only {study.name}",
        notes=(note,),
        data={"missing": verdict},
    )


SEEN = "Seen in training by the offline preset, not held out. "
"""Of a set that has no validation part and that the shipped encoders learned from."""


def _retrieval(of: str, *, seen: bool = False, **options: str) -> Study:
    def measure(data: Data) -> Section:
        from mmedrag.evaluation.retrieval_section import study

        found = study(data(of), **options)  # type: ignore[arg-type]
        verdict = f"{SEEN if seen and not data.synthetic else ''}{found.verdict}"
        return replace(found, title=f"{found.title}, by {options['group_by']}", verdict=verdict)

    return Study(f"retrieval-{of}", "retrieval", measure)


def _rerank(data: Data) -> Section:
    from mmedrag.evaluation.rerank_section import SETS, study

    return study(data(*SETS))


def _encoders(data: Data) -> Section:
    from mmedrag.paper.encoders import evaluate

    return evaluate(data("medpix2", "odir5k", "patolojiatlasi"))


def _text_encoders(data: Data) -> Section:
    from mmedrag.paper.text_encoders import evaluate

    return evaluate(() if data.synthetic else data("medpix2"))  # phantoms state no diagnosis


def _fusion(data: Data) -> Section:
    from mmedrag.paper.fusion_section import study

    return study(data("medpix2"))


def _sensitivity(data: Data) -> Section:
    from mmedrag.paper.sensitivity_section import study

    return study(
        xrays=data("labelled/kermany_cxr", "labelled/nih_cxr14", "covid_cxr"),
        gallery=data("medpix2"),
    )


def _modality(data: Data) -> Section:
    from mmedrag.evaluation.modality import evaluate

    return evaluate(data.every(), pictures=data.pictures)


def _answers(data: Data) -> Section:
    from mmedrag.evaluation.answers import evaluate

    return evaluate(() if data.synthetic else data("medpix2"))  # it draws phantoms itself


def _definitions(data: Data) -> Section:
    from mmedrag.evaluation.definitions import evaluate

    return evaluate()


def _reward(data: Data) -> Section:
    from mmedrag.paper.reward_section import REWARD_SETS, study

    return study(data(*REWARD_SETS))


STUDIES = (
    _retrieval("medpix2", split="val", group_by="patient_id"),
    _retrieval("odir5k", seen=True, group_by="text"),
    _retrieval("patolojiatlasi", seen=True, group_by="text"),
    Study("rerank", "rerank", _rerank),
    Study("encoders", "encoders", _encoders),
    Study("text-encoders", "text-encoders", _text_encoders),
    Study("fusion", "fusion", _fusion),
    Study("sensitivity", "sensitivity", _sensitivity),
    Study("modality", "modality", _modality),
    Study("definitions", "definitions", _definitions),
    Study("reward", "reward", _reward),
    Study("answers", "answers", _answers),
)
