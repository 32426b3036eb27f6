"""The system measured on a user's own records: ``mmedrag eval``.

Every study is a function of :mod:`mmedrag.evaluation` that gives a section; here are its options.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmedrag.commands import paper
from mmedrag.commands.generator import add_generator, named_generator
from mmedrag.commands.options import Commands, add_dictionaries, add_pictures, at_least, pairs
from mmedrag.commands.study import add_preset, add_records, add_study, run_study, show_sections
from mmedrag.errors import QueryError
from mmedrag.locations import location_of
from mmedrag.views.section import Section
from mmedrag.views.terminal import progress_bar


def add(commands: Commands) -> None:
    """The command ``eval``, with a sub-command for each study."""
    command = commands.add_parser("eval", help="measure the system on your own records")
    studies = command.add_subparsers(metavar="STUDY", required=True)
    _add_retrieval(studies)
    _add_rerank(studies)
    modality = add_study(
        studies, "modality", "routing to a domain, and rejection of what is not medical (3.2)",
        _modality,
    )  # fmt: skip
    add_pictures(modality)
    definitions = add_study(
        studies, "definitions", "recognition of terms and their negation (3.4)", _definitions,
        data=False,
    )  # fmt: skip
    definitions.add_argument(
        "--negex", type=Path, metavar="FILE",
        help="measure negation on the annotated sentences of FILE instead (JSONL as published with "
             "NegEx: id, sentence, concept, label)",
    )  # fmt: skip
    _add_answers(studies)
    _add_agreement(studies)
    _add_courses(studies)
    _add_knowledge(studies)

    _add_order(studies)
    paper.add(studies)


def _add_retrieval(studies: Commands) -> None:
    command = add_study(
        studies, "retrieval", "R@k, MRR and nDCG@10 between images and texts", _retrieval
    )
    command.add_argument(
        "--split", default="", help="take the queries from this split (default: all records)"
    )
    command.add_argument(
        "--gallery", choices=("split", "all"), default="split",
        help="records to search: those of the split, or all (default: split)",
    )  # fmt: skip
    command.add_argument(
        "--group-by", choices=("patient_id", "study_id", "text", "labels"), default="patient_id",
        help="records that share this field count as right answers (default: patient_id)",
    )  # fmt: skip
    command.add_argument(
        "--label", default="", help="also measure precision@10 by this field, such as labels[1]"
    )
    command.add_argument("--limit", type=int, metavar="N", help="read only the first N records")


def _retrieval(options: argparse.Namespace) -> int:
    from mmedrag.evaluation.retrieval_section import evaluate_retrieval

    if options.limit is not None and options.limit < 1:
        raise QueryError(f"--limit is {options.limit}", "Give at least 1.")
    return run_study(
        options,
        "record",
        "embed",
        evaluate_retrieval,
        split=options.split,
        group_by=options.group_by,
        label=options.label,
        whole_gallery=options.gallery == "all",
        limit=options.limit,
    )


def _add_rerank(studies: Commands) -> None:
    command = add_study(
        studies, "rerank", "graph order against standard order (4.4, Fig. 2)", _rerank
    )
    command.add_argument(
        "--split", default="val",
        help="take the queries from this split; '' draws patients at random (default: val)",
    )  # fmt: skip
    command.add_argument(
        "--gallery", type=at_least(1), default=1600, metavar="N",
        help="number of records that are searched (default: 1600)",
    )  # fmt: skip
    command.add_argument(
        "--queries", type=at_least(1), default=120, metavar="N",
        help="number of queries for each set and kind of query (default: 120)",
    )  # fmt: skip


def _rerank(options: argparse.Namespace) -> int:
    from mmedrag.paper.rerank_section import evaluate_rerank

    return run_study(
        options,
        "record",
        "embed and ask",
        evaluate_rerank,
        split=options.split,
        gallery=options.gallery,
        queries=options.queries,
    )


def _modality(options: argparse.Namespace) -> int:
    from mmedrag.evaluation.modality import evaluate_modality

    return run_study(
        options,
        "picture",
        "classify",
        evaluate_modality,
        pictures=options.pictures,
    )


def _definitions(options: argparse.Namespace) -> int:
    from mmedrag.evaluation.definitions import evaluate_definitions
    from mmedrag.evaluation.negation import evaluate_negation

    section = evaluate_negation(options.negex) if options.negex else evaluate_definitions()
    return show_sections(options, section)


def _add_answers(studies: Commands) -> None:
    command = add_study(
        studies, "answers", "citations, answers without retrieval, poisoned corpora (3.6)",
        _answers, data=False,
    )  # fmt: skip
    add_records(command, required=False)
    add_preset(command)
    command.add_argument(
        "--questions", type=at_least(0), default=40, metavar="N",
        help="number of questions for each corpus; 0 asks the task questions alone (default: 40)",
    )  # fmt: skip
    command.add_argument(
        "--tasks", type=at_least(0), default=0, metavar="N",
        help="also score direct replies: N task questions of each kind (default: 0, none)",
    )  # fmt: skip
    add_searched(command)
    add_generator(command)


def _answers(options: argparse.Namespace) -> int:
    from mmedrag.evaluation.answers import evaluate_answers
    from mmedrag.evaluation.task_replies import evaluate_replies, section_of_replies, with_replies
    from mmedrag.evaluation.tasks import has_validation

    section: Section | None = None
    with progress_bar("question", "ask") as bar:
        if options.questions or not options.tasks:
            section = evaluate_answers(
                [f for f in options.data if not options.tasks or has_validation(f)],
                preset=options.preset,
                models=pairs(options.model, "--model"),
                generator=named_generator(options),
                questions=options.questions,
                progress=bar.update,
            )
        if options.tasks:
            scores = evaluate_replies(
                options.data,
                preset=options.preset,
                models=pairs(options.model, "--model"),
                generator=named_generator(options),
                casebase=options.casebase,
                most=options.tasks,
                progress=bar.update,
            )
            section = with_replies(section, scores) if section else section_of_replies(scores)
    assert section is not None
    return show_sections(options, section)


def add_searched(command: argparse.ArgumentParser) -> None:
    """Let a study search a casebase that is there, in place of one made of the records."""
    command.add_argument(
        "--casebase", type=location_of, metavar="DIR",
        help="search this casebase; it must not hold the patients of the questions",
    )  # fmt: skip


def _add_agreement(studies: Commands) -> None:
    command = add_study(
        studies, "agreement", "how often the neighbours of an image are right", _agreement,
        data=False,
    )  # fmt: skip
    add_records(command)
    command.add_argument("--casebase", type=location_of, metavar="DIR", required=True,
                         help="the casebase that holds these records")  # fmt: skip
    command.add_argument("--tasks", type=at_least(1), default=40, metavar="N",
                         help="questions of each kind and file (default: 40)")  # fmt: skip
    command.add_argument("--unseen", type=Path, nargs="*", default=[], metavar="RECORDS.jsonl",
                         help="records of sets that nothing is fitted on")  # fmt: skip
    command.add_argument("--into", type=Path, metavar="FILE",
                         help="write the figures that answers are given by, as JSON")  # fmt: skip
    command.add_argument("--keep", action="store_true",
                         help="keep them with the casebase, whose answers go by them")  # fmt: skip


def _agreement(options: argparse.Namespace) -> int:
    from mmedrag.evaluation.agreement import evaluate_agreement

    with progress_bar("question", "ask") as bar:
        section = evaluate_agreement(
            options.data, options.casebase, options.tasks, options.into, options.unseen, bar.update,
            keep=options.keep,
        )  # fmt: skip
    return show_sections(options, section)


def _add_courses(studies: Commands) -> None:
    command = add_study(
        studies, "courses", "changes between studies, and patients with a like course (7)",
        _courses, data=False,
    )  # fmt: skip
    add_records(command, required=False)
    add_preset(command)
    command.add_argument(
        "--outcome", action="append", default=[], metavar="FIELD",
        help="field of meta that says how a patient fared; repeatable (default: survival, "
        "intubated)",
    )  # fmt: skip


def _courses(options: argparse.Namespace) -> int:
    from mmedrag.evaluation.courses import OUTCOMES, evaluate_courses

    return run_study(
        options,
        "case",
        "embed",
        evaluate_courses,
        outcomes=options.outcome or OUTCOMES,
    )


def _add_knowledge(studies: Commands) -> None:
    command = add_study(studies, "knowledge", "diagnosis by the knowledge graph (7)", _knowledge)
    add_dictionaries(command)
    command.add_argument(
        "--phenotypes", action="store_true",
        help="add HPO's annotations of diseases to the graph (extra hpo)",
    )  # fmt: skip


def _knowledge(options: argparse.Namespace) -> int:
    from mmedrag.evaluation.knowledge import evaluate_knowledge

    return run_study(
        options,
        "case",
        "embed",
        evaluate_knowledge,
        dictionaries=options.dictionary,
        with_phenotypes=options.phenotypes,
    )


def _add_order(studies: Commands) -> None:
    command = add_study(
        studies, "order", "whether graph and filter help, by kind of question (3.5, 3.6)", _order
    )
    command.add_argument(
        "--unseen", type=Path, nargs="+", default=[], metavar="RECORDS.jsonl",
        help="records of sets that no model was trained on; reported separately",
    )  # fmt: skip
    command.add_argument(
        "--part", choices=("test", "tune"), default="test",
        help="patients who ask: test (results are reported), tune (settings are chosen) "
        "(default: test)",
    )  # fmt: skip
    command.add_argument(
        "--records", type=int, default=300, metavar="N",
        help="records taken of each file and split (default: 300)",
    )  # fmt: skip
    command.add_argument(
        "--questions", type=int, default=6, metavar="N",
        help="questions of each file, form and target (default: 6)",
    )  # fmt: skip


def _order(options: argparse.Namespace) -> int:
    from mmedrag.evaluation.order_section import evaluate_order

    if options.records < 2 or options.questions < 1:
        raise QueryError("There are too few records or questions", "Give at least 2 and 1.")
    with progress_bar("item", "embed and ask") as bar:
        section = evaluate_order(
            options.data,
            options.unseen,
            preset=options.preset,
            models=pairs(options.model, "--model"),
            subset=options.part,
            records=options.records,
            questions=options.questions,
            progress=bar.update,
        )
    return show_sections(options, section)
