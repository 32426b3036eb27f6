"""Into a casebase and out of it: ``mmedrag index``, ``add``, ``update`` and ``delete``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from mmedrag.commands.options import (
    FRAME,
    Commands,
    add_dictionaries,
    add_models,
    add_new_domains,
    pairs,
    register_domains,
)
from mmedrag.domains import find
from mmedrag.errors import CasebaseError, CorpusError, QueryError
from mmedrag.locations import location_of, scheme_of, shown
from mmedrag.types import Case
from mmedrag.views.terminal import counter, expect, notify, show

if TYPE_CHECKING:
    from mmedrag.preparation import Row
    from mmedrag.presets import Stages
    from mmedrag.stores import CaseDatabase


def add(commands: Commands) -> None:
    """index, add, update, delete."""
    index = commands.add_parser("index", help="make a casebase of a corpus, or go on making it")
    index.add_argument("corpus", type=Path, nargs="+", help="files or folders, also of shards")
    index.add_argument(
        "--into", type=location_of, required=True, metavar="CASEBASE",
        help="folder of the casebase, or the URL of a database",
    )  # fmt: skip
    index.add_argument("--preset", help="see 'mmedrag presets' (default: offline)")
    add_models(index)
    index.add_argument(
        "--index-key", metavar="KEY",
        help="kind of vector index: a FAISS factory string, as IVF1024,SQ8",
    )  # fmt: skip
    add_dictionaries(index)
    index.add_argument(
        "--pseudonym-key", type=Path, metavar="FILE",
        help="where the key of DICOM pseudonyms is kept (default: pseudonym.key in the casebase)",
    )  # fmt: skip
    corpus_options(index)
    index.set_defaults(run=_index)

    for name, words in (("add", "add cases"), ("update", "replace or change cases")):
        command = commands.add_parser(name, help=f"{words}: a corpus, or one by --id")
        command.add_argument("casebase", type=location_of)
        command.add_argument("corpus", type=Path, nargs="*", help="files or folders")
        corpus_options(command)
        _case_options(command)
        command.set_defaults(run=_add if name == "add" else _update)

    delete = commands.add_parser("delete", help="delete cases: text, terms, vector and thumbnail")
    delete.add_argument("casebase", type=location_of)
    delete.add_argument("ids", nargs="*", metavar="ID", help="of the cases")
    delete.add_argument(
        "--now", action="store_true",
        help="erase the vectors from the index file too; 'mmedrag info' shows what waits for it",
    )  # fmt: skip
    delete.set_defaults(run=_delete)


def corpus_options(command: argparse.ArgumentParser) -> None:
    """Let a command say how corpora are read."""
    command.add_argument(
        "--format", default="auto", help="of the corpus; see 'mmedrag datasets' (default: auto)"
    )
    command.add_argument("--domain", metavar="DOMAIN", help="of cases that name none")
    add_new_domains(command)
    command.add_argument(
        "--column", action="append", default=[], metavar="FIELD=NAME",
        help="the column of a table that holds a field, as text=Report; repeatable",
    )  # fmt: skip
    command.add_argument(
        "--strict", action="store_true", help="stop at the first row that cannot be read"
    )


def _case_options(command: argparse.ArgumentParser) -> None:
    one = command.add_argument_group("one case, in place of a corpus")
    one.add_argument("--id", help="of the case")
    one.add_argument("--text", help="the report")
    one.add_argument("--image", type=Path, help="PNG, JPEG, TIFF or DICOM")
    one.add_argument("--frame", type=int, metavar="N", help=FRAME)
    one.add_argument("--modality", help="as ct, mr, xray, fundus")
    one.add_argument("--patient-id", help="a pseudonym; ties the images of a patient together")
    one.add_argument("--study-id", help="ties the images of a study together")
    one.add_argument("--source", help="where the case comes from; shown beside every citation")
    one.add_argument("--licence", help="of text and image; shown beside every citation")


def _index(options: argparse.Namespace) -> int:
    from mmedrag.casebase.derivation import require_key
    from mmedrag.casebase.upkeep import AUTOMATIC
    from mmedrag.filling import filling

    if options.index_key and scheme_of(options.into):
        raise QueryError("--index-key is for casebases in a folder", "Leave it out: HNSW is made.")
    register_domains(options.new_domain)
    with filling(options.into, **_making(options)) as (casebase, stages):
        if options.index_key not in (None, AUTOMATIC):
            require_key(options.index_key, stages.embedder.dim)
        exit_code = _fill(casebase, stages, options)
        if options.index_key:
            casebase.publish(options.index_key)
    return exit_code


def _making(options: argparse.Namespace) -> dict[str, Any]:
    """How a casebase is made: what the options say, else what shards were encoded with."""
    from mmedrag.bulk.plan import is_encoded
    from mmedrag.stores import store_exists

    making = {
        "preset": options.preset,
        "models": pairs(options.model, "--model"),
        "dictionaries": options.dictionary,
        "pseudonym_key": options.pseudonym_key,
    }
    shards = [path for path in options.corpus if is_encoded(path)]
    if shards and not store_exists(options.into):
        from mmedrag.bulk.adding import finished_plan

        plan = finished_plan(shards[0])
        plan.register_domains()
        for name in ("preset", "models", "dictionaries"):
            making[name] = making[name] or getattr(plan, name)
    return making


def _add(options: argparse.Namespace) -> int:
    from mmedrag.filling import open_for_writing

    register_domains(options.new_domain)
    casebase, stages = open_for_writing(options.casebase)
    with casebase:
        return _fill(casebase, stages, options)


def _update(options: argparse.Namespace) -> int:
    from mmedrag.stores import open_store

    if options.id is not None:
        with open_store(options.casebase, readonly=True) as casebase:
            stored = casebase.get(options.id)
        if stored is None:
            raise QueryError(f"There is no case {options.id!r}", "Use add for a new one.")
        options.stored = stored
    return _add(options)


def _delete(options: argparse.Namespace) -> int:
    from mmedrag.stores import open_store

    if not options.ids and not options.now:
        raise QueryError("There is nothing to delete", "Give ids, or --now to erase what is left.")
    with open_store(options.casebase) as casebase:
        absent = [case_id for case_id in options.ids if casebase.get(case_id) is None]
        deleted = casebase.delete(options.ids) if options.ids else 0
        left = casebase.erase() if options.now else casebase.unerased()
    show(f"{deleted} cases deleted")
    if left:
        what = ", ".join(f"{number} {name}" for name, number in left.items())
        notify(
            f"not erased yet: {what}; 'mmedrag delete {shown(options.casebase)} --now' erases it"
        )
    if absent:
        notify(f"not in the casebase: {', '.join(absent)}")
    if left and options.now:
        return CasebaseError.exit_code
    return QueryError.exit_code if absent else 0


def _fill(casebase: CaseDatabase, stages: Stages, options: argparse.Namespace) -> int:
    """Read the corpora (or the one case) of the options into a casebase, with a progress bar.

    Returns:
        The exit code: that of an error in the corpus where none of its cases is stored.
    """
    from mmedrag.datasets.duplicates import Duplicates
    from mmedrag.indexing import index
    from mmedrag.provenance import definitions_of
    from mmedrag.readings import READINGS, Readings
    from mmedrag.views.console import report_text

    duplicates = Duplicates()
    started = perf_counter()
    with counter("case", "index") as bar, Readings(casebase.folder / READINGS) as readings:
        expect(bar, lambda: _extent(options))
        report = index(
            _corpus(options, casebase),
            casebase,
            stages.embedder,
            stages.classifier,
            definitions=definitions_of(casebase),
            strict=options.strict,
            progress=bar.update,
            duplicates=duplicates,
            readings=readings,
        )
    show(report_text(report, perf_counter() - started))
    show(str(duplicates.report()))
    for notice in casebase.notices:
        show(notice)
    if report.written or report.unchanged:
        return 0
    notify("no case was stored; see above for what was skipped, and check the corpus and --format")
    return CorpusError.exit_code


def _corpus(options: argparse.Namespace, casebase: CaseDatabase) -> Iterator[Row]:
    """The cases of the options."""
    from mmedrag.bulk.plan import is_encoded
    from mmedrag.corpora import corpus_of

    if getattr(options, "id", None) is not None:
        yield _one_row(options, casebase)
    elif not options.corpus:
        raise QueryError("There is nothing to add", "Give a corpus, or one case by --id.")
    domain = find(options.domain) if options.domain else None
    columns: Mapping[str, str] = pairs(options.column, "--column")
    for path in options.corpus:
        if is_encoded(path):
            from mmedrag.bulk.adding import encoded_rows

            yield from encoded_rows(casebase, path)
        else:
            yield from corpus_of(
                casebase, path, options.format, domain=domain, columns=columns or None
            )


def _extent(options: argparse.Namespace) -> int | None:
    """About how many rows the corpora of the options have; ``None`` where one does not say."""
    from mmedrag.bulk.plan import is_encoded, read_plan
    from mmedrag.datasets.extent import extent, total

    if getattr(options, "id", None) is not None:
        return 1
    return total(
        read_plan(path).cases if is_encoded(path) else extent(path, options.format)
        for path in options.corpus
    )


def _one_row(options: argparse.Namespace, casebase: CaseDatabase) -> Row:
    """The case of the options; as it was encoded, where its image is no longer where it was.

    That of a DICOM file or of an upload never is: the casebase keeps no name of it.
    """
    from mmedrag.imaging.signatures import kind_of_file
    from mmedrag.preparation import kept
    from mmedrag.readings import state_of

    case = _one_case(options)
    stored: Case | None = getattr(options, "stored", None)
    if options.image and kind_of_file(options.image) == "dicom":
        return _deidentified(case, casebase)
    if stored is None or options.image or case.image is None or state_of(case) is not None:
        return case
    if case.text != stored.text:
        raise QueryError(
            f"The image of case {case.id!r} is not at {case.image}",
            "Give it by --image: text and image are encoded together.",
        )
    return kept(next(iter(casebase.entries([case.id]))), case)


def _deidentified(case: Case, casebase: CaseDatabase) -> Row:
    """A case with a new DICOM image, as a corpus that names one is read; its date stays."""
    from mmedrag.datasets.deidentify import Pseudonyms
    from mmedrag.datasets.dicom import deidentified
    from mmedrag.pseudonym_key import key_of

    former = {name: value for name, value in case.meta.items() if name != "deidentified"}
    row = deidentified(replace(case, meta=former), Pseudonyms(key_of(casebase)))
    return replace(row, date=case.date) if isinstance(row, Case) else row


def _one_case(options: argparse.Namespace) -> Case:
    from mmedrag.datasets.records import MAX_ID
    from mmedrag.datasets.rows import MAX_TEXT
    from mmedrag.imaging.decoding import usual_frame

    stored: Case = getattr(options, "stored", None) or Case(id=options.id)
    image: Path | None = options.image and options.image.resolve()
    values = {
        "text": options.text,
        "image": image,
        "frame": usual_frame(image) if image and options.frame is None else options.frame,
        "domain": options.domain and find(options.domain),
        "modality": options.modality,
        "patient_id": options.patient_id,
        "study_id": options.study_id,
        "source": options.source,
        "licence": options.licence,
    }
    case = replace(stored, **{name: value for name, value in values.items() if value is not None})
    if not case.text and case.image is None:
        raise QueryError(f"Case {case.id!r} has neither text nor image", "Give --text or --image.")
    if not 0 < len(case.id.strip()) <= MAX_ID:
        raise QueryError("The id is empty or too long", f"Give 1 to {MAX_ID} characters.")
    if len(case.text) > MAX_TEXT:  # what is exported must be read again
        raise QueryError(
            f"The text has {len(case.text):,} characters, more than {MAX_TEXT:,}", "Shorten it."
        )
    return case
