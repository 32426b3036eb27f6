"""Into a casebase: index, add, update, delete."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from mmedrag.commands.options import Commands, add_models, pairs
from mmedrag.errors import QueryError
from mmedrag.types import Case, Domain

if TYPE_CHECKING:
    from mmedrag.casebase.casebase import Casebase
    from mmedrag.presets import Stages
    from mmedrag.types import Problem


def add(commands: Commands) -> None:
    """index, add, update, delete."""
    index = commands.add_parser("index", help="make a casebase of a corpus, or go on making it")
    index.add_argument("corpus", type=Path, nargs="+", help="files or folders")
    index.add_argument("--into", type=Path, required=True, metavar="CASEBASE")
    index.add_argument("--preset", help="see 'mmedrag presets' (default: offline)")
    add_models(index)
    index.add_argument("--index-key", metavar="KEY", help="a FAISS factory string, as IVF1024,SQ8")
    _corpus_options(index)
    index.set_defaults(run=_index)

    for name, words in (("add", "add cases"), ("update", "replace or change cases")):
        command = commands.add_parser(name, help=f"{words}: a corpus, or one by --id")
        command.add_argument("casebase", type=Path)
        command.add_argument("corpus", type=Path, nargs="*", help="files or folders")
        _corpus_options(command)
        _case_options(command)
        command.set_defaults(run=_add if name == "add" else _update)

    delete = commands.add_parser("delete", help="delete cases: text, vector and thumbnail")
    delete.add_argument("casebase", type=Path)
    delete.add_argument("ids", nargs="+", metavar="ID")
    delete.set_defaults(run=_delete)


def _corpus_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", default="auto", help="see 'mmedrag datasets'")
    command.add_argument("--domain", choices=list(Domain), help="of cases that name none")
    command.add_argument(
        "--column", action="append", default=[], metavar="FIELD=NAME", help="for tables"
    )
    command.add_argument("--strict", action="store_true", help="stop at the first broken row")


def _case_options(command: argparse.ArgumentParser) -> None:
    one = command.add_argument_group("one case")
    one.add_argument("--id")
    for name in ("text", "modality", "patient-id", "study-id", "source", "licence"):
        one.add_argument(f"--{name}")
    one.add_argument("--image", type=Path)


def _index(options: argparse.Namespace) -> int:
    from mmedrag.assembly import create, open_for_writing

    models = pairs(options.model, "--model")
    if (options.into / "casebase.db").exists():
        casebase, stages = open_for_writing(options.into)
        if models or options.preset not in (None, casebase.preset):
            casebase.close()
            raise QueryError(
                f"{options.into} was made with the preset {casebase.preset}",
                "Leave out --preset and --model to go on with it, or make another casebase.",
            )
    else:
        casebase, stages = create(options.into, options.preset or "offline", models)
    with casebase:
        _fill(casebase, stages, options)
        if options.index_key:
            casebase.publish(options.index_key)
    return 0


def _add(options: argparse.Namespace) -> int:
    from mmedrag.assembly import open_for_writing

    casebase, stages = open_for_writing(options.casebase)
    with casebase:
        _fill(casebase, stages, options)
    return 0


def _update(options: argparse.Namespace) -> int:
    from mmedrag.casebase.casebase import Casebase

    if options.id is not None:
        with Casebase.open(options.casebase, readonly=True) as casebase:
            known = casebase.get(options.id)
        if known is None:
            raise QueryError(f"There is no case {options.id!r}", "Use add for a new one.")
        options.known = known
    return _add(options)


def _delete(options: argparse.Namespace) -> int:
    from mmedrag.casebase.casebase import Casebase

    with Casebase.open(options.casebase) as casebase:
        absent = [case_id for case_id in options.ids if casebase.get(case_id) is None]
        deleted = casebase.delete(options.ids)
    print(f"{deleted} cases deleted")
    if absent:
        print(f"mmedrag: not in the casebase: {', '.join(absent)}", file=sys.stderr)
    return QueryError.exit_code if absent else 0


def _fill(casebase: Casebase, stages: Stages, options: argparse.Namespace) -> None:
    """Read the corpora (or the one case) of the options into a casebase, with a progress bar."""
    from tqdm import tqdm

    from mmedrag.assembly import salt_of
    from mmedrag.datasets.duplicates import Duplicates
    from mmedrag.indexing import index
    from mmedrag.views.console import report_text

    duplicates = Duplicates()
    started = perf_counter()
    with tqdm(unit="case", desc="index", disable=None) as bar:
        report = index(
            _corpus(options, salt_of(casebase)),
            casebase,
            stages.embedder,
            stages.classifier,
            strict=options.strict,
            progress=bar.update,
            duplicates=duplicates,
        )
    print(report_text(report, perf_counter() - started))
    print(duplicates.report())
    for notice in casebase.notices:
        print(notice)


def _corpus(options: argparse.Namespace, salt: bytes) -> Iterator[Case | Problem]:
    """The cases of the options; ``salt`` keeps DICOM pseudonyms the same within a casebase."""
    from mmedrag.datasets import read_corpus

    if getattr(options, "id", None) is not None:
        yield _one_case(options)
    elif not options.corpus:
        raise QueryError("There is nothing to add", "Give a corpus, or one case by --id.")
    domain = Domain(options.domain) if options.domain else None
    columns: Mapping[str, str] = pairs(options.column, "--column")
    for path in options.corpus:
        yield from read_corpus(
            path, options.format, domain=domain, columns=columns or None, salt=salt
        )


def _one_case(options: argparse.Namespace) -> Case:
    known: Case = getattr(options, "known", None) or Case(id=options.id)
    told = {
        "text": options.text,
        "image": options.image and options.image.resolve(),
        "domain": options.domain and Domain(options.domain),
        "modality": options.modality,
        "patient_id": options.patient_id,
        "study_id": options.study_id,
        "source": options.source,
        "licence": options.licence,
    }
    case = replace(known, **{name: value for name, value in told.items() if value is not None})
    if not case.text and case.image is None:
        raise QueryError(f"Case {case.id!r} has neither text nor image", "Give --text or --image.")
    return case
