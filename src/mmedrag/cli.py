"""The command line: parse, call one function, print. Heavy imports are inside the commands."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from mmedrag import __version__
from mmedrag.errors import MMedRAGError, QueryError
from mmedrag.types import Case, Domain, Query

if TYPE_CHECKING:
    from mmedrag.casebase.casebase import Casebase
    from mmedrag.pipeline import MMedRAG
    from mmedrag.presets import Stages
    from mmedrag.protocols import Generator
    from mmedrag.types import Problem

EXIT_CODES = """exit codes:
  0  done (an answer that abstains is an answer)
  1  an error inside MMedRAG
  2  something in the input: a query, an option, an image, a corpus
  3  the casebase: absent, locked, damaged, made with another encoder, no space
  4  a model or an optional library
  5  the generator of the answer
  130  interrupted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except MMedRAGError as error:
        print(f"mmedrag: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("mmedrag: interrupted; what was written is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    root = argparse.ArgumentParser(
        prog="mmedrag",
        description="Medical multimodal retrieval-augmented generation. Not a medical device.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"mmedrag {__version__}")
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    _add_writing(commands)
    _add_asking(commands)
    _add_keeping(commands)
    _add_knowing(commands)
    _add_proving(commands)
    return root


def _add_writing(commands: Any) -> None:  # noqa: ANN401
    index = commands.add_parser("index", help="make a casebase of a corpus, or go on making it")
    index.add_argument("corpus", type=Path, nargs="+", help="files or folders")
    index.add_argument("--into", type=Path, required=True, metavar="CASEBASE")
    index.add_argument("--preset", help="see 'mmedrag presets' (default: offline)")
    _model_options(index)
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


def _add_asking(commands: Any) -> None:  # noqa: ANN401
    for name, words in (
        ("search", "find similar cases and definitions"),
        ("ask", "answer with citations"),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("casebase", type=Path)
        command.add_argument("--text", default="", help="a question or a description")
        command.add_argument("--image", type=Path, help="PNG, JPEG, TIFF or DICOM")
        command.add_argument("--domain", choices=list(Domain), help="overrules the classifier")
        command.add_argument("--where", metavar="FILTER", help="as \"modality = 'ct'\"")
        command.add_argument("-k", type=int, default=10, help="cases in the context (10)")
        command.add_argument(
            "--dictionary", type=Path, action="append", default=[], help="compiled; repeatable"
        )
        command.add_argument("--json", action="store_true", help="the whole trace as JSON")
        command.add_argument("--page", type=Path, help="write the trace as one HTML page")
        command.set_defaults(run=_search)
        if name == "ask":
            _generator_options(command)
            command.set_defaults(run=_ask)


def _add_keeping(commands: Any) -> None:  # noqa: ANN401
    for name, words, run in (
        ("info", "what a casebase holds", _info),
        ("verify", "check every file and record", _verify),
        ("rebuild", "derive the index again; encodes nothing", _rebuild),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("casebase", type=Path)
        if name != "rebuild":
            command.add_argument("--json", action="store_true")
        command.set_defaults(run=run)
    export = commands.add_parser("export", help="cases and thumbnails as a corpus")
    export.add_argument("casebase", type=Path)
    export.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    export.set_defaults(run=_export)


def _add_knowing(commands: Any) -> None:  # noqa: ANN401
    define = commands.add_parser("define", help="recognise and define the terms of a text")
    define.add_argument("text")
    define.add_argument("--dictionary", type=Path, action="append", default=[])
    define.add_argument("--json", action="store_true")
    define.set_defaults(run=_define)
    compile_ = commands.add_parser("dictionary", help="compile dictionaries for fast opening")
    compile_.add_argument("sources", type=Path, nargs="+", help="OBO, RRF, OWL, XML, CSV, JSONL")
    compile_.add_argument("--into", type=Path, required=True, metavar="FILE")
    compile_.set_defaults(run=_dictionary)
    datasets = commands.add_parser("datasets", help="corpora that can be read")
    datasets.set_defaults(run=_datasets)
    presets = commands.add_parser("presets", help="models that can be loaded")
    presets.set_defaults(run=_presets)
    demo = commands.add_parser("demo", help="a synthetic corpus, a question, a cited answer")
    demo.add_argument("--into", type=Path, default=Path("demo"), metavar="FOLDER")
    demo.set_defaults(run=_demo)


def _add_proving(commands: Any) -> None:  # noqa: ANN401
    measured = commands.add_parser("eval", help="measure the system on your own records")
    what = measured.add_subparsers(metavar="WHAT", required=True)
    retrieval = what.add_parser("retrieval", help="R@k, MRR, nDCG@10 in every direction")
    retrieval.add_argument("--data", type=Path, nargs="+", required=True, metavar="RECORDS.jsonl")
    retrieval.add_argument("--split", default="", help="of the queries (default: all records)")
    retrieval.add_argument("--gallery", choices=("split", "all"), default="split")
    retrieval.add_argument("--preset", default="offline", help="see 'mmedrag presets'")
    _model_options(retrieval)
    retrieval.add_argument(
        "--group-by", choices=("patient_id", "study_id", "text", "labels"), default="patient_id"
    )
    retrieval.add_argument("--label", default="", help="also precision@10 by it, as labels[1]")
    retrieval.add_argument("--limit", type=int, metavar="N", help="only the first N records")
    retrieval.add_argument("--json", action="store_true")
    retrieval.set_defaults(run=_eval_retrieval)


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


def _model_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="ROLE=MODEL",
        help="a hub id or folder in place of the preset's own; repeatable",
    )


def _generator_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--generator", choices=("extractive", "groq", "openai"), default="extractive"
    )
    command.add_argument("--llm", metavar="MODEL", help="model name at the remote generator")
    command.add_argument("--base-url", help="of any OpenAI-compatible server (with openai)")
    command.add_argument("--send-image", action="store_true", help="let a vision model see it")
    command.add_argument("--stream", action="store_true", help="print while it is written")


def _index(options: argparse.Namespace) -> int:
    from mmedrag.presets import create, open_for_writing

    models = _pairs(options.model, "--model")
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
    from mmedrag.presets import open_for_writing

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


def _fill(casebase: Casebase, stages: Stages, options: argparse.Namespace) -> None:
    """Read the corpora (or the one case) of the options into a casebase, with a progress bar."""
    from tqdm import tqdm

    from mmedrag.console import report_text
    from mmedrag.datasets.duplicates import Duplicates
    from mmedrag.indexing import index
    from mmedrag.presets import salt_of

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
    columns: Mapping[str, str] = _pairs(options.column, "--column")
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


def _delete(options: argparse.Namespace) -> int:
    from mmedrag.casebase.casebase import Casebase

    with Casebase.open(options.casebase) as casebase:
        absent = [case_id for case_id in options.ids if casebase.get(case_id) is None]
        deleted = casebase.delete(options.ids)
    print(f"{deleted} cases deleted")
    if absent:
        print(f"mmedrag: not in the casebase: {', '.join(absent)}", file=sys.stderr)
    return QueryError.exit_code if absent else 0


def _search(options: argparse.Namespace) -> int:
    from mmedrag.console import context_text
    from mmedrag.trace import context_json

    rag = _open(options, None)
    context = rag.retrieve(_query(options))
    _write_page(options, rag, context)
    print(_dumped(context_json(context)) if options.json else context_text(context))
    return 0


def _ask(options: argparse.Namespace) -> int:
    from mmedrag.console import answer_text
    from mmedrag.trace import answer_json

    rag = _open(options, _generator(options))
    query = _query(options)
    if options.generator != "extractive":
        print(rag.generator.what_is_sent(), file=sys.stderr)  # type: ignore[attr-defined]
    answer = rag.ask(query, _print_piece if options.stream else None)
    if options.stream:
        print("\n")
    _write_page(options, rag, answer)
    print(_dumped(answer_json(answer)) if options.json else answer_text(answer))
    return 0


def _open(options: argparse.Namespace, generator: Generator | None) -> MMedRAG:
    from mmedrag.presets import load

    if options.k < 1:
        raise QueryError(f"-k is {options.k}", "Give at least 1.")
    rag = load(options.casebase, generator=generator, dictionaries=options.dictionary)
    for notice in rag.cases.notices:  # type: ignore[attr-defined]
        print(f"mmedrag: {notice}", file=sys.stderr)
    return replace(rag, k_final=options.k, k_cases=max(rag.k_cases, options.k))


def _generator(options: argparse.Namespace) -> Generator | None:
    if options.generator == "extractive":
        return None
    from mmedrag.chat import groq, openai_compatible

    told = {"send_image": options.send_image}
    if options.generator == "groq":
        return groq(model=options.llm, **told) if options.llm else groq(**told)
    if not options.base_url or not options.llm:
        raise QueryError("The generator openai needs a server", "Give --base-url and --llm.")
    return openai_compatible(options.base_url, options.llm, **told)


def _query(options: argparse.Namespace) -> Query:
    domain = Domain(options.domain) if options.domain else None
    return Query(options.text, options.image, domain, options.where)


def _print_piece(piece: str) -> None:
    print(piece, end="", flush=True, file=sys.stderr)


def _write_page(options: argparse.Namespace, rag: MMedRAG, result: Any) -> None:  # noqa: ANN401
    if options.page is None:
        return
    from mmedrag.page import write_page

    write_page(result, rag.cases.thumbnail, options.page)  # type: ignore[attr-defined]
    print(f"mmedrag: wrote {options.page}", file=sys.stderr)


def _info(options: argparse.Namespace) -> int:
    from mmedrag.casebase.casebase import Casebase

    with Casebase.open(options.casebase, readonly=True) as casebase:
        told = casebase.info() | {"notices": casebase.notices}
    print(_dumped(told) if options.json else "\n".join(f"{k:<14} {v}" for k, v in told.items()))
    return 0


def _verify(options: argparse.Namespace) -> int:
    from mmedrag.casebase.casebase import Casebase
    from mmedrag.errors import CasebaseError

    with Casebase.open(options.casebase, readonly=True) as casebase:
        found = [*casebase.notices, *casebase.verify()]
    if options.json:
        print(_dumped({"sound": not found, "problems": found}))
    else:
        print("\n".join(found) or "sound: every file, digest and record was checked")
    return CasebaseError.exit_code if found else 0


def _rebuild(options: argparse.Namespace) -> int:
    from mmedrag.casebase.casebase import Casebase

    with Casebase.open(options.casebase) as casebase:
        casebase.rebuild()
        print(f"index derived again for {len(casebase)} cases")
    return 0


def _export(options: argparse.Namespace) -> int:
    from mmedrag.casebase.casebase import Casebase

    with Casebase.open(options.casebase, readonly=True) as casebase:
        print(f"{casebase.export(options.into)} cases exported to {options.into}")
    return 0


def _define(options: argparse.Namespace) -> int:
    from mmedrag.console import table
    from mmedrag.presets import dictionary

    known = dictionary(options.dictionary)
    mentions = known.recognise([options.text])
    found = known.define(mentions, limit=50)
    if options.json:
        print(
            _dumped(
                {
                    "mentions": [_fields(m) for m in mentions[0]],
                    "definitions": [_fields(d) for d in found],
                }
            )
        )
        return 0
    rows = [(m.text, m.assertion, m.term, m.concept) for m in mentions[0]]
    print(table(("text", "assertion", "term", "concept"), rows) if rows else "No term is known.")
    for definition in found:
        print(f"\n{definition.term} ({definition.source})\n  {definition.text}")
    return 0


def _dictionary(options: argparse.Namespace) -> int:
    from mmedrag.definitions import compile_dictionary, read_terms

    made = compile_dictionary(
        (t for path in options.sources for t in read_terms(path)), options.into
    )
    print(f"{made.terms} terms ({made.defined} defined) in {made.path}; {made.broken} rows skipped")
    for problem in made.problems[:10]:
        print(f"  {problem}")
    return 0


def _datasets(options: argparse.Namespace) -> int:
    from mmedrag.console import table
    from mmedrag.datasets import FORMATS

    rows = [(f.name, f.needs or "nothing more", f.recognised_by, f.holds) for f in FORMATS]
    print(table(("format", "needs", "recognised by", "holds"), rows, 180))
    return 0


def _presets(options: argparse.Namespace) -> int:
    from mmedrag.presets import PRESETS

    for preset in PRESETS:
        print(f"{preset.name}\n  {preset.summary}\n  needs: {preset.needs}")
        for role, name in preset.models.items():
            print(f"  --model {role}={name or '(none)'}")
        print()
    return 0


def _demo(options: argparse.Namespace) -> int:
    from mmedrag.demo import run

    run(options.into)
    return 0


def _eval_retrieval(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from mmedrag.evaluation.retrieval import evaluate
    from mmedrag.evaluation.tables import retrieval_text

    if options.limit is not None and options.limit < 1:
        raise QueryError(f"--limit is {options.limit}", "Give at least 1.")
    with tqdm(unit="record", desc="embed", disable=None) as bar:
        report = evaluate(
            options.data,
            preset=options.preset,
            models=_pairs(options.model, "--model"),
            split=options.split,
            group_by=options.group_by,
            label=options.label,
            whole_gallery=options.gallery == "all",
            limit=options.limit,
            progress=bar.update,
        )
    print(_dumped(report) if options.json else retrieval_text(report))
    return 0


def _pairs(told: Sequence[str], option: str) -> dict[str, str]:
    pairs = dict(item.partition("=")[::2] for item in told)
    if bad := [key for key, value in pairs.items() if not key or not value]:
        raise QueryError(f"{option} {bad[0]!r} is not NAME=VALUE", "Write it as NAME=VALUE.")
    return pairs


def _fields(item: Any) -> dict[str, Any]:  # noqa: ANN401
    return {name: getattr(item, name) for name in item.__slots__}


def _dumped(value: Any) -> str:  # noqa: ANN401
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
