"""The system measured: ``mmedrag eval``.

Every study is a function of :mod:`mmedrag.evaluation` that gives a section; here are its options.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmedrag.commands import judging
from mmedrag.commands.options import Commands, add_pictures, pairs
from mmedrag.commands.studies import show, study
from mmedrag.errors import QueryError


def add(commands: Commands) -> None:
    """eval, with one command a study."""
    measured = commands.add_parser("eval", help="measure the system on your own records")
    what = measured.add_subparsers(metavar="WHAT", required=True)
    _add_retrieval(what)
    _add_reward(what)
    _add_sensitivity(what)
    _add_fusion(what)
    _add_rerank(what)
    judging.add(what)
    _add_paper(what)


def _add_retrieval(what: Commands) -> None:
    retrieval = study(what, "retrieval", "R@k, MRR, nDCG@10 in every direction", _retrieval)
    retrieval.add_argument("--split", default="", help="of the queries (default: all records)")
    retrieval.add_argument("--gallery", choices=("split", "all"), default="split")
    retrieval.add_argument(
        "--group-by", choices=("patient_id", "study_id", "text", "labels"), default="patient_id"
    )
    retrieval.add_argument("--label", default="", help="also precision@10 by it, as labels[1]")
    retrieval.add_argument("--limit", type=int, metavar="N", help="only the first N records")


def _retrieval(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from mmedrag.evaluation.retrieval_section import evaluate_retrieval

    if options.limit is not None and options.limit < 1:
        raise QueryError(f"--limit is {options.limit}", "Give at least 1.")
    with tqdm(unit="record", desc="embed", disable=None) as bar:
        section = evaluate_retrieval(
            options.data,
            preset=options.preset,
            models=pairs(options.model, "--model"),
            split=options.split,
            group_by=options.group_by,
            label=options.label,
            whole_gallery=options.gallery == "all",
            limit=options.limit,
            progress=bar.update,
        )
    return show(options, section)


def _add_reward(what: Commands) -> None:
    study(what, "reward", "the reward model on patients held out (3.6)", _reward)


def _reward(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from mmedrag.paper.reward_section import evaluate_reward

    with tqdm(unit="record", desc="mine", disable=None) as bar:
        section = evaluate_reward(
            options.data,
            preset=options.preset,
            models=pairs(options.model, "--model"),
            progress=bar.update,
        )
    return show(options, section)


def _add_fusion(what: Commands) -> None:
    fusion = study(what, "fusion", "the strategies of Table C (4.5, 4.7)", _fusion, data=False)
    fusion.add_argument("--data", type=Path, nargs="+", required=True, metavar="RECORDS.jsonl")
    fusion.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="fusion=DIR",
        help="what 'mmedrag train fusion' wrote; without it the strategies are trained first",
    )


def _fusion(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from mmedrag.paper.fusion_section import evaluate_fusion

    models = pairs(options.model, "--model")
    if unknown := sorted(models.keys() - {"fusion"}):
        raise QueryError(f"This study has no model {unknown[0]}", "Write --model fusion=DIR.")
    folder = Path(models["fusion"]) if models else None
    with tqdm(unit="fusion", desc="measure", disable=None) as bar:
        section = evaluate_fusion(options.data, folder=folder, progress=bar.update)
    return show(options, section)


def _add_sensitivity(what: Commands) -> None:
    fine = study(what, "sensitivity", "fine findings, Tables 1 to 4 (5)", _sensitivity, data=False)
    fine.add_argument("--seeds", type=int, default=20, metavar="N", help="images drawn (20)")
    fine.add_argument(
        "--xrays", type=Path, nargs="+", default=[], metavar="RECORDS.jsonl",
        help="real radiographs that findings are put into",
    )  # fmt: skip
    fine.add_argument(
        "--gallery", type=Path, nargs="+", default=[], metavar="RECORDS.jsonl",
        help="records whose validation images are searched",
    )  # fmt: skip
    fine.add_argument(
        "--model", action="append", default=[], metavar="NAME=PATH",
        help="weights of resnet50, resnet101, densenet121, efficientnet_b0, vit_b16, or another "
        "network of transformers by a name of yours; lpa or mspp: a trained pooling; repeatable",
    )  # fmt: skip


def _sensitivity(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from mmedrag.paper.sensitivity_section import evaluate_sensitivity

    if options.seeds < 2:
        raise QueryError(f"--seeds is {options.seeds}", "Give at least 2.")
    with tqdm(unit="part", desc="measure", disable=None) as bar:
        section = evaluate_sensitivity(
            options.seeds,
            models=pairs(options.model, "--model"),
            xrays=options.xrays,
            gallery=options.gallery,
            progress=bar.update,
        )
    return show(options, section)


def _add_rerank(what: Commands) -> None:
    rerank = study(what, "rerank", "Graph-RAG against Standard RAG (4.4, Fig. 2)", _rerank)
    rerank.add_argument("--split", default="val", help="of the queries (val); '' draws patients")
    rerank.add_argument("--gallery", type=int, default=1600, metavar="N", help="records (1600)")
    rerank.add_argument("--queries", type=int, default=120, metavar="N", help="a set, mode (120)")


def _rerank(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from mmedrag.paper.rerank_section import evaluate_rerank

    with tqdm(unit="record", desc="embed and ask", disable=None) as bar:
        section = evaluate_rerank(
            options.data,
            preset=options.preset,
            models=pairs(options.model, "--model"),
            split=options.split,
            gallery=options.gallery,
            queries=options.queries,
            progress=bar.update,
        )
    return show(options, section)


def _add_paper(what: Commands) -> None:
    paper = study(what, "paper", "everything: all studies in one report", _paper, data=False)
    paper.add_argument(
        "--data",
        type=Path,
        metavar="ROLES.toml",
        help="which record files play which role (docs/evaluation.md); without it, phantoms",
    )
    add_pictures(paper)
    paper.add_argument("--only", nargs="+", default=[], metavar="STUDY", help="some of them")
    paper.set_defaults(report=Path("report"))


def _paper(options: argparse.Namespace) -> int:
    from mmedrag.paper.report import outcomes, studies_of
    from mmedrag.paper.roles import drawn_roles, read_roles

    roles = (
        drawn_roles(options.report / "phantoms", options.pictures)
        if options.data is None
        else read_roles(options.data, options.pictures)
    )
    studies = studies_of(roles, options.only)
    numbers = {name: i for i, name in enumerate((study.name for study in studies), 1)}
    found = []

    def begin(name: str) -> None:
        print(f"mmedrag: {numbers[name]} of {len(studies)}: {name}", file=sys.stderr, flush=True)

    try:
        for outcome in outcomes(studies, roles, begin):
            found.append(outcome)
            ending = "failed" if outcome.failed else "done"
            print(f"mmedrag: {ending} in {outcome.seconds:.0f} s", file=sys.stderr, flush=True)
    finally:  # what was measured before an interruption is kept
        if found:
            show(options, *(outcome.section for outcome in found))
    return int(any(outcome.failed for outcome in found))
